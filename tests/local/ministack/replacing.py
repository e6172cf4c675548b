"""Tasks that AWS replaces by itself, where a run of tests asks for it: Spot takes capacity back, hosts retire, zones are balanced.

AWS: a task that Spot interrupts stops with the code `SpotInterruption` and the reason "Your Spot Task was interrupted." (Amazon ECS API
reference, `Task`, and its developer guide, "Amazon ECS stopped tasks error messages"), and its service starts another one. No circuit breaker
counts it: its task had run.
"""

import threading
import time

from ministack.core.responses import request_scope
from ministack.services import ecs
from told import awkward

LOOKS = 0.5
# When each service lost a task last, or was seen first.
_replaced: dict = {}


def apply() -> None:
    threading.Thread(target=_replace_forever, name="slipway-replaced-tasks", daemon=True).start()


def _replace_forever() -> None:
    while True:
        time.sleep(LOOKS)
        every = awkward("replaces_seconds")
        if not every:
            _replaced.clear()
            continue
        for (account, region, key), service in list(ecs._services._data.items()):
            if time.monotonic() >= _replaced.setdefault(key, time.monotonic()) + every:
                _replaced[key] = time.monotonic()
                with request_scope(account, region):
                    replace_one(key, service)


def replace_one(key, service) -> None:
    """Takes the oldest running task of a service away; the service starts another."""
    name = key.split("/", 1)[1]
    running = [(task.get("startedAt") or 0, arn, task) for arn, task in list(ecs._tasks.items())
               if task.get("group") == f"service:{name}" and task.get("clusterArn") == service.get("clusterArn")
               and task.get("lastStatus") == "RUNNING"]
    if service.get("status") != "ACTIVE" or not running:
        return
    _, arn, task = min(running, key=lambda one: (str(one[0]), one[1]))
    if not ecs._mark_task_stopped(arn, task, "Your Spot Task was interrupted.", "SpotInterruption"):
        return
    ecs._cleanup_task_resources(task, ecs._get_docker())
    # MiniStack starts another only where a task failed, and has a deployment complete with the tasks that it began with.
    ecs._reconcile_service_tasks(key.split("/", 1)[0], key)
    if (ecs._primary_deployment(service) or {}).get("rolloutState") == "IN_PROGRESS":
        ecs._schedule_service_deployment_completion(key.split("/", 1)[0], key, ecs.get_account_id(), ecs.get_region())
