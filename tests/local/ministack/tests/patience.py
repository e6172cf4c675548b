"""Waiting, as tests do: for what is to be seen, and not for a time."""

import time


def until(look, patience=10):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing within {patience} s")
