"""Every function must stand running twice: AWS invokes at least once. Which ones do is in a file, so that it changes while
functions run; see `Cloud::run_twice`."""

import copy
import functools
import os

from ministack.core.responses import new_uuid
from ministack.services import lambda_svc

# A line is a function's name, with or without its prefix; `*` is all of them.
_FILE = os.environ.get("SLIPWAY_TWICE", "")
_PREFIX = "slipway-"


def apply() -> None:
    """Runs a function once more after it has ended, with what it got; who called it sees the second answer.
    All ways to invoke a function lead through this one place."""
    dispatch = lambda_svc._execute_function_dispatch

    @functools.wraps(dispatch)
    def corrected(func, config, event, request_id, started):
        if _twice(config.get("FunctionName", "")):
            dispatch(func, config, copy.deepcopy(event), new_uuid(), started)
        return dispatch(func, config, event, request_id, started)

    lambda_svc._execute_function_dispatch = corrected


def _twice(function) -> bool:
    try:
        with open(_FILE) as file:
            names = file.read().split()
    except OSError:
        return False
    return "*" in names or function in names or function.removeprefix(_PREFIX) in names
