"""Signs the requests, finds the API on this machine, and has them ask for applications that there are."""

import os
import socket

import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests.auth import AuthBase

KNOWN = ["web", "shop"]
_resolve = socket.getaddrinfo


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
def map_path_parameters(context, path_parameters):
    """Half of the reading requests name an application that there is; what changes something names none.

    A request for a release that is good would begin one, which then waits for people.
    """
    application = (path_parameters or {}).get("application")
    if context.operation.method.upper() == "GET" and isinstance(application, str):
        number = sum(application.encode("utf-8", "surrogatepass"))
        if number % 2 == 0:
            path_parameters["application"] = KNOWN[number // 2 % len(KNOWN)]
    return path_parameters
