"""Services that publish to a topic: CloudWatch for an alarm's actions, EventBridge for a rule's target. AWS asks the topic's policy, and the
policy of an encrypted topic's key, and loses the message where one of them does not let the service; EventBridge gives no condition keys
there ("You can't use Condition blocks in Amazon SNS topic policies for EventBridge", EventBridge user guide). MiniStack asks neither."""

import contextlib
import contextvars
import functools
import logging

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, eventbridge, kms, sns

_log = logging.getLogger("slipway")
# The service that publishes, with the condition keys that it gives; none for a caller who has a role.
_publisher = contextvars.ContextVar("slipway_publisher", default=None)


def apply() -> None:
    act, deliver, fan_out = cloudwatch._dispatch_alarm_actions, eventbridge._dispatch_to_sns, sns._fanout

    @functools.wraps(act)
    def acting(alarm, *arguments):
        with publishing("cloudwatch.amazonaws.com", {
            "aws:sourceaccount": get_account_id(), "aws:sourceowner": get_account_id(), "aws:sourcearn": alarm["AlarmArn"]}):
            return act(alarm, *arguments)

    @functools.wraps(deliver)
    def delivering(*arguments):
        with publishing("events.amazonaws.com", {}):
            return deliver(*arguments)

    @functools.wraps(fan_out)
    def fanning_out(topic, *arguments, **named):
        refused = _publisher.get() and app.AUTH and refusal(topic, *_publisher.get())
        if refused:
            return _log.warning("slipway: a message to %s was refused: %s", topic, refused)
        return fan_out(topic, *arguments, **named)

    cloudwatch._dispatch_alarm_actions, eventbridge._dispatch_to_sns, sns._fanout = acting, delivering, fanning_out


@contextlib.contextmanager
def publishing(service, keys):
    mark = _publisher.set((service, keys))
    try:
        yield
    finally:
        _publisher.reset(mark)


def refusal(arn, service, keys):
    """Why a service may not publish to a topic; nothing where it may."""
    attributes = (sns._topic_by_arn_any_scope(arn) or {}).get("attributes") or {}
    if not allows(attributes.get("Policy"), service, keys, "sns:Publish", arn):
        return f"the topic's policy does not let {service} publish"
    name = attributes.get("KmsMasterKeyId")
    key = kms._resolve_key(name) if name else None
    if name and not (key and all(allows(key.get("Policy"), service, keys, action, key["Arn"])
                                 for action in ("kms:GenerateDataKey", "kms:Decrypt"))):
        return f"the policy of the key {name} does not let {service} use it"
    return None


def allows(policy, service, keys, action, resource) -> bool:
    request = iam_evaluator.EvalContext(
        principal_arn=service, principal_type="Service", principal_account="", action=action, resource_arn=resource,
        region=get_region(), service_context=keys)
    return iam_evaluator.evaluate_resource_policy(policy, request, service=service).decision == "Allow"
