"""Actions that forward to several target groups by weight. AWS sends each request to one of them, as often as its weight says, and
describes the weights; MiniStack forgets them, and forwards to nothing.

AWS: "Each target group weight is a value from 0 to 999 … For example, if you specify two target groups, one with a weight of 10 and the
other with a weight of 20, the target group with a weight of 20 receives twice as many requests", and "If a target group for a forward
rule contains no healthy targets, the load balancer does not automatically fail over": such a request is answered 503 ("Action types for
listener rules", Application Load Balancers user guide; `TargetGroupTuple`, Elastic Load Balancing API reference, 2015-12-01).
"""

import functools
import random

from ministack.services import alb

HIGHEST = 999


def apply() -> None:
    parse, to_xml, execute, forward = alb._parse_actions, alb._action_xml, alb._execute_actions, alb._forward_to_tg

    @functools.wraps(parse)
    def parsing(params, prefix="DefaultActions"):
        actions = parse(params, prefix)
        for number, action in enumerate(actions, 1):
            read_weights(params, f"{prefix}.member.{number}.ForwardConfig", action)
        return actions

    @functools.wraps(to_xml)
    def described(action):
        text = to_xml(action)
        config = action.get("ForwardConfig")
        return text.removesuffix("</member>") + weights_xml(config) + "</member>" if config else text

    @functools.wraps(execute)
    async def executing(actions, *request, **details):
        chosen = [{**action, "TargetGroupArn": chosen_by_weight(action["ForwardConfig"])} if action.get("ForwardConfig") else action
                  for action in actions]
        return await execute(chosen, *request, **details)

    @functools.wraps(forward)
    async def forwarding(group, *request, **details):
        # All weights are 0: no group can be chosen.
        return await forward(group, *request, **details) if group else (503, {"Content-Type": "text/html"}, b"503 Service Temporarily Unavailable")

    alb._parse_actions, alb._action_xml, alb._execute_actions, alb._forward_to_tg = parsing, described, executing, forwarding


def read_weights(params, prefix, action) -> None:
    groups = []
    while arn := alb._p(params, f"{prefix}.TargetGroups.member.{len(groups) + 1}.TargetGroupArn"):
        weight = alb._p(params, f"{prefix}.TargetGroups.member.{len(groups) + 1}.Weight", "1")
        groups.append({"TargetGroupArn": arn, "Weight": int(weight)})
    if not groups:
        return
    sticky = {"Enabled": alb._p(params, f"{prefix}.TargetGroupStickinessConfig.Enabled") == "true"}
    if sticky["Enabled"]:
        sticky["DurationSeconds"] = int(alb._p(params, f"{prefix}.TargetGroupStickinessConfig.DurationSeconds", "3600"))
    action["ForwardConfig"] = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
    # One group alone is named in both places, several are not.
    if len(groups) == 1:
        action["TargetGroupArn"] = groups[0]["TargetGroupArn"]
    else:
        action.pop("TargetGroupArn", None)


def weights_xml(config) -> str:
    groups = "".join(f"<member><TargetGroupArn>{one['TargetGroupArn']}</TargetGroupArn><Weight>{one['Weight']}</Weight></member>"
                     for one in config["TargetGroups"])
    sticky = config.get("TargetGroupStickinessConfig") or {"Enabled": False}
    seconds = f"<DurationSeconds>{sticky['DurationSeconds']}</DurationSeconds>" if sticky.get("DurationSeconds") else ""
    return (f"<ForwardConfig><TargetGroups>{groups}</TargetGroups><TargetGroupStickinessConfig>"
            f"<Enabled>{str(sticky['Enabled']).lower()}</Enabled>{seconds}</TargetGroupStickinessConfig></ForwardConfig>")


def chosen_by_weight(config) -> str:
    """The target group of one request; none where all weights are 0."""
    groups = [one for one in config["TargetGroups"] if one["Weight"] > 0]
    return random.choices(groups, [one["Weight"] for one in groups])[0]["TargetGroupArn"] if groups else ""


def groups_of(rule) -> set:
    """The target groups that a rule forwards to, with whatever weight."""
    found = set()
    for action in rule.get("Actions") or []:
        found |= {action.get("TargetGroupArn")} | {one["TargetGroupArn"] for one in (action.get("ForwardConfig") or {}).get("TargetGroups", [])}
    return found - {None, ""}


def only_forwards(rule) -> bool:
    return all(action.get("Type") == "forward" for action in rule.get("Actions") or [])


def put_weights(rule, weights) -> None:
    """Has a rule forward to target groups by weight, as `ModifyRule` would; the weights are percentages.

    Weights are whole numbers up to 999, and percentages have tenths. For a whole one ECS's own weights were seen to be 100 and 0."""
    whole = all(float(percent).is_integer() for percent in weights.values())
    tuples = [{"TargetGroupArn": group, "Weight": min(HIGHEST, round(percent if whole else percent * 10))} for group, percent in weights.items()]
    rule["Actions"] = [{"Type": "forward", "Order": 1, "ForwardConfig": {
        "TargetGroups": tuples, "TargetGroupStickinessConfig": {"Enabled": False}}}]
    listener = alb._listeners.get(rule["ListenerArn"])
    if rule.get("IsDefault") and listener:
        listener["DefaultActions"] = rule["Actions"]
