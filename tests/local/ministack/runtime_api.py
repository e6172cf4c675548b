"""The Runtime API, by which a function's process gets its invocations. AWS takes a millisecond or two for one; MiniStack takes 90: it writes
an answer's head and its body apart, so that the kernel keeps the body back until the head is acknowledged (40 ms), and it waits for a line of
log from functions that have written none (50 ms)."""

import socketserver

from ministack.core.lambda_runtime import ProvidedWorker

# In seconds: for the first line, after the last one, and in all. A function writes its log before it answers.
LOG = (0.01, 0.005, 0.25)


def apply() -> None:
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    ProvidedWorker._drain_stderr_bounded.__defaults__ = LOG
