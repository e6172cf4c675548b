"""Whether the application's PostgreSQL database answers, found out within a time that the load balancer waits for."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Slow

# The load balancer gives a health check 5 seconds; what is later than this has not answered.
PATIENCE_SECONDS = 3.0

REQUIRED = ("PGDATABASE", "PGUSER", "PGPASSWORD")

log = logging.getLogger("gunicorn.error")


def parameters(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Reads how to connect, as libpq names it; `None` when no database is configured.

    Raises ValueError, which names the variable, when the configuration is not whole.
    """
    host = environ.get("PGHOST")
    if not host:
        return None
    for name in REQUIRED:
        if not environ.get(name):
            raise ValueError(f"{name} is missing: with PGHOST, the database is configured wholly")
    port = environ.get("PGPORT") or "5432"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"PGPORT is a port such as 5432, not {port!r}")

    found = {
        "host": host,
        "port": port,
        "dbname": environ["PGDATABASE"],
        "user": environ["PGUSER"],
        "password": environ["PGPASSWORD"],
        "application_name": "web",
        # Bounds on what PATIENCE_SECONDS leaves behind: each thread and connection ends soon after.
        "connect_timeout": "4",
        "tcp_user_timeout": "4000",
        "options": "-c statement_timeout=2000",
        # Never plain text. Without an authority the server's name cannot be proved, only the line encrypted.
        "sslmode": "require",
        "gssencmode": "disable",
    }
    authority = environ.get("PGSSLROOTCERT")
    if authority:
        if not os.path.isfile(authority):
            raise ValueError(f"PGSSLROOTCERT is a file of certificates; there is none at {authority!r}")
        found |= {"sslmode": "verify-full", "sslrootcert": authority}
    return found


def ask(parameters: Mapping[str, str]) -> None:
    """Connects anew and runs a statement: proves the way, the certificate and the password, every time."""
    # Imported here: without a database, psycopg is not needed and costs no time at the start.
    import psycopg

    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute("SELECT 1")


class Database:
    """A database that can be asked whether it answers.

    However many ask, one question is under way at a time, and all of them get its answer: probes do not add up to a
    load, and a database that hangs holds one thread.
    """

    def __init__(self, question: Callable[[], None], patience_seconds: float = PATIENCE_SECONDS):
        self._question = question
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._asked: Future | None = None

    def state(self) -> str:
        """`answered`, `refused` (by the database, the network or TLS) or `slow`."""
        try:
            self._under_way().result(timeout=self._patience_seconds)
        except Slow:
            log.warning("the database did not answer within %s seconds", self._patience_seconds)
            return "slow"
        except Exception as error:
            # libpq's reason names the host and the user, never the password.
            log.warning("the database refused: %s", " ".join(str(error).split()))
            return "refused"
        return "answered"

    def _under_way(self) -> Future:
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=self._find_out, args=(self._asked,), name="database", daemon=True).start()
            return self._asked

    def _find_out(self, answer: Future) -> None:
        try:
            self._question()
        except BaseException as error:  # who asked gets it
            answer.set_exception(error)
        else:
            answer.set_result(None)
