"""Signs the requests, finds the API on this machine, and has the good ones ask for what there is."""

import itertools
import os
import socket
import time

import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests.auth import AuthBase

KNOWN = ["web", "shop"]
_resolve = socket.getaddrinfo
_keys = itertools.count(time.time_ns())


def _as_browsers_do(host, *arguments, **options):
    """`*.localhost` is this machine (RFC 6761), which not every resolver knows."""
    is_here = isinstance(host, str) and host.endswith(".localhost")
    return _resolve("127.0.0.1" if is_here else host, *arguments, **options)


socket.getaddrinfo = _as_browsers_do


class SignatureV4(AuthBase):
    """The caller that IAM proves: whose keys the environment has."""

    def __init__(self):
        credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        self.signer = SigV4Auth(credentials, "execute-api", os.environ["AWS_REGION"])

    def __call__(self, request):
        signed = AWSRequest(method=request.method, url=request.url, data=request.body)
        self.signer.add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


schemathesis.auth.set_from_requests(SignatureV4())


@schemathesis.hook
def before_call(context, case, kwargs):
    """Has good requests be about something, and begin nothing.

    Half of the good requests that read name an application that there is. What would begin or end a release names none,
    whatever the answers before have said there is. A bad request stays as bad as it is.
    """
    application = (case.path_parameters or {}).get("application")
    if case.method != "GET" and not case.path.endswith("/clear") and application in KNOWN:
        case.path_parameters["application"] = "nobody"
    if not case.meta.generation.mode.is_positive:
        return
    if case.method == "GET" and isinstance(application, str):
        number = sum(application.encode("utf-8", "surrogatepass"))
        if number % 2 == 0:
            case.path_parameters["application"] = KNOWN[number // 2 % len(KNOWN)]
    # What the document says in words alone: how a stage is called, and that a key is for one request.
    if isinstance(case.body, dict) and isinstance(case.body.get("stage"), str):
        case.body["stage"] = "production"
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"schemathesis-{next(_keys)}"
