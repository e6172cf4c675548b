"""What `/health` says of the database, and how the database is reached."""

import socket
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from web import create_app, database

CONFIGURED = {
    "VERSION": "v7",
    "PGHOST": "127.0.0.1",
    "PGDATABASE": "web",
    "PGUSER": "web",
    "PGPASSWORD": "not-a-secret",
}
# The load balancer's time-out in infra/modules/service.
LOAD_BALANCER_SECONDS = 5


@pytest.fixture
def listener():
    """A port of this machine that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def health(ask=None, **environ):
    given = {} if ask is None else {"ask": ask}
    return create_app({**CONFIGURED, **environ}, **given).test_client().get("/health")


def test_a_database_that_answers_is_healthy():
    answer = health(ask=lambda _: None)

    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "version": "v7", "database": "answered"}


def test_a_database_that_refuses_is_unhealthy():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    answer = health(PGPORT=str(port))

    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "version": "v7", "database": "refused"}


def test_a_database_without_tls_is_refused_before_the_password_is_sent(listener):
    heard = bytearray()

    def answer_without_tls():
        connection, _ = listener.accept()
        with connection:
            heard.extend(connection.recv(1024))
            # PostgreSQL's answer to SSLRequest when it has no TLS.
            connection.sendall(b"N")
            heard.extend(connection.recv(1024))

    server = threading.Thread(target=answer_without_tls)
    server.start()
    answer = health(PGPORT=str(listener.getsockname()[1]))
    server.join(timeout=5)

    assert answer.json["database"] == "refused"
    assert heard == b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "nothing but the request for TLS"


def test_a_database_that_says_nothing_is_unhealthy_before_the_load_balancer_gives_up(listener):
    started = time.monotonic()

    answer = health(PGPORT=str(listener.getsockname()[1]))

    assert time.monotonic() - started < LOAD_BALANCER_SECONDS - 1
    assert (answer.status_code, answer.json["database"]) == (503, "slow")


def test_a_slow_database_is_not_taken_for_a_refusing_one():
    release = threading.Event()
    store = database.Database(release.wait, patience_seconds=0.05)

    assert store.state() == "slow"
    release.set()


def test_many_probes_of_a_hanging_database_are_one_question():
    release = threading.Event()
    asked = []
    store = database.Database(lambda: (asked.append(1), release.wait()), patience_seconds=0.05)

    states = [store.state() for _ in range(5)]
    release.set()

    assert states == ["slow"] * 5
    assert len(asked) == 1


def test_a_database_that_comes_back_is_healthy_again():
    answers = iter([psycopg.OperationalError("the server is starting up"), None])

    def ask(_):
        if reason := next(answers):
            raise reason

    web = create_app(CONFIGURED, ask=ask).test_client()

    assert web.get("/health").status_code == 503
    assert web.get("/health").status_code == 200


def test_only_health_asks_the_database():
    def ask(_):
        pytest.fail("the database was asked")

    web = create_app(CONFIGURED, ask=ask).test_client()

    assert web.get("/").status_code == 200
    assert web.get("/version").status_code == 200


def test_the_reason_is_logged_without_the_password(caplog, listener):
    listener.close()

    health(PGPORT="1")

    assert "the database refused" in caplog.text
    assert CONFIGURED["PGPASSWORD"] not in caplog.text


def test_without_an_authority_the_line_is_encrypted():
    found = database.parameters(CONFIGURED)

    assert found["sslmode"] == "require"
    assert found["port"] == "5432"


def test_with_an_authority_the_servers_name_is_proved(tmp_path):
    authority = tmp_path / "rds.pem"
    authority.write_text("")

    found = database.parameters({**CONFIGURED, "PGSSLROOTCERT": str(authority)})

    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", str(authority))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGDATABASE", ""),
        ("PGUSER", ""),
        ("PGPASSWORD", ""),
        ("PGPORT", "postgres"),
        ("PGPORT", "65536"),
        ("PGSSLROOTCERT", "/nowhere/rds.pem"),
    ],
)
def test_a_configuration_that_is_not_whole_stops_the_start_and_names_the_variable(name, value):
    with pytest.raises(SystemExit, match=name) as refusal:
        create_app({**CONFIGURED, name: value})

    assert CONFIGURED["PGPASSWORD"] not in str(refusal.value)


def test_every_name_given_to_libpq_is_one_that_it_knows():
    psycopg.conninfo.make_conninfo(**database.parameters(CONFIGURED))


def test_psycopg_is_not_needed_to_start():
    program = "import sys; sys.modules['psycopg'] = None; import web; web.create_app({}); web.create_app({!r})"

    subprocess.run([sys.executable, "-c", program.replace("{!r}", repr(CONFIGURED))], check=True)
