"""Service deployments and service revisions, of which MiniStack has none: AWS makes one of each for every deployment of a service, whatever
its strategy, and keeps them for 90 days ("View service history using Amazon ECS service deployments", Amazon ECS developer guide).

Here are the records, what a rolling update does to them, and the calls that read them; `shift.py` has the deployments that shift traffic.
Shapes: `ServiceDeployment`, `ServiceDeploymentBrief` and `ServiceRevision`, Amazon ECS API reference, as botocore 1.43.106 has them.
"""

import copy
import functools
import secrets
import threading
import time

import deployments
import sides
import strategies
from asked import held_to_the_model, refused
from ministack.core.responses import get_account_id, get_region, json_response
from ministack.services import ecs

IN_FLIGHT = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
# ListServiceDeployments, Amazon ECS API reference.
PAGE, LONGEST_PAGE = 20, 100
# DescribeServiceDeployments and DescribeServiceRevisions take as many ARNs.
AT_ONCE = 20
# AWS keeps them for 90 days; here the newest of a service are kept, so that hundreds of releases leave no more than these.
KEPT = 50

# By their ARNs; and those of each service, by its account, region and key, in the order in which they were made.
records: dict = {}
revisions: dict = {}
_of_services: dict = {}
# One lock a service, by the same: several threads reconcile a service at once.
_locks: dict = {}
# Who is told of a service deployment that begins, and of one that another one takes over from: shift.py and rolling.py.
begins: list = []
supersedes: list = []


def apply() -> None:
    describe, delete = ecs._sanitize, ecs._delete_service

    @functools.wraps(describe)
    def describing(shown):
        answer = describe(shown)
        return as_shown(answer) if isinstance(answer, dict) and "serviceName" in answer and "deployments" in answer else answer

    @functools.wraps(delete)
    def deleting(data):
        answer = delete(data)
        if answer[0] < 300:
            end_those_of(data)
        return answer

    ecs._sanitize = describing
    ecs._delete_service = ecs._ACTION_MAP["DeleteService"] = deleting
    deployments.followers.append(follow)
    ecs._ACTION_MAP |= {"ListServiceDeployments": list_service_deployments, "DescribeServiceDeployments": describe_service_deployments,
                        "DescribeServiceRevisions": describe_service_revisions}


class ServiceDeployment:
    """What AWS keeps of one deployment of a service."""

    def __init__(self, key, service, deployment, sources):
        self.key, self.service, self.deployment, self.sources = key, service, deployment, sources
        self.arn = arn_of(key, "service-deployment", secrets.token_urlsafe(15)[:20])
        self.place = get_account_id(), get_region()
        self.configuration = copy.deepcopy(service.get("deploymentConfiguration") or {})
        self.shifts = strategies.shifts_traffic(self.configuration)
        self.status, self.reason, self.stage, self.lock = "IN_PROGRESS", None, None, threading.RLock()
        self.times = {"createdAt": now(), "startedAt": now()}
        self.hooks, self.rollback, self.restores = [], None, None
        self.alarms = strategies.Alarms(self.configuration)
        # Percentages by revision, where traffic is shifted.
        self.production, self.test = {}, {}
        # How many tasks each deployment is to have, by its id, where it is not what the deployment says.
        self.requested = {}

    @property
    def in_flight(self) -> bool:
        return self.status in IN_FLIGHT

    def enters(self, stage) -> None:
        self.stage, self.times["updatedAt"] = stage, now()

    def becomes(self, status, reason=None, only_from=IN_FLIGHT) -> bool:
        """Whether it does: of several threads that decide at once, one does it."""
        with self.lock:
            if self.status not in only_from:
                return False
            self.status, self.reason = status, reason or self.reason
            self.times["updatedAt"] = now()
            return True

    def ends(self, status, reason=None) -> bool:
        with self.lock:
            if not self.becomes(status, reason):
                return False
            self.times["finishedAt"] = now()
            if status == "STOPPED":
                self.times["stoppedAt"] = now()
            self.alarms.complete()
            return True

    def rolls_back(self, reason, revision) -> bool:
        with self.lock:
            if not self.becomes("ROLLBACK_IN_PROGRESS", reason):
                return False
            self.rollback = {"reason": reason, "startedAt": now(), "serviceRevisionArn": revision}
            return True


def now() -> float:
    return round(time.time(), 3)


def arn_of(key, kind, name) -> str:
    return f"arn:aws:ecs:{get_region()}:{get_account_id()}:{kind}/{key}/{name}"


def note(key, service) -> None:
    """Makes the service deployment of what was just deployed, before its tasks are started."""
    with _locks.setdefault((get_account_id(), get_region(), key), threading.RLock()):
        note_once(key, service)


def note_once(key, service) -> None:
    deployment = ecs._primary_deployment(service)
    if service.get("status") != "ACTIVE" or deployment is None or getattr(deployment, "record", True):
        return
    before = [one for one in service["deployments"] if one is not deployment]
    serves = last_completed(before)
    shifts = strategies.shifts_traffic(service.get("deploymentConfiguration") or {})
    deployment.side = (sides.other(sides.side_of(serves)) if shifts else sides.side_of(serves)) if serves else sides.FIRST
    for earlier in of_service(key):
        if earlier.in_flight:
            supersede(earlier)
    deployment.revision = make_revision(key, service, deployment)
    record = deployment.record = ServiceDeployment(key, service, deployment, before)
    records[record.arn] = record
    _of_services.setdefault((*record.place, key), []).append(record)
    drop_the_oldest(_of_services[(*record.place, key)], service)
    if shifts:
        deployment.quietly(rolloutState="IN_PROGRESS", rolloutStateReason="")
    elif deployment["rolloutState"] == "COMPLETED":
        record.ends("SUCCESSFUL")
    for begin in begins:
        begin(record)


def last_completed(found):
    """What a rollback leads to: "the last deployment that completed successfully" (`DeploymentCircuitBreaker`, Amazon ECS API reference). One
    that is being restored is not complete again yet, and was."""
    return next((one for one in found if one.get("rolloutState") == "COMPLETED"
                 or getattr(one.record, "status", None) == "SUCCESSFUL"), None)


def supersede(record) -> None:
    record.ends("STOPPED", "The service deployment was stopped because a new service deployment was started.")
    for told in supersedes:
        told(record)


def drop_the_oldest(found, service) -> None:
    """Drops what is beyond those that are kept; a revision that the service still has stays."""
    while len(found) > KEPT:
        record = found.pop(0)
        del records[record.arn]
        if not any(one is record.deployment for one in service["deployments"]):
            del revisions[record.deployment.revision]


def end_those_of(request) -> None:
    """Ends what is in flight of a service that was just deleted."""
    cluster, reference = ecs._resolve_cluster_name(request.get("cluster", "default")), ecs._resolve_service_ref(request["service"])
    for record in of_service(f"{cluster}/{reference[0]}"):
        record.ends("STOPPED", "The service deployment was stopped because the service was deleted.")


def of_service(key) -> list:
    """The service deployments of a service, the newest first; none of an earlier service of its name."""
    service = ecs._services.get(key)
    return [record for record in reversed(_of_services.get((get_account_id(), get_region(), key), [])) if record.service is service]


def make_revision(key, service, deployment) -> str:
    arn = arn_of(key, "service-revision", str(secrets.randbelow(9 * 10**18) + 10**18))
    definition = ecs._task_defs.get(ecs._resolve_td_key(deployment["taskDefinition"])) or {}
    revisions[arn] = {"deployment": deployment, "shown": {
        "serviceRevisionArn": arn, "serviceArn": service["serviceArn"], "clusterArn": service["clusterArn"],
        "taskDefinition": deployment["taskDefinition"], "createdAt": now(),
        **{field: copy.deepcopy(service[field]) for field in ("launchType", "capacityProviderStrategy", "platformVersion", "platformFamily",
                                                              "networkConfiguration", "loadBalancers", "serviceRegistries") if service.get(field)},
        "containerImages": [image_of(one) for one in definition.get("containerDefinitions", [])],
        "resolvedConfiguration": {"loadBalancers": [resolved(balancer, deployment) for balancer in service.get("loadBalancers") or []]}}}
    return arn


def image_of(container) -> dict:
    digest = {"imageDigest": container["image"].split("@", 1)[1]} if "@" in container["image"] else {}
    return {"containerName": container["name"], "image": container["image"], **digest}


def resolved(balancer, deployment) -> dict:
    rule = sides.advanced(balancer).get("productionListenerRule")
    return {"targetGroupArn": sides.group_of(balancer, sides.side_of(deployment)), **({"productionListenerRule": rule} if rule else {})}


def follow(deployment, field, value) -> None:
    """What a change of a deployment means for the service deployment of a rolling update."""
    record = deployment.record
    if field != "rolloutState" or record is None:
        return
    if value == "COMPLETED":
        restored = next((one for one in of_service(record.key) if one.restores is deployment and one.in_flight and not one.shifts), None)
        if restored:
            restored.ends("ROLLBACK_SUCCESSFUL")
        elif record.in_flight and not record.shifts:
            record.ends("SUCCESSFUL")
    elif value == "FAILED" and record.in_flight and not record.shifts:
        failed(record)


def failed(record) -> None:
    requested = record.status == "ROLLBACK_REQUESTED"
    breaker, alarms = (record.configuration.get(one) or {} for one in ("deploymentCircuitBreaker", "alarms"))
    wanted = requested or (alarms if record.alarms.fired else breaker).get("rollback")
    # MiniStack's circuit breaker takes no deployment that is being restored itself.
    record.restores = next((one for one in record.service["deployments"]
                            if one is not record.deployment and one.get("rolloutState") == "COMPLETED"), None)
    if not wanted:
        record.ends("STOPPED")
    elif record.restores is None:
        record.ends("ROLLBACK_FAILED", "There is no completed service deployment to roll back to.")
    else:
        record.rolls_back(record.reason or "Service deployment rolled back because the circuit breaker threshold was exceeded.",
                          record.restores.revision)


def counts(deployment, requested, lives=True) -> dict:
    """How many tasks a deployment has. MiniStack counts those of a service's own deployments; one that is none of them has no task."""
    return {"requestedTaskCount": requested, "runningTaskCount": deployment.get("runningCount", 0) if lives else 0,
            "pendingTaskCount": deployment.get("pendingCount", 0) if lives else 0}


def summary(record, deployment) -> dict:
    """A revision as a service deployment shows it; without traffic that is shifted it has no weights."""
    requested = record.requested.get(deployment["id"], deployment.get("desiredCount", 0))
    weights = {"requestedProductionTrafficWeight": float(record.production.get(deployment.revision, 0)),
               "requestedTestTrafficWeight": float(record.test.get(deployment.revision, 0))} if record.production else {}
    lives = any(one is deployment for one in record.service["deployments"])
    return {"arn": deployment.revision, **counts(deployment, requested, lives), **weights}


def described(record) -> dict:
    deployment, breaker = record.deployment, record.configuration.get("deploymentCircuitBreaker") or {}
    shown = {
        "serviceDeploymentArn": record.arn, "serviceArn": record.service["serviceArn"], "clusterArn": record.service["clusterArn"],
        "status": record.status, "statusReason": reason_of(record), "lifecycleStage": record.stage, **record.times,
        "sourceServiceRevisions": [summary(record, one) for one in record.sources if one.revision],
        "targetServiceRevision": summary(record, deployment), "deploymentConfiguration": record.configuration,
        "lifecycleHookDetails": [hook.shown() for hook in record.hooks], "rollback": record.rollback,
        "alarms": record.alarms.shown(), "deploymentCircuitBreaker": breaker_of(record) if breaker.get("enable") else {"status": "DISABLED"}}
    return {name: value for name, value in shown.items() if value is not None}


def reason_of(record):
    return record.reason or (record.deployment.get("rolloutStateReason") if not record.shifts else None) or None


def breaker_of(record) -> dict:
    status = ("MONITORING" if record.status == "IN_PROGRESS" else
              "MONITORING_COMPLETE" if record.status == "SUCCESSFUL" or record.alarms.fired else "TRIGGERED")
    return {"status": status, "failureCount": record.deployment.get("failedTasks", 0),
            "threshold": ecs._circuit_breaker_threshold({**record.service, "deploymentConfiguration": record.configuration})}


def brief(record) -> dict:
    times = {name: record.times[name] for name in ("createdAt", "startedAt", "finishedAt") if name in record.times}
    reason = {"statusReason": reason_of(record)} if reason_of(record) else {}
    return {"serviceDeploymentArn": record.arn, "serviceArn": record.service["serviceArn"], "clusterArn": record.service["clusterArn"],
            "targetServiceRevisionArn": record.deployment.revision, "status": record.status, **times, **reason}


def as_shown(service) -> dict:
    """A service with its service deployments. AWS: `rolloutState` "is only returned for services that use the rolling update (ECS) deployment
    type" (`Deployment`, Amazon ECS API reference)."""
    key = f"{service['clusterArn'].rsplit('/', 1)[-1]}/{service['serviceName']}"
    if strategies.shifts_traffic(service.get("deploymentConfiguration") or {}):
        service["deployments"] = [{name: value for name, value in one.items() if not name.startswith("rolloutState")}
                                  for one in service["deployments"]]
    if service.get("status") != "ACTIVE":
        return service
    if flying := next((record for record in of_service(key) if record.in_flight), None):
        service["currentServiceDeployment"] = flying.arn
    live = (ecs._services.get(key) or {}).get("deployments") or []
    service["currentServiceRevisions"] = [{"arn": one.revision, **counts(one, one.get("desiredCount", 0))}
                                          for one in live if getattr(one, "revision", None)]
    return service


@held_to_the_model("ListServiceDeployments")
def list_service_deployments(request):
    cluster, reference = ecs._resolve_cluster_name(request.get("cluster", "default")), ecs._resolve_service_ref(request["service"])
    if cluster not in ecs._clusters:
        return refused("Cluster not found.", "ClusterNotFoundException")
    if reference is None or reference[1] not in (None, cluster) or f"{cluster}/{reference[0]}" not in ecs._services:
        return refused("Service not found.", "ServiceNotFoundException")
    size, start = request.get("maxResults", PAGE), request.get("nextToken", "0")
    if not 1 <= size <= LONGEST_PAGE:
        return refused(f"maxResults is {size}: write 1 to {LONGEST_PAGE}")
    if not start.isdecimal():
        return refused("nextToken is none that was given")
    wanted, made = request.get("status") or [], request.get("createdAt") or {}
    found = [record for record in of_service(f"{cluster}/{reference[0]}") if (not wanted or record.status in wanted)
             and made.get("after", 0) <= record.times["createdAt"] <= made.get("before", now())]
    end = int(start) + size
    more = {"nextToken": str(end)} if end < len(found) else {}
    return json_response({"serviceDeployments": [brief(record) for record in found[int(start):end]], **more})


def sorted_out(arns, known):
    """What is known by its ARN, and the failures of the rest; or what is wrong with the list."""
    if not 1 <= len(arns) <= AT_ONCE:
        return None, refused(f"1 to {AT_ONCE} ARNs can be described at once, and there are {len(arns)}")
    return ([known[arn] for arn in arns if arn in known], [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]), None


@held_to_the_model("DescribeServiceDeployments")
def describe_service_deployments(request):
    sorted_arns, problem = sorted_out(request["serviceDeploymentArns"], records)
    if problem:
        return problem
    return json_response({"serviceDeployments": [described(record) for record in sorted_arns[0]], "failures": sorted_arns[1]})


@held_to_the_model("DescribeServiceRevisions")
def describe_service_revisions(request):
    sorted_arns, problem = sorted_out(request["serviceRevisionArns"], revisions)
    if problem:
        return problem
    shown = [with_digests(copy.deepcopy(one["shown"]), one["deployment"]) for one in sorted_arns[0]]
    return json_response({"serviceRevisions": shown, "failures": sorted_arns[1]})


def with_digests(shown, deployment) -> dict:
    """ECS resolves the tags of a revision's images once its first task starts."""
    for image in shown["containerImages"]:
        digest = (deployment.get("_image_digests") or {}).get(image["containerName"])
        if digest:
            image["imageDigest"] = digest
    return shown
