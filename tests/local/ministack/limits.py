"""AWS's limits on the size of things. MiniStack takes whatever is written.

From AWS's pages of quotas: IAM ("Quotas for IAM and AWS STS"; white space is not counted), EventBridge ("Event pattern size"), Lambda
("Environment variables", in all), SNS ("Filter policies per topic", "per account"). The words are those that
people report; which error EventBridge has for a pattern that is too long is not known here."""

import functools
import json

from ministack.core.responses import error_response_json
from ministack.services import eventbridge, iam, lambda_svc, sns

INLINE_POLICIES, MANAGED_POLICY = 10_240, 6_144
EVENT_PATTERN, ENVIRONMENT, FILTER_POLICIES, SUBJECT = 2_048, 4_096, 200, 100


def apply() -> None:
    before(iam, "_put_role_policy", of_inline_policies)
    before(iam, "_create_policy", of_managed_policy)
    before(iam, "_create_policy_version", of_managed_policy)
    before(eventbridge, "_put_rule", of_event_pattern)
    before(lambda_svc, "_create_function", of_environment)
    before(lambda_svc, "_update_config", lambda name, data: of_environment(data))
    before(sns, "_publish", of_subject)
    before(sns, "_subscribe", of_filter_policies)
    before(sns, "_set_subscription_attributes", of_filter_policies)


def before(module, name, refusal) -> None:
    """Asks for a refusal before a function of MiniStack does its work."""
    original = getattr(module, name)

    @functools.wraps(original)
    def corrected(*arguments, **named):
        return refusal(*arguments, **named) or original(*arguments, **named)

    setattr(module, name, corrected)
    for table in (value for value in vars(module).values() if isinstance(value, dict)):
        for action, handler in list(table.items()):
            if handler is original:
                table[action] = corrected


def size(policy) -> int:
    return len("".join(policy.split()))


def of_inline_policies(parameters):
    name, role = iam._p(parameters, "PolicyName"), iam._p(parameters, "RoleName")
    policies = {**(iam._roles.get(role) or {}).get("InlinePolicies", {}), name: iam._p(parameters, "PolicyDocument")}
    if sum(map(size, policies.values())) > INLINE_POLICIES:
        return iam._error(409, "LimitExceeded", f"Maximum policy size of {INLINE_POLICIES} bytes exceeded for role {role}", ns="iam")
    return None


def of_managed_policy(parameters):
    if size(iam._p(parameters, "PolicyDocument")) > MANAGED_POLICY:
        return iam._error(409, "LimitExceeded", f"Cannot exceed quota for PolicySize: {MANAGED_POLICY}", ns="iam")
    return None


def of_event_pattern(data):
    if len(data.get("EventPattern") or "") > EVENT_PATTERN:
        return error_response_json("LimitExceededException", f"The event pattern is longer than the quota of {EVENT_PATTERN} characters.", 400)
    return None


def of_environment(data):
    text = json.dumps((data.get("Environment") or {}).get("Variables") or {}, separators=(",", ":"))
    if len(text.encode()) > ENVIRONMENT:
        return error_response_json(
            "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {text}", 400)
    return None


def of_subject(parameters):
    """"Subjects must be ASCII text that begins with a letter, number, or punctuation mark; must not include line breaks or control
    characters; and must be less than 100 characters long" (SNS API reference, Publish)."""
    subject = sns._p(parameters, "Subject")
    if subject and (len(subject) >= SUBJECT or not subject.isascii() or not subject.isprintable() or subject[0] == " "):
        return sns._error("InvalidParameter", "Invalid parameter: Subject", 400)
    return None


def of_filter_policies(parameters):
    """Of a topic's subscriptions, the one in hand included."""
    subscription = sns._p(parameters, "SubscriptionArn")
    topic = sns._p(parameters, "TopicArn") or sns._sub_arn_to_topic.get(subscription)
    keys = [sns._p(parameters, name) for name in parameters if name.startswith("Attributes.entry.") and name.endswith(".key")]
    asked = "FilterPolicy" in (*keys, sns._p(parameters, "AttributeName"))
    if not asked:
        return None
    others = (sns._topics.get(topic) or {}).get("subscriptions") or []
    filtered = [one for one in others if one["attributes"].get("FilterPolicy") and one["arn"] != subscription]
    if len(filtered) >= FILTER_POLICIES:
        return sns._error("FilterPolicyLimitExceeded", f"A topic has at most {FILTER_POLICIES} filter policies.", 403)
    return None
