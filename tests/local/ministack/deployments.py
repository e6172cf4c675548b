"""The events of ECS: `ECS Deployment State Change`, `ECS Service Action` of services that became steady, `ECS Task State Change` of tasks that stopped.

Shapes: Amazon ECS developer guide, "Service deployment state change events", "Service action events" and "Task state change events"."""

import copy
import datetime
import functools
import json
import time

import events
from ministack.core.concurrency import resource_lock
from ministack.services import ecs

NAMES = {"IN_PROGRESS": "SERVICE_DEPLOYMENT_IN_PROGRESS", "COMPLETED": "SERVICE_DEPLOYMENT_COMPLETED",
         "FAILED": "SERVICE_DEPLOYMENT_FAILED"}

# How long a deployment that was made may be without a service, in seconds.
PATIENCE = 2

# Whom a change of a deployment is told as well, with the field and its value, under the lock of its service.
followers: list = []

# The services that were steady when they were last looked at, by their ARN.
_steady: set = set()


def apply() -> None:
    make, create, update, refresh, stop = (ecs._make_deployment, ecs._create_service, ecs._update_service,
                                           ecs._refresh_service_state, ecs._mark_task_stopped)

    @functools.wraps(make)
    def making(*arguments, **named):
        return Deployment(make(*arguments, **named))

    @functools.wraps(create)
    def creating(data):
        answer = create(data)
        if answer[0] < 300:
            for deployment in _placed(answer):
                _changed(deployment, "IN_PROGRESS")
                if deployment["rolloutState"] != "IN_PROGRESS":
                    _changed(deployment, deployment["rolloutState"])
        return answer

    @functools.wraps(update)
    def updating(data):
        answer = update(data)
        if answer[0] < 300:
            _placed(answer)
        return answer

    @functools.wraps(refresh)
    def refreshing(cluster, group):
        refresh(cluster, group)
        look_whether_steady(ecs._services.get(f"{cluster}/{group.removeprefix('service:')}"))

    @functools.wraps(stop)
    def stopping(arn, task, *arguments, **named):
        stopped = stop(arn, task, *arguments, **named)
        if stopped:
            events.happened("aws.ecs", "ECS Task State Change", [arn], _of_task(arn, task))
        return stopped

    ecs._ts_to_epoch = _with_milliseconds
    ecs._make_deployment = making
    ecs._create_service = ecs._ACTION_MAP["CreateService"] = creating
    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = updating
    ecs._refresh_service_state = refreshing
    ecs._mark_task_stopped = stopping


def _with_milliseconds(value):
    """AWS: times are epoch seconds with a fraction. MiniStack cuts it off."""
    try:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except (AttributeError, TypeError, ValueError):
        return value


class Deployment(dict):
    """A deployment that tells when its rollout's state changes."""

    # Its service and that one's key: it is soon not among its service's any more.
    place = None
    # What service_deployments.py and sides.py know of it: its service deployment, its revision, and the side of its target groups.
    record = revision = side = None

    def __deepcopy__(self, memo):
        """What is shown of it tells nothing."""
        return copy.deepcopy(dict(self), memo)

    def __setitem__(self, field, value):
        changed = field in ("rolloutState", "status") and value != self.get(field)
        # AWS: what the circuit breaker rolls back to is a deployment of its own. MiniStack takes the old one again.
        if field == "status" and value == "PRIMARY" and self.get(field) == "ACTIVE":
            super().__setitem__("createdAt", ecs._iso())
        super().__setitem__(field, value)
        if changed and field == "rolloutState":
            _changed(self, value)
        if changed:
            for follow in followers:
                follow(self, field, value)

    def quietly(self, **fields) -> None:
        """Changes fields of which nobody is told."""
        super().update(fields)


def _placed(answer) -> list:
    """The deployments of a service that was just made or updated; from now on they know whose they are."""
    key = _key(json.loads(answer[2])["service"])
    service = ecs._services[key]
    for deployment in service["deployments"]:
        deployment.place = deployment.place or (key, service)
    return service["deployments"]


def _changed(deployment, state) -> None:
    at = events.written()
    events.happened_once_settled(lambda: _of_deployment(deployment, state, at))


def _of_deployment(deployment, state, at):
    deadline = time.monotonic() + PATIENCE
    # Its service gets it just after it is made.
    while deployment.place is None and time.monotonic() < deadline:
        deployment.place = next(((key[-1], service) for key, service in list(ecs._services._data.items())
                                 if any(one is deployment for one in service.get("deployments") or [])), None)
        if deployment.place is None:
            time.sleep(0.001)
    if deployment.place is None:
        return None
    key, service = deployment.place
    with resource_lock("ecs-service", key):
        reason = deployment.get("rolloutStateReason")
    number = deployment["id"]
    said = {"COMPLETED": f"ECS deployment {number} completed.", "IN_PROGRESS": f"ECS deployment {number} in progress."}
    return json.dumps(events.document(
        "aws.ecs", "ECS Deployment State Change", [service["serviceArn"]],
        {"eventType": "ERROR" if state == "FAILED" else "INFO", "eventName": NAMES[state], "clusterArn": service["clusterArn"],
         "deploymentId": number, "updatedAt": at, "reason": said.get(state) or reason}))


def look_whether_steady(service) -> None:
    """Tells of a service that has become steady: one deployment, done, with as many tasks as are wanted."""
    if not service:
        return
    deployments, arn = service.get("deployments") or [], service["serviceArn"]
    steady = (len(deployments) == 1 and deployments[0].get("rolloutState") == "COMPLETED" and service.get("pendingCount") == 0
              and service.get("runningCount") == service.get("desiredCount"))
    if not steady:
        _steady.discard(arn)
    elif arn not in _steady:
        _steady.add(arn)
        events.happened("aws.ecs", "ECS Service Action", [arn], {
            "eventType": "INFO", "eventName": "SERVICE_STEADY_STATE", "clusterArn": service["clusterArn"],
            "createdAt": events.written()})


def _key(service) -> str:
    return f"{service['clusterArn'].rsplit('/', 1)[1]}/{service['serviceName']}"


def _of_task(arn, task) -> dict:
    shown = {field: task.get(field) for field in (
        "clusterArn", "taskDefinitionArn", "group", "startedBy", "lastStatus", "desiredStatus", "stopCode", "stoppedReason", "version")}
    created, at = task.get("createdAt"), events.written()
    containers = [{"taskArn": arn, **{field: container[field] for field in ("containerArn", "name", "image", "lastStatus", "exitCode")
                                      if container.get(field) is not None}} for container in task.get("containers") or []]
    overrides = task.get("overrides") or {}
    return {"taskArn": arn, "createdAt": events.written(created) if isinstance(created, (int, float)) else at, "updatedAt": at, **{field: value for field, value in shown.items() if value is not None},
            "overrides": {**overrides, "containerOverrides": overrides.get("containerOverrides") or []}, "containers": containers}
