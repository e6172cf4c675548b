"""Slipway's sample application: says which version it is, and behaves as its image was built to."""

import os
import threading
import time

from flask import Flask, abort, jsonify, render_template_string, request

from . import database

BEHAVIOURS = ("good", "answer-500", "hang", "crash", "stumble", "turn-bad")

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sample application {{ version }}</title>
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 18vh auto; max-width: 32rem; padding: 0 1rem }
  strong { font-size: 2.5rem; display: block }
</style>
<p>Hello. This is version <strong>{{ version }}</strong>
<p>Slipway brought it here.
</html>
"""


def create_app(environ=os.environ, clock=time.monotonic, ask=database.ask):
    """Makes the application of this environment; `clock` counts seconds, `ask` asks the database."""
    version = environ.get("VERSION", "development")
    behaviour = environ.get("BEHAVIOUR", "good")
    good_for = float(environ.get("GOOD_FOR_SECONDS", "20"))
    if behaviour not in BEHAVIOURS:
        raise SystemExit(f"web {version}: BEHAVIOUR is one of {', '.join(BEHAVIOURS)}, not {behaviour!r}")
    if behaviour == "crash":
        raise SystemExit(f"web {version}: the database's address is not configured")
    try:
        parameters = database.parameters(environ)
    except ValueError as reason:
        raise SystemExit(f"web {version}: {reason}") from reason
    store = database.Database(lambda: ask(parameters)) if parameters else None

    app = Flask(__name__)
    started = clock()
    asked = threading.Event()

    @app.before_request
    def behave():
        if behaviour == "hang":
            threading.Event().wait()
        if behaviour == "answer-500" or (behaviour == "turn-bad" and clock() - started >= good_for):
            abort(500, description=f"Version {version} is broken.")
        if behaviour == "stumble" and "ELB-HealthChecker" not in request.user_agent.string and not asked.is_set():
            asked.set()
            abort(500, description=f"Version {version} stumbles once.")

    @app.get("/")
    def greet():
        return render_template_string(PAGE, version=version)

    @app.get("/health")
    def health():
        if store is None:
            return jsonify(status="ok", version=version)
        state = store.state()
        if state != "answered":
            return jsonify(status="unavailable", version=version, database=state), 503
        return jsonify(status="ok", version=version, database=state)

    @app.get("/version")
    def show_version():
        return jsonify(version=version)

    return app
