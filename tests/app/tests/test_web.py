"""What each behaviour of the sample application answers."""

import threading

import pytest

from web import create_app

PATHS = ("/", "/health", "/version", "/unknown")


def client(behaviour="good", clock=lambda: 0.0, **environ):
    return create_app({"VERSION": "v7", "BEHAVIOUR": behaviour, **environ}, clock).test_client()


def test_a_good_version_says_which_it_is():
    web = client()

    assert "v7" in web.get("/").text
    assert web.get("/health").json == {"status": "ok", "version": "v7"}
    assert web.get("/version").json == {"version": "v7"}
    assert web.get("/unknown").status_code == 404


def test_a_version_is_shown_as_text():
    web = create_app({"VERSION": "<b>"}).test_client()

    assert "&lt;b&gt;" in web.get("/").text


@pytest.mark.parametrize("path", PATHS)
def test_a_broken_version_answers_500_on_every_path(path):
    assert client("answer-500").get(path).status_code == 500


@pytest.mark.parametrize("path", PATHS[:3])
def test_a_version_that_turns_bad_is_good_until_then(path):
    now = 100.0
    web = client("turn-bad", lambda: now, GOOD_FOR_SECONDS="5")

    now = 104.9
    assert web.get(path).status_code == 200
    now = 105.0
    assert web.get(path).status_code == 500


def test_a_version_that_stumbles_does_so_once_and_never_at_a_check_of_the_load_balancer():
    web = client("stumble")

    checks = {"User-Agent": "ELB-HealthChecker/2.0"}
    answers = [web.get("/health", headers=headers).status_code for headers in (checks, checks, None, None, checks)]

    assert answers == [200, 200, 500, 200, 200]


def test_a_hanging_version_does_not_answer():
    request = threading.Thread(target=client("hang").get, args=["/health"], daemon=True)

    request.start()
    request.join(timeout=0.2)

    assert request.is_alive()


def test_a_crashing_version_says_why_before_it_listens():
    with pytest.raises(SystemExit, match=r"v7.*database"):
        client("crash")


def test_an_unknown_behaviour_is_refused():
    with pytest.raises(SystemExit, match="BEHAVIOUR is one of"):
        client("nap")
