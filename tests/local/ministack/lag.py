"""Reads that lag behind writes, where a test asks for it (`Cloud::set_awkward`). MiniStack's reads are always up to date.

AWS: "The Amazon ECS API follows an eventual consistency model, due to the distributed nature of the system" (Amazon ECS API reference,
`DescribeServices` and "Eventual consistency"), and `DescribeExecution` "results are best effort and may not reflect very recent updates
and changes" (AWS Step Functions API reference). How late they are it does not say.

Only the functions see it: tests and people look at what is there.
"""

import copy
import functools
import json
import time

import permissions
from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs, stepfunctions
from told import awkward

# What is shown instead, until when: of a service its description and tasks, by its key; of what is new nothing, by its ARN.
_services: dict = {}
_tasks: dict = {}
_unseen: dict = {}
# When a deployment completed, by its id.
_completed: dict = {}


def seconds() -> float:
    """How late reads are, as the file says now."""
    return awkward("lag_seconds")


def apply() -> None:
    services_lag()
    service_deployments_lag()
    new_things_are_unseen()


def _kept(shown, key):
    until, what = shown.get(key, (0, None))
    return what if time.monotonic() < until and permissions.called_by_a_role() else None


def services_lag() -> None:
    update, describe, list_tasks = ecs._update_service, ecs._describe_services, ecs._list_tasks

    @functools.wraps(update)
    def updating(data):
        late = seconds()
        if late:
            name, cluster = data.get("service", "").rsplit("/", 1)[-1], permissions.cluster_of(data)
            before = json.loads(describe({"cluster": cluster, "services": [name], "include": ["TAGS"]})[2])["services"]
            tasks = list_tasks({"cluster": cluster, "serviceName": name})
            answer = update(data)
            if answer[0] < 300 and before:
                until = time.monotonic() + late
                _services[before[0]["serviceArn"]] = (until, copy.deepcopy(before[0]))
                _tasks[f"{cluster}/{name}"] = (until, tasks)
            return answer
        return update(data)

    @functools.wraps(describe)
    def describing(data):
        answer = describe(data)
        if answer[0] >= 300 or not permissions.called_by_a_role():
            return answer
        document = json.loads(answer[2])
        document["services"] = [_as_it_lags(service) for service in document["services"]]
        return json_response(document)

    @functools.wraps(list_tasks)
    def listing(data):
        cluster = permissions.cluster_of(data)
        kept = _kept(_tasks, f"{cluster}/{data.get('serviceName', '')}") if data.get("desiredStatus", "RUNNING") == "RUNNING" else None
        answer = kept or list_tasks(data)
        if answer[0] < 300 and permissions.called_by_a_role():
            document = json.loads(answer[2])
            document["taskArns"] = [arn for arn in document["taskArns"] if not _kept(_unseen, arn)]
            return json_response(document)
        return answer

    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = updating
    ecs._describe_services = ecs._ACTION_MAP["DescribeServices"] = describing
    ecs._list_tasks = ecs._ACTION_MAP["ListTasks"] = listing


def _as_it_lags(service) -> dict:
    """A service as it was before the last update; later with deployments that are not called complete yet."""
    late = seconds()
    for deployment in (service.get("deployments") or []) if late else []:
        if deployment.get("rolloutState") == "COMPLETED":
            if time.monotonic() < _completed.setdefault(deployment["id"], time.monotonic()) + late:
                deployment["rolloutState"] = "IN_PROGRESS"
        else:
            _completed.pop(deployment["id"], None)
    return _kept(_services, service["serviceArn"]) or service


def service_deployments_lag() -> None:
    """The list of a service's deployments has a new one later, and what is described is not told to be over yet."""
    list_deployments, describe = ecs._ACTION_MAP["ListServiceDeployments"], ecs._ACTION_MAP["DescribeServiceDeployments"]

    def lagging(answer):
        late = seconds()
        if answer[0] >= 300 or not late or not permissions.called_by_a_role():
            return answer
        document, then = json.loads(answer[2]), time.time() - late
        document["serviceDeployments"] = [one for one in document["serviceDeployments"] if one["createdAt"] <= then]
        for one in document["serviceDeployments"]:
            if one.get("finishedAt", 0) > then:
                one["status"] = "IN_PROGRESS"
                one.pop("finishedAt"), one.pop("stoppedAt", None)
        return json_response(document)

    ecs._ACTION_MAP["ListServiceDeployments"] = functools.wraps(list_deployments)(lambda data: lagging(list_deployments(data)))
    ecs._ACTION_MAP["DescribeServiceDeployments"] = functools.wraps(describe)(lambda data: lagging(describe(data)))


def new_things_are_unseen() -> None:
    run, describe_tasks = ecs._run_task, ecs._describe_tasks
    start, describe = stepfunctions._start_execution, stepfunctions._describe_execution

    @functools.wraps(run)
    def running(data):
        answer = run(data)
        if answer[0] < 300 and (late := seconds()):
            for task in json.loads(answer[2])["tasks"]:
                _unseen.setdefault(task["taskArn"], (time.monotonic() + late, True))
        return answer

    @functools.wraps(describe_tasks)
    def describing_tasks(data):
        asked = [arn for arn in data.get("tasks", []) if not _kept(_unseen, arn)]
        return describe_tasks({**data, "tasks": asked})

    @functools.wraps(start)
    def starting(data):
        answer = start(data)
        if answer[0] < 300 and (late := seconds()):
            _unseen.setdefault(json.loads(answer[2])["executionArn"], (time.monotonic() + late, True))
        return answer

    @functools.wraps(describe)
    def describing(data):
        arn = data.get("executionArn", "")
        if _kept(_unseen, arn):
            return error_response_json("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400)
        return describe(data)

    ecs._run_task = ecs._ACTION_MAP["RunTask"] = running
    ecs._describe_tasks = ecs._ACTION_MAP["DescribeTasks"] = describing_tasks
    stepfunctions._start_execution, stepfunctions._describe_execution = starting, describing
