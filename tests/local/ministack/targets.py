"""Functions as targets of rules and schedules. AWS invokes them asynchronously, so one that fails is tried again and ends in
its dead-letter queue, and asks first: the function's policy for a rule, the schedule's role for a schedule. MiniStack runs
them once and asks nobody."""

import contextvars
import functools
import json
import logging

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, lambda_svc

_log = logging.getLogger("slipway")
# The target that is being served, with its rule or schedule.
_served = contextvars.ContextVar("slipway_target", default=(None, None))


def apply() -> None:
    invoke = eventbridge._invoke_target

    @functools.wraps(invoke)
    def corrected(target, event, rule, view=None):
        mark = _served.set((target, rule))
        try:
            return invoke(target, event, rule, view)
        finally:
            _served.reset(mark)

    eventbridge._invoke_target, eventbridge._dispatch_to_lambda = corrected, _dispatch


def _dispatch(arn, payload) -> None:
    target, rule = _served.get()
    func, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not func or not config:
        return _give_up(target, payload, f"there is no function {name}")
    if app.AUTH and not _permitted(func, arn, target, rule):
        return _give_up(target, payload, f"{rule.get('Arn') or rule.get('Name')} may not invoke {arn}")
    try:
        event = json.loads(payload)
    except ValueError:
        return _give_up(target, payload, "the payload is not JSON")
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(func, config), event)


def _permitted(func, arn, target, rule) -> bool:
    if target.get("RoleArn"):
        return _role_may_invoke(target["RoleArn"], arn)
    own = eventbridge._rule_arn(rule["Name"], rule.get("EventBusName", "default"))
    policy = (lambda_svc._functions.get(lambda_svc._resolve_request_scoped_name(arn)) or func).get("policy") or {}
    return any(_allows(statement, own) for statement in policy.get("Statement", []))


def _allows(statement, rule) -> bool:
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, dict) else None
    sources = [value for keys in (statement.get("Condition") or {}).values() for key, value in keys.items()
               if key.lower() == "aws:sourcearn"]
    return (statement.get("Effect") == "Allow" and service == "events.amazonaws.com"
            and all(source == rule for source in sources))


def _role_may_invoke(role_arn, function) -> bool:
    account, role = get_account_id(), role_arn.rsplit("/", 1)[-1]
    request = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{role}/scheduler", principal_type="AssumedRole",
        principal_account=account, action="lambda:InvokeFunction", resource_arn=function, region=get_region())
    return iam_evaluator.evaluate(request, iam_evaluator._gather_role_policies(role, account)).decision == "Allow"


def _give_up(target, payload, reason) -> None:
    _log.warning("a target was not invoked: %s", reason)
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue:
        eventbridge._dispatch_to_sqs(parse_arn(queue), payload)
