"""HTTP servers for the tests: targets of load balancers."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(text, host="127.0.0.1", port=0, status=lambda: 200):
    """A server that answers everything with a text; its port."""
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status())
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((host, port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
