"""Rolling updates that fail for other reasons than the circuit breaker's: because of an alarm, or because somebody stops them. MiniStack has
the circuit breaker alone.

"How CloudWatch alarms detect Amazon ECS deployment failures" and "Stopping Amazon ECS service deployments", Amazon ECS developer guide."""

import threading
import time

import pace
import service_deployments
from ministack.core.concurrency import resource_lock
from ministack.core.responses import request_scope
from ministack.services import ecs

LOOKS = pace.of(0.25, 0.1)


def apply() -> None:
    service_deployments.begins.append(watch)


def watch(record) -> None:
    """Looks after the alarms of a rolling update, as long as it goes on."""
    if not record.shifts and record.in_flight and record.alarms.status == "MONITORING":
        threading.Thread(target=watch_until_the_end, args=(record,), name="slipway-deployment-alarms", daemon=True).start()


def watch_until_the_end(record) -> None:
    with request_scope(*record.place):
        while record.status == "IN_PROGRESS" and record.service.get("status") == "ACTIVE":
            if record.alarms.look():
                fired = ", ".join(record.alarms.fired)
                return roll_back(record, f"Service deployment rolled back because the alarm {fired} is in the ALARM state.")
            time.sleep(LOOKS)


def roll_back(record, reason) -> None:
    """What MiniStack's circuit breaker does, for another reason."""
    service, deployment = record.service, record.deployment
    with resource_lock("ecs-service", record.key):
        if ecs._primary_deployment(service) is not deployment or deployment.get("rolloutState") != "IN_PROGRESS":
            return
        record.reason = reason
        deployment["rolloutState"], deployment["rolloutStateReason"], deployment["desiredCount"] = "FAILED", reason, 0
        restored = record.restores if record.status == "ROLLBACK_IN_PROGRESS" else None
        if restored is not None:
            deployment["status"], restored["status"] = "ACTIVE", "PRIMARY"
            restored["desiredCount"], restored["rolloutState"] = service["desiredCount"], "IN_PROGRESS"
            restored["rolloutStateReason"] = "ECS deployment rollback in progress."
            service["taskDefinition"] = restored["taskDefinition"]
    cluster = record.key.split("/", 1)[0]
    ecs._reconcile_service_tasks(cluster, record.key)
    ecs._schedule_service_deployment_completion(cluster, record.key, *record.place)
