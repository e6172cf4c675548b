"""What ECS takes of a deployment configuration, and what it means: steps, alarms, hooks. MiniStack takes everything.

`DeploymentConfiguration`, `CanaryConfiguration`, `LinearConfiguration`, `DeploymentLifecycleHook` and `AdvancedConfiguration`, Amazon ECS
API reference, as botocore 1.43.106 has them; "Pause hooks for Amazon ECS service deployments" and "Lambda hooks for Amazon ECS service
deployments", Amazon ECS developer guide. Where AWS says what is valid and not how it refuses the rest, it is refused here when asked for.
"""

import functools

from asked import problem_of_member, refused
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, cloudwatch, ecs, iam

SHIFTING = ("BLUE_GREEN", "CANARY", "LINEAR")
LONGEST_BAKE = 1440
# In minutes, and how many of each kind a service has at most.
LONGEST_TIMEOUT, MOST_HOOKS = {"PAUSE": 20160, "AWS_LAMBDA": 1440}, 10
# "These stages are also invoked during rollback": a pause there would hold that, too.
NO_PAUSE = ("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
# AWS's own policy for the role that changes rules; MiniStack does not have it.
OF_THE_ROLE = ":aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"


def apply() -> None:
    create, update = ecs._create_service, ecs._update_service

    @functools.wraps(create)
    def creating(data):
        problem = problem_of(data.get("deploymentConfiguration") or {}, data.get("loadBalancers") or [])
        return refused(problem) if problem else create(data)

    @functools.wraps(update)
    def updating(data):
        cluster, name = ecs._resolve_cluster_name(data.get("cluster", "default")), data.get("service", "").rsplit("/", 1)[-1]
        service = ecs._services.get(f"{cluster}/{name}") or {}
        fields = ("deploymentConfiguration", "loadBalancers")
        # What a service had before was taken then; where it does not hold any more, its deployment fails.
        problem = problem_of(*(data.get(field, service.get(field)) or {} for field in fields)) if any(field in data for field in fields) else None
        return refused(problem) if problem else update(data)

    ecs._create_service = ecs._ACTION_MAP["CreateService"] = creating
    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = updating


def shifts_traffic(configuration) -> bool:
    return configuration.get("strategy") in SHIFTING


def steps_of(configuration) -> list:
    """The percentages that the new tasks get one after the other, each with the minutes until the next one. "This bake time is not applied
    after reaching 100 percent traffic" (`LinearConfiguration`)."""
    if configuration["strategy"] == "CANARY":
        canary = configuration.get("canaryConfiguration") or {}
        percent, minutes = canary.get("canaryPercent", 5.0), canary.get("canaryBakeTimeInMinutes", 10)
        return [(percent, minutes), (100.0, 0)] if percent < 100 else [(100.0, 0)]
    if configuration["strategy"] == "LINEAR":
        linear = configuration.get("linearConfiguration") or {}
        step, minutes = linear.get("stepPercent", 10.0), linear.get("stepBakeTimeInMinutes", 6)
        below = [(round(step * number, 1), minutes) for number in range(1, int(1000 / step)) if step * number < 100 - 1e-9]
        return [*below, (100.0, 0)]
    return [(100.0, 0)]


def problem_of(configuration, balancers):
    """What ECS does not take, in words; None where it takes all."""
    if problem := problem_of_member("deploymentConfiguration", configuration):
        return problem
    strategy = configuration.get("strategy", "ROLLING")
    return next(filter(None, (of_times(strategy, configuration), of_hooks(strategy, configuration),
                              *(of_balancer(strategy, one) for one in balancers), of_none(strategy, balancers))), None)


def is_tenths(value, lowest, highest) -> bool:
    return isinstance(value, (int, float)) and lowest <= value <= highest and abs(value * 10 - round(value * 10)) < 1e-6


def is_minutes(value) -> bool:
    return isinstance(value, int) and 0 <= value <= LONGEST_BAKE


def of_times(strategy, configuration):
    for field, owner, percent, lowest, minutes in (
            ("canaryConfiguration", "CANARY", "canaryPercent", 0.1, "canaryBakeTimeInMinutes"),
            ("linearConfiguration", "LINEAR", "stepPercent", 3.0, "stepBakeTimeInMinutes")):
        if (found := configuration.get(field)) is None:
            continue
        if strategy != owner:
            return f"{field} is only valid when the deployment strategy is {owner}"
        if percent in found and not is_tenths(found[percent], lowest, 100.0):
            return f"{field}.{percent} is {found[percent]}: write a multiple of 0.1 from {lowest} to 100.0"
        if minutes in found and not is_minutes(found[minutes]):
            return f"{field}.{minutes} is {found[minutes]}: write 0 to {LONGEST_BAKE}"
    bake, breaker = configuration.get("bakeTimeInMinutes"), configuration.get("deploymentCircuitBreaker") or {}
    if bake is None and strategy == "BLUE_GREEN":
        return "bakeTimeInMinutes must be provided when you use the BLUE_GREEN deployment strategy"
    if bake is not None and not is_minutes(bake):
        return f"bakeTimeInMinutes is {bake}: write 0 to {LONGEST_BAKE}"
    if strategy in SHIFTING and breaker.get("enable"):
        return "deploymentCircuitBreaker can only be used for services using the rolling update (ECS) deployment type"
    return None


def of_hooks(strategy, configuration):
    hooks = configuration.get("lifecycleHooks") or []
    if hooks and strategy not in SHIFTING:
        return "lifecycleHooks of a rolling update are not played by the local cloud"
    for kind, most in (("PAUSE", MOST_HOOKS), ("AWS_LAMBDA", MOST_HOOKS)):
        if sum(kind_of(hook) == kind for hook in hooks) > most:
            return f"lifecycleHooks has more than {most} hooks of the type {kind}"
    return next(filter(None, map(of_hook, hooks)), None)


def kind_of(hook) -> str:
    return hook.get("targetType", "AWS_LAMBDA")


def of_hook(hook):
    kind, stages, timeout = kind_of(hook), hook.get("lifecycleStages") or [], hook.get("timeoutConfiguration") or {}
    if not stages:
        return "lifecycleHooks.lifecycleStages must be provided"
    if kind == "PAUSE":
        if wrong := [stage for stage in stages if stage in NO_PAUSE]:
            return f"PAUSE hooks cannot be configured at {wrong[0]}"
        if given := [field for field in ("hookTargetArn", "roleArn") if hook.get(field)]:
            return f"PAUSE hooks do not use {given[0]}"
    elif missing := [field for field in ("hookTargetArn", "roleArn") if not hook.get(field)]:
        return f"lifecycleHooks.{missing[0]} must be provided for a hook of the type AWS_LAMBDA"
    minutes = timeout.get("timeoutInMinutes", LONGEST_BAKE)
    if not isinstance(minutes, int) or not 1 <= minutes <= LONGEST_TIMEOUT[kind]:
        return f"timeoutConfiguration.timeoutInMinutes is {minutes}: write 1 to {LONGEST_TIMEOUT[kind]} for {kind}"
    return None


def of_balancer(strategy, balancer):
    if strategy not in SHIFTING:
        return None
    given = balancer.get("advancedConfiguration") or {}
    for field in ("alternateTargetGroupArn", "productionListenerRule", "roleArn"):
        if not given.get(field):
            return f"advancedConfiguration.{field} must be provided for the {strategy} deployment strategy"
    for field in ("targetGroupArn", "alternateTargetGroupArn"):
        group = balancer.get("targetGroupArn") if field == "targetGroupArn" else given[field]
        if group not in alb._tgs:
            return f"The specified target group {group} does not exist"
    for field in ("productionListenerRule", "testListenerRule"):
        if given.get(field) and given[field] not in alb._rules:
            return f"The specified {field} {given[field]} does not exist; the local cloud shifts traffic by rules of Application Load Balancers alone"
    return of_shifting_role(balancer)


def of_shifting_role(balancer):
    """What keeps ECS from shifting traffic by the role of a load balancer."""
    given = balancer["advancedConfiguration"]
    rules = [given[field] for field in ("productionListenerRule", "testListenerRule") if given.get(field)]
    groups = [balancer["targetGroupArn"], given["alternateTargetGroupArn"]]
    return of_role(given["roleArn"], [("elasticloadbalancing:ModifyRule", rule) for rule in rules] + [
        (f"elasticloadbalancing:{action}", group) for action in ("RegisterTargets", "DeregisterTargets") for group in groups], OF_THE_ROLE)


def of_role(arn, needed, managed="no policy"):
    """What keeps ECS from doing something by a role, in words; one that has AWS's own policy for it may do it."""
    name, account = arn.rsplit("/", 1)[-1], get_account_id()
    role = iam._roles.get(name)
    trusted = role and "ecs.amazonaws.com" in str(role.get("AssumeRolePolicyDocument"))
    if not trusted:
        return f"Unable to assume role {arn}. Please verify that the role exists and trusts ecs.amazonaws.com"
    if any(policy.endswith(managed) for policy in role.get("AttachedPolicies", [])):
        return None
    policies = iam_evaluator._gather_role_policies(name, account)
    for action, resource in needed:
        request = iam_evaluator.EvalContext(
            principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/ecs", principal_type="AssumedRole", principal_account=account,
            action=action, resource_arn=resource, region=get_region())
        if iam_evaluator.evaluate(request, policies).decision != "Allow":
            return f"The role {arn} is not authorized to perform {action} on {resource}"
    return None


def of_none(strategy, balancers):
    """Without traffic ECS only replaces the tasks, and documents that for BLUE_GREEN alone ("Required resources for Amazon ECS blue/green
    deployments", Amazon ECS developer guide)."""
    if not balancers and strategy in ("CANARY", "LINEAR"):
        return f"The {strategy} deployment strategy needs a load balancer"
    return None


class Alarms:
    """The alarms that stop a deployment. ECS ignores them all where one is in ALARM when the deployment starts ("How CloudWatch alarms
    detect Amazon ECS deployment failures", Amazon ECS developer guide)."""

    def __init__(self, configuration):
        alarms = configuration.get("alarms") or {}
        self.names = alarms.get("alarmNames") or []
        self.rolls_back, self.fired = bool(alarms.get("rollback")), []
        self.status = "MONITORING" if alarms.get("enable") and self.names and not self.in_alarm() else "DISABLED"

    def in_alarm(self) -> list:
        found = [(name, cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name) or {}) for name in self.names]
        return [name for name, alarm in found if alarm.get("StateValue") == "ALARM"]

    def look(self) -> bool:
        """Whether one fires that is watched."""
        if self.status == "MONITORING" and (now := self.in_alarm()):
            self.status, self.fired = "TRIGGERED", now
        return self.status == "TRIGGERED"

    def complete(self) -> None:
        if self.status == "MONITORING":
            self.status = "MONITORING_COMPLETE"

    def shown(self):
        fired = {"triggeredAlarmNames": self.fired} if self.fired else {}
        return {"status": self.status, **({"alarmNames": self.names} if self.names else {}), **fired}
