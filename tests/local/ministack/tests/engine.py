"""As much of the Docker Engine API as MiniStack needs to run tasks: each container is an HTTP server with an address of its own, which answers
with the `VERSION` of its environment. `STATUS` is another status than 200, `EXIT` has it end at once."""

import collections
import http.server
import itertools
import json
import os
import re
import socketserver
import threading
import urllib.parse

PORT = 8080


class Container:
    numbers = itertools.count(os.getpid() % 200 * 250 + 1)

    def __init__(self, name, body, counted):
        number = next(self.numbers)
        self.id, self.name, self.counted = f"{number:064x}", name, counted
        self.address = f"127.77.{number // 250 % 250}.{number % 250 + 1}"
        self.environment = dict(one.split("=", 1) for one in body.get("Env") or [])
        self.image, self.exit_code, self.server = body["Image"], None, None

    def start(self) -> None:
        if "EXIT" in self.environment:
            self.exit_code = int(self.environment["EXIT"])
            return
        container = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                version = container.environment.get("VERSION", "")
                if not self.headers.get("User-Agent", "").startswith("ELB-HealthChecker"):
                    container.counted[version] += 1
                self.send_response(int(container.environment.get("STATUS", "200")))
                self.send_header("Content-Length", str(len(version)))
                self.end_headers()
                self.wfile.write(version.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((self.address, PORT), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        self.exit_code = self.exit_code or 0

    def shown(self) -> dict:
        state = {"Status": "running" if self.exit_code is None else "exited", "Running": self.exit_code is None, "ExitCode": self.exit_code or 0}
        return {"Id": self.id, "Name": f"/{self.name}", "Image": self.image, "State": state, "Config": {"Labels": {}, "Image": self.image},
                "NetworkSettings": {"IPAddress": self.address, "Networks": {"bridge": {"IPAddress": self.address}}}}


class Engine:
    """Listens on a socket of its own until it is closed; `requests` counts what was asked of each version."""

    def __init__(self, folder):
        self.path, self.containers, self.requests = str(folder / "engine.sock"), {}, collections.Counter()
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}") if length else {}
                path = urllib.parse.urlsplit(self.path)
                status, document = engine.does(self.command, re.sub(r"^/v[\d.]+", "", path.path), urllib.parse.parse_qs(path.query), body)
                content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

            def address_string(self):
                return "unix"

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        for container in self.containers.values():
            container.stop()

    def does(self, method, path, query, body):
        if path == "/version":
            return 200, {"Version": "1", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}
        if path == "/images/create":
            return 200, {"status": "pulled"}
        if path.startswith("/images/"):
            return 200, {"Id": "sha256:" + "0" * 64, "RepoTags": []}
        if path == "/containers/json":
            return 200, []
        if path == "/containers/create":
            made = Container((query.get("name") or ["unnamed"])[0], body, self.requests)
            self.containers[made.id] = made
            return 201, {"Id": made.id, "Warnings": []}
        return self.does_to(method, path.split("/")[2:])

    def does_to(self, method, parts):
        container = self.containers.get(parts[0]) if parts else None
        if container is None:
            return 404, {"message": "no such container"}
        action = parts[1] if len(parts) > 1 else ""
        if method == "DELETE" or action == "stop":
            container.stop()
            return 204, None
        if action == "start":
            container.start()
            return 204, None
        if action == "wait":
            return 200, {"StatusCode": container.exit_code or 0}
        return 200, container.shown()
