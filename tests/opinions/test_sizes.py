"""What AWS limits, and does not raise, has room for a hundred applications of three stages with two services each.

The limits are those of AWS's pages of quotas: IAM ("Quotas for IAM and AWS STS", white space is not counted), EventBridge ("Event
pattern size"), Lambda ("Environment variables"), Systems Manager ("Parameter value size" of the tier Advanced). `infra/quotas.tf`
has those that AWS raises for whoever asks.
"""

import json

import pytest

from rendered import fleet, policy, resolve

INLINE_POLICIES, EVENT_PATTERN, ENVIRONMENT, PARAMETER = 10_240, 2_048, 4_096, 8_192

LONG = {"name": lambda i: f"checkout-and-billing-{i:03}", "stages": 3, "services": 2, "databases": True, "workers": 1}
FLEETS = {
    "stages share clusters": LONG,
    "each stage has a cluster": {**LONG, "clusters": lambda app, stage: f"{app}-{stage}"},
}


def length(document):
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))


def sizes(resolved):
    """(what, its size, the limit), for everything that could grow with the applications."""
    yield from ((f"role of {name}", length(policy(name, statements)), INLINE_POLICIES) for name, statements in resolved["statements"].items())
    yield from ((f"pattern of {name}", length(pattern), EVENT_PATTERN) for name, pattern in resolved["rules"].items())
    yield from ((f"environment of {name}", length(variables), ENVIRONMENT) for name, variables in resolved["environments"].items())
    yield from ((f"parameter of {name}", len(text.encode()), PARAMETER) for name, text in resolved["configurations"].items())


@pytest.mark.parametrize("kind", FLEETS)
def test_a_hundred_applications_have_room(kind):
    found = list(sizes(resolve(fleet(100, **FLEETS[kind]))))

    assert [(what, size, limit) for what, size, limit in found if size > limit] == []
    assert len([what for what, *_ in found if what.startswith("role")]) == 18
    assert len([what for what, *_ in found if what.startswith("parameter")]) == 100


def test_the_roles_do_not_grow():
    roles = lambda number: {what: size for what, size, _ in sizes(resolve(fleet(number, **LONG))) if what.startswith("role")}  # noqa: E731

    assert roles(1) == roles(12)


def test_a_role_that_grows_is_found():
    services = [f"arn:aws:ecs:eu-central-1:111122223333:service/production/checkout-{i:03}" for i in range(150)]
    statement = {"sid": "UpdateServices", "actions": ["ecs:UpdateService"], "resources": services}

    [(what, size, limit)] = sizes({"statements": {"deploy-services": [statement]}, "rules": {}, "environments": {}, "configurations": {}})
    assert size > limit, what
