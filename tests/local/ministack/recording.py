"""Every invocation of a function with its event, in a file, while the folder of recordings exists: what `cargo local bench` plays
again."""

import functools
import json
import os
import time

from ministack.services import lambda_svc

_FOLDER = os.environ.get("SLIPWAY_RECORDING", "")


def apply() -> None:
    """The outermost way to invoke a function: what one that runs twice is given is written once."""
    dispatch = lambda_svc._execute_function_dispatch

    @functools.wraps(dispatch)
    def corrected(func, config, event, request_id, started):
        if not (_FOLDER and os.path.isdir(_FOLDER)):
            return dispatch(func, config, event, request_id, started)
        text = json.dumps(event)
        begun = _microseconds()
        try:
            return dispatch(func, config, event, request_id, started)
        finally:
            _write({"function": config.get("FunctionName", ""), "event": json.loads(text), "begun": begun, "ended": _microseconds()})

    lambda_svc._execute_function_dispatch = corrected


def _microseconds() -> int:
    return time.time_ns() // 1000


def _write(invocation) -> None:
    with open(os.path.join(_FOLDER, "invocations.jsonl"), "a") as file:
        file.write(json.dumps(invocation) + "\n")
