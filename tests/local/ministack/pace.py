"""How fast the cloud's own waiting goes: `cargo local up --quick` shortens it, for runs of hundreds of releases."""

import functools
import os

from ministack.services import ecs, stepfunctions

QUICK = os.environ.get("SLIPWAY_QUICK") == "true"


def of(normal: float, quick: float) -> float:
    """A time in seconds at this cloud's pace."""
    return quick if QUICK else normal


# A minute of a deployment's steps and bakes, in seconds; time-outs keep their minutes.
MINUTE = float(os.environ.get("SLIPWAY_MINUTE") or of(3, 1))


def apply() -> None:
    ecs._ECS_DEPLOYMENT_STEADY_DELAY = of(ecs._ECS_DEPLOYMENT_STEADY_DELAY, 0.1)
    what_the_workflow_waits_for_takes_its_time()


def what_the_workflow_waits_for_takes_its_time() -> None:
    """`SFN_WAIT_SCALE` shortens retries, and the Wait states as well: what a service must run on for is no pace of the cloud."""
    seconds = stepfunctions._jsonata_wait_seconds

    @functools.wraps(seconds)
    def corrected(*arguments):
        return seconds(*arguments) / (stepfunctions._SFN_WAIT_SCALE or 1)

    stepfunctions._jsonata_wait_seconds = corrected
