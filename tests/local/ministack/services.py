"""ECS services behind a load balancer. AWS: a task counts as good once its targets are healthy, and one whose
targets turn unhealthy is stopped and replaced; the circuit breaker counts it while it is deployed.
MiniStack looks at the process only, so an image that answers 500 would deploy well."""

import functools
import threading
import time

import deployments
import load_balancer
import pace
import sides
from ministack.core.concurrency import resource_lock
from ministack.core.responses import error_response_json, request_scope
from ministack.services import ecs

INTERVAL = pace.of(0.25, 0.1)


def apply() -> None:
    record = ecs._record_service_task_healthy

    @functools.wraps(record)
    def corrected(service_key, task):
        service = ecs._services.get(service_key) or {}
        while task.get("lastStatus") == "RUNNING" and _state(service, task) == load_balancer.INITIAL:
            time.sleep(INTERVAL)
        if _state(service, task) == load_balancer.HEALTHY:
            record(service_key, task)

    ecs._record_service_task_healthy = corrected
    _forget_failed_deployments()
    _refuse_inactive_task_definitions()
    _take_a_family_for_its_newest_active_revision()
    _run_a_task_once_for_its_token()
    _take_one_filter_with_started_by()
    threading.Thread(target=_replace_forever, name="slipway-unhealthy-tasks", daemon=True).start()


def _forget_failed_deployments() -> None:
    """AWS: once a rollback is complete, the failed deployment is no longer among the service's deployments.
    MiniStack keeps it for good, so that no later deployment is ever the only one."""
    complete = ecs._complete_service_deployment

    @functools.wraps(complete)
    def corrected(cluster, service_key, expected_deployment_id=None):
        complete(cluster, service_key, expected_deployment_id)
        service = ecs._services.get(service_key)
        primary = ecs._primary_deployment(service) if service else None
        if not primary or primary.get("rolloutState") != "COMPLETED":
            return
        with resource_lock("ecs-service", service_key):
            service["deployments"] = [
                deployment for deployment in service["deployments"]
                if deployment is primary or deployment.get("rolloutState") != "FAILED" or any(
                    task.get("_deployment_id") == deployment["id"] and task.get("lastStatus") != "STOPPED"
                    for task in list(ecs._tasks.values()))]
        deployments.look_whether_steady(service)

    ecs._complete_service_deployment = corrected


def _run_a_task_once_for_its_token() -> None:
    """AWS: a RunTask with the client token of an earlier one answers that one's task. MiniStack runs another."""
    run = ecs._run_task
    answers = {}

    @functools.wraps(run)
    def corrected(data):
        token = data.get("clientToken")
        if token not in answers:
            answer = run(data)
            if token is None or answer[0] >= 300:
                return answer
            answers[token] = answer
        return answers[token]

    ecs._run_task = ecs._ACTION_MAP["RunTask"] = corrected


def _take_one_filter_with_started_by() -> None:
    """AWS: "When you specify startedBy as the filter, it must be the only filter that you use" (ListTasks, Amazon ECS API
    reference). MiniStack combines them."""
    listing = ecs._list_tasks

    @functools.wraps(listing)
    def corrected(data):
        if data.get("startedBy") and any(data.get(one) for one in ("family", "serviceName", "containerInstance", "desiredStatus", "launchType")):
            return error_response_json("InvalidParameterException", "cannot specify startedBy with other arguments", 400)
        return listing(data)

    ecs._list_tasks = ecs._ACTION_MAP["ListTasks"] = corrected


def _take_a_family_for_its_newest_active_revision() -> None:
    """AWS: a family names "the latest ACTIVE revision in that family" (DescribeTaskDefinition, Amazon ECS API reference). MiniStack takes the
    latest, whatever became of it."""
    resolve = ecs._resolve_td_key

    @functools.wraps(resolve)
    def corrected(reference):
        key, family = resolve(reference), (reference or "").split("task-definition/")[-1]
        if not key or ":" in family:
            return key
        active = [found["revision"] for found in ecs._task_defs.values() if found["family"] == family and found["status"] == "ACTIVE"]
        return f"{family}:{max(active)}" if active else family

    ecs._resolve_td_key = corrected


def _refuse_inactive_task_definitions() -> None:
    """AWS: a service cannot be updated to a task definition that is not there or INACTIVE. MiniStack takes both."""
    update = ecs._update_service

    @functools.wraps(update)
    def corrected(data):
        wanted = data.get("taskDefinition")
        if wanted is not None:
            definition = ecs._task_defs.get(ecs._resolve_td_key(wanted))
            if definition is None:
                return error_response_json("ClientException", f"Unable to find task definition: {wanted}", 400)
            if definition.get("status") == "INACTIVE":
                return error_response_json("ClientException", "TaskDefinition is inactive", 400)
        return update(data)

    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = corrected


def _state(service, task) -> str:
    """The worst health among the targets of a task; without a load balancer a running task is healthy."""
    address = ecs._task_ip(task)
    states = {load_balancer.health_of(sides.group_of_task(balancer, service, task), address, balancer.get("containerPort", 80)).state
              for balancer in service.get("loadBalancers") or [] if balancer.get("targetGroupArn")}
    for state in (load_balancer.UNHEALTHY, load_balancer.INITIAL):
        if state in states:
            return state
    return load_balancer.HEALTHY


def _replace_forever() -> None:
    while True:
        time.sleep(INTERVAL)
        for (account, region, service_key), service in list(ecs._services._data.items()):
            if service.get("status") == "ACTIVE" and service.get("loadBalancers"):
                with request_scope(account, region):
                    _replace_unhealthy(service_key, service)


def _replace_unhealthy(service_key, service) -> None:
    name = service_key.split("/", 1)[1]
    for arn, task in list(ecs._tasks.items()):
        if (task.get("group") != f"service:{name}" or task.get("clusterArn") != service.get("clusterArn")
                or task.get("lastStatus") != "RUNNING" or not ecs._task_ip(task)
                or _state(service, task) != load_balancer.UNHEALTHY):
            continue
        group = sides.group_of_task(service["loadBalancers"][0], service, task)
        reason = f"Task failed ELB health checks in (target-group {group})"
        port = service["loadBalancers"][0].get("containerPort", 80)
        health = load_balancer.health_of(group, ecs._task_ip(task), port)
        if ecs._mark_task_stopped(arn, task, reason, "ServiceSchedulerInitiated"):
            service["events"].insert(0, {
                "id": ecs.new_uuid(), "createdAt": ecs._iso(),
                "message": f"(service {name}) (port {port}) is unhealthy in (target-group {group}) "
                           f"due to (reason {health.description})"})
            # First the circuit breaker, then the process: a replacement must not start in between.
            ecs._record_service_task_failure(task)
            ecs._cleanup_task_resources(task, ecs._get_docker())
