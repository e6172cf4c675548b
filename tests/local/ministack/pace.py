"""How fast the cloud's own waiting goes: `cargo local up --quick` shortens it, for runs of hundreds of releases."""

import os

from ministack.services import ecs

QUICK = os.environ.get("SLIPWAY_QUICK") == "true"


def of(normal: float, quick: float) -> float:
    """A time in seconds at this cloud's pace."""
    return quick if QUICK else normal


def apply() -> None:
    ecs._ECS_DEPLOYMENT_STEADY_DELAY = of(ecs._ECS_DEPLOYMENT_STEADY_DELAY, 0.1)
