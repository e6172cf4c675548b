"""Application Auto Scaling, which MiniStack does not have: what Terraform registers is kept and given back, and a service is
lifted to its minimum. Nothing is scaled after that: the local cloud measures no processor.

AWS: "If the current capacity is lower than the minimum, it scales out to the minimum" (Application Auto Scaling user guide, "Register a
scalable target": the count of a service that is registered is brought between minimum and maximum at once).
"""

import json

from ministack import app
from ministack.core import router
from ministack.services import ecs
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, new_uuid

NAME = "application-autoscaling"
OF = ("ServiceNamespace", "ResourceId", "ScalableDimension")

_targets: dict = {}
_policies: dict = {}
_tags: dict = {}


def apply() -> None:
    router.SERVICE_PATTERNS[NAME] = {"target_prefixes": ["AnyScaleFrontendService."]}
    app.SERVICE_HANDLERS[NAME] = handle


async def handle(method, path, headers, body, query_params):
    request = json.loads(body or b"{}")
    action = ACTIONS.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
    if action is None:
        return error_response_json("UnknownOperationException", "this is not among what the local cloud keeps", 400)
    return action(request)


def here():
    return get_account_id(), get_region()


def key(request) -> tuple:
    return (*here(), *(request.get(field) for field in OF))


def arn(kind) -> str:
    account, region = here()
    return f"arn:aws:{NAME}:{region}:{account}:{kind}/{new_uuid()}"


def register_target(request):
    target = _targets.setdefault(key(request), {
        "ScalableTargetARN": arn("scalable-target"), "CreationTime": 0,
        "RoleARN": f"arn:aws:iam::{get_account_id()}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
                   "AWSServiceRoleForApplicationAutoScaling_ECSService",
        "SuspendedState": {name: False for name in (
            "DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")}})
    target |= {field: request[field] for field in (*OF, "MinCapacity", "MaxCapacity") if field in request}
    _tags.setdefault(target["ScalableTargetARN"], {}).update(request.get("Tags") or {})
    kind, cluster, service = (request.get("ResourceId", "").split("/") + ["", ""])[:3]
    found = ecs._services.get(f"{cluster}/{service}") if kind == "service" else None
    if found:
        within = max(target["MinCapacity"], min(target["MaxCapacity"], found["desiredCount"]))
        if within != found["desiredCount"]:
            ecs._update_service({"cluster": cluster, "service": service, "desiredCount": within})
    return json_response({"ScalableTargetARN": target["ScalableTargetARN"]})


def tag(request):
    _tags.setdefault(request["ResourceARN"], {}).update(request["Tags"])
    return json_response({})


def untag(request):
    for name in request["TagKeys"]:
        _tags.get(request["ResourceARN"], {}).pop(name, None)
    return json_response({})


def asked_for(kept, request, names) -> list:
    wanted = request.get(names)
    return [value for place, value in kept.items() if place[:2] == here()
            and all(request.get(field, value[field]) == value[field] for field in OF)
            and (not wanted or value.get("PolicyName", value["ResourceId"]) in wanted)]


def deregister_target(request):
    if _targets.pop(key(request), None) is None:
        return error_response_json("ObjectNotFoundException", "No scalable target found", 400)
    for place in [place for place in _policies if place[:5] == key(request)]:
        del _policies[place]
    return json_response({})


def put_policy(request):
    if key(request) not in _targets:
        return error_response_json("ObjectNotFoundException", "No scalable target registered", 400)
    policy = _policies.setdefault((*key(request), request["PolicyName"]), {
        "PolicyARN": arn("scalingPolicy"), "CreationTime": 0, "Alarms": []})
    policy |= request
    return json_response({"PolicyARN": policy["PolicyARN"], "Alarms": []})


def delete_policy(request):
    if _policies.pop((*key(request), request["PolicyName"]), None) is None:
        return error_response_json("ObjectNotFoundException", "No scaling policy found", 400)
    return json_response({})


ACTIONS = {
    "RegisterScalableTarget": register_target,
    "DescribeScalableTargets": lambda request: json_response(
        {"ScalableTargets": asked_for(_targets, request, "ResourceIds")}),
    "DeregisterScalableTarget": deregister_target,
    "PutScalingPolicy": put_policy,
    "DescribeScalingPolicies": lambda request: json_response(
        {"ScalingPolicies": asked_for(_policies, request, "PolicyNames")}),
    "DeleteScalingPolicy": delete_policy,
    "ListTagsForResource": lambda request: json_response({"Tags": _tags.get(request["ResourceARN"], {})}),
    "TagResource": tag,
    "UntagResource": untag,
}
