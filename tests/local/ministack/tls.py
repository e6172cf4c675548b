"""Load balancers that speak TLS. On AWS a listener for HTTPS shows the certificate that it was given, and a client that asks
by another name turns away. MiniStack answers HTTPS listeners by plain HTTP.

One port beside MiniStack's own takes connections by TLS for every load balancer. The client names the host (SNI); what it is
shown is issued by an authority of this cloud for the names that the certificate of the load balancer's HTTPS listener has in
ACM. The functions trust that authority, and no other.
"""

import functools
import os
import selectors
import socket
import ssl
import threading
import time

import trustme
from ministack.services import acm, alb

PORT = int(os.environ.get("SLIPWAY_TLS_PORT", "0"))
AUTHORITY = os.environ.get("SSL_CERT_FILE", "")
PLAIN_PORT = int(os.environ.get("GATEWAY_PORT", "4566"))
# How long one connection may last.
PATIENCE = 60.0


def apply() -> None:
    if not PORT:
        return
    authority = trustme.CA()
    authority.cert_pem.write_to_path(AUTHORITY)
    _use_the_listener_that_was_asked()
    threading.Thread(target=_listen, args=(authority,), name="slipway-tls", daemon=True).start()


def _use_the_listener_that_was_asked() -> None:
    """A request that came by TLS is one of the HTTPS listener, and each other one is not."""
    dispatch = alb.dispatch_request

    @functools.wraps(dispatch)
    async def corrected(lb, method, path, headers, body, query_params, port=80, *rest, **details):
        secure = port == PORT
        listeners = [one for one in alb._listeners.values() if one["LoadBalancerArn"] == lb["LoadBalancerArn"]]
        named = any(one["Port"] == port for one in listeners)
        of_its_kind = [one for one in listeners if (one["Protocol"] == "HTTPS") == secure]
        if of_its_kind and (secure or not named):
            port = of_its_kind[0]["Port"]
        return await dispatch(lb, method, path, headers, body, query_params, port, *rest, **details)

    alb.dispatch_request = corrected


def _names(host) -> list:
    """The names of the certificate that the load balancer of this host shows; none where it has no listener for HTTPS."""
    balancers = [lb for lb in alb._lbs._data.values()
                 if host in (lb["DNSName"].lower(), f"{lb['LoadBalancerName'].lower()}.alb.localhost")]
    arns = [lb["LoadBalancerArn"] for lb in balancers]
    for listener in list(alb._listeners._data.values()):
        if listener["LoadBalancerArn"] not in arns or listener["Protocol"] != "HTTPS":
            continue
        shown = listener.get("Certificates") or []
        for certificate in list(acm._certificates._data.values()):
            if certificate["CertificateArn"] in shown:
                return [certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])]
    return []


def _listen(authority) -> None:
    contexts: dict = {}

    def choose(connection, host, _first):
        names = tuple(dict.fromkeys(_names((host or "").lower())))
        if not names:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if names not in contexts:
            contexts[names] = _context()
            authority.issue_cert(*names).configure_cert(contexts[names])
        connection.context = contexts[names]
        return None

    first = _context()
    authority.issue_cert("nobody.invalid").configure_cert(first)
    first.sni_callback = choose
    with socket.create_server(("127.0.0.1", PORT)) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(first, client), daemon=True).start()


def _context():
    """One that lets no client resume a session: each sees the certificate that the listener has now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def _serve(context, client) -> None:
    client.settimeout(PATIENCE)
    try:
        with context.wrap_socket(client, server_side=True) as secure, \
                socket.create_connection(("127.0.0.1", PLAIN_PORT), timeout=PATIENCE) as plain:
            pass_on(secure, plain)
    except OSError:
        # It turned away, or took too long.
        client.close()


def pass_on(secure, plain) -> None:
    """Hands on what each of two connections sends to the other, until one ends."""
    end = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as both:
        both.register(secure, selectors.EVENT_READ, plain)
        both.register(plain, selectors.EVENT_READ, secure)
        while time.monotonic() < end:
            for key, _ in both.select(1.0):
                data = key.fileobj.recv(65_536)
                if not data:
                    return
                key.data.sendall(data)
                # What TLS has read already makes no socket readable.
                while key.fileobj is secure and isinstance(secure, ssl.SSLSocket) and secure.pending():
                    plain.sendall(secure.recv(65_536))
