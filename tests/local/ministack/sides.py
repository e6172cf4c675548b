"""Which target group a task of a service is in, where its service has an alternate one. MiniStack puts every task into `targetGroupArn`.

AWS: a blue/green deployment needs "a primary target group for the blue service revision" and "an alternate target group for the green
service revision", and "Amazon ECS automatically registers tasks with the appropriate target group" ("Application Load Balancer resources
for blue/green, linear, and canary deployments", Amazon ECS developer guide). The next deployment takes the other one of the two, and
`resolvedConfiguration` of a service revision says which it has (`ServiceRevision`, Amazon ECS API reference).
"""

import functools

from ministack.core.concurrency import resource_lock
from ministack.services import alb, ecs

FIRST, ALTERNATE = "first", "alternate"


def apply() -> None:
    sync = ecs._sync_service_targets

    @functools.wraps(sync)
    def synchronizing(cluster, service):
        balancers = service.get("loadBalancers") or []
        if not any(alternate_of(balancer) for balancer in balancers) and not service.get("_two_sided"):
            return sync(cluster, service)
        service["_two_sided"] = True
        for group, port in sorted(group_ports(balancers, service)):
            publish(service, group, port)

    ecs._sync_service_targets = synchronizing


def advanced(balancer) -> dict:
    return balancer.get("advancedConfiguration") or {}


def alternate_of(balancer):
    return advanced(balancer).get("alternateTargetGroupArn")


def group_ports(balancers, service) -> set:
    """The target groups of a service with the ports of its tasks there, and those that it has had tasks in."""
    found = {(group, balancer.get("containerPort", 80)) for balancer in balancers
             for group in (balancer.get("targetGroupArn"), alternate_of(balancer)) if group}
    known = {group for group, _ in found}
    return found | {(group, 80) for group in service.get("_published_targets") or {} if group not in known}


def side_of(deployment) -> str:
    return getattr(deployment, "side", None) or FIRST


def other(side) -> str:
    return FIRST if side == ALTERNATE else ALTERNATE


def group_of(balancer, side):
    """The target group of a load balancer for the tasks of one side."""
    return (alternate_of(balancer) if side == ALTERNATE else None) or balancer.get("targetGroupArn")


def group_of_task(balancer, service, task):
    return group_of(balancer, side_of(ecs._deployment_for_task(service, task)))


def publish(service, group, port) -> None:
    """Registers the running tasks of one side in a target group, and withdraws those that were there."""
    with resource_lock("elbv2-targets", group):
        targets = [(address, port) for address in addresses_in(service, group)]
        ledger = service.setdefault("_published_targets", {})
        alb.set_targets_for_group(group, targets, ledger.get(group, ()))
        ledger[group] = [address for address, _ in targets]


def addresses_in(service, group) -> list:
    if service.get("status") != "ACTIVE":
        return []
    balancers = service.get("loadBalancers") or []
    running = [task for task in list(ecs._tasks.values())
               if task.get("group") == f"service:{service['serviceName']}" and task.get("clusterArn") == service["clusterArn"]
               and task.get("lastStatus") == "RUNNING" and ecs._task_ip(task)]
    return [ecs._task_ip(task) for task in running if any(group_of_task(balancer, service, task) == group for balancer in balancers)]
