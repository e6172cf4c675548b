"""The sample application's answers without its framework: it starts at once, for tests of many releases."""

import http.server
import json
import os
import threading
import time

VERSION = os.environ["VERSION"]
BEHAVIOUR = os.environ["BEHAVIOUR"]
GOOD_FOR = float(os.environ.get("GOOD_FOR_SECONDS", "20"))
STARTED = time.monotonic()
# Of a version that stumbles: whether it has answered anybody but the load balancer's checks.
asked = threading.Event()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if BEHAVIOUR == "hang":
            threading.Event().wait()
        bad = BEHAVIOUR == "answer-500" or (BEHAVIOUR == "turn-bad" and time.monotonic() - STARTED >= GOOD_FOR)
        if BEHAVIOUR == "stumble" and not self.headers.get("User-Agent", "").startswith("ELB-HealthChecker") and not asked.is_set():
            asked.set()
            bad = True
        answers = {"/health": {"status": "ok", "version": VERSION}, "/version": {"version": VERSION}}
        status = 500 if bad else 200 if self.path in answers else 404
        body = json.dumps(answers.get(self.path)).encode() if status == 200 else f"Version {VERSION}: {status}.".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if BEHAVIOUR == "crash":
    raise SystemExit(f"web {VERSION}: the database's address is not configured")
server = http.server.ThreadingHTTPServer((os.environ.get("HOST", "0.0.0.0"), 8080), Answer)
server.daemon_threads = True
server.serve_forever()
