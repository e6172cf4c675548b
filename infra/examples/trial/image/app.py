"""The trial's application: answers every path with the version and the stage that it runs in.

`STATUS` is baked into the image; with 500 the image is one that does not serve.
"""

import http.server
import json
import os
import signal
import sys

STATUS = int(os.environ.get("STATUS", "200"))
BODY = json.dumps(
    {"version": os.environ.get("VERSION"), "stage": os.environ.get("STAGE")}
).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers alike whatever it is asked."""

    def do_GET(self):
        self.send_response(STATUS)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)


def main():
    # ECS stops a task with SIGTERM, which the first process of a container has to handle itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080")))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()


main()
