"""ECS services over zones. AWS reports whether a service is rebalanced over its zones; MiniStack does not, so
Terraform would set it again and again."""

import functools

from ministack.services import ecs


def apply() -> None:
    create = ecs._create_service

    @functools.wraps(create)
    def corrected(data):
        before = set(ecs._services)
        answer = create(data)
        for name in set(ecs._services) - before:
            ecs._services[name]["availabilityZoneRebalancing"] = data.get("availabilityZoneRebalancing", "DISABLED")
        return answer

    ecs._create_service = corrected
    for action, handler in list(getattr(ecs, "_ACTION_MAP", {}).items()):
        if handler is create:
            ecs._ACTION_MAP[action] = corrected
