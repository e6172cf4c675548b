"""Load balancers by their own names. On AWS the name of a load balancer leads to it, and each listener answers on its port.
MiniStack's names lead nowhere on this machine, and it answers on one port.

The functions ask what is not on this machine through a proxy (HTTP_PROXY, which MiniStack's environment hands on to them):
it gives a request for a load balancer's name and port to MiniStack, which finds the listener by both. Whatever else is asked
for does not exist.
"""

import os
import socket
import threading

from tls import pass_on

PORT = int(os.environ.get("SLIPWAY_PROXY_PORT", "0"))
PLAIN_PORT = int(os.environ.get("GATEWAY_PORT", "4566"))
PATIENCE = 60.0
LONGEST_HEAD = 65_536


def apply() -> None:
    if PORT:
        threading.Thread(target=_listen, name="slipway-names", daemon=True).start()


def _listen() -> None:
    with socket.create_server(("127.0.0.1", PORT)) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(client,), daemon=True).start()


def _serve(client) -> None:
    client.settimeout(PATIENCE)
    try:
        with client, socket.create_connection(("127.0.0.1", PLAIN_PORT), timeout=PATIENCE) as plain:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD:
                read = client.recv(65_536)
                if not read:
                    return
                head += read
            answer = _towards(head)
            if answer is None:
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            plain.sendall(answer)
            pass_on(client, plain)
    except OSError:
        # It turned away, or took too long.
        return


def _towards(head):
    """The request as its host gets it (RFC 9112, 3.2.2); nothing where the host is no load balancer."""
    line, _, rest = head.partition(b"\r\n")
    try:
        method, target, version = line.split(b" ")
    except ValueError:
        return None
    host, slash, path = target.removeprefix(b"http://").partition(b"/")
    name = host.partition(b":")[0]
    if not target.startswith(b"http://") or not name.endswith(b".elb.amazonaws.com"):
        return None
    return b" ".join([method, b"/" + path if slash else b"/", version]) + b"\r\n" + rest
