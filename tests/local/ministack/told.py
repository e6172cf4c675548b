"""What the local cloud is told to do, by files of its state folder. They are read at every call, so that they change while it runs."""

import json
import os


def told(variable) -> dict:
    """What the file says now that an environment variable names; nothing where there is none."""
    try:
        with open(os.environ[variable]) as file:
            return json.load(file)
    except (KeyError, OSError, ValueError):
        return {}


def awkward(what):
    """How awkward AWS is now in one respect: as the whole run of tests asks for it, or the test that runs."""
    document = told("SLIPWAY_AWKWARD")
    always, now = document.get("always", {}), document.get("now", {})
    return max(now.get(what, 0), 0 if now.get("calm") else always.get(what, 0))
