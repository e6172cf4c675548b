"""What a request is authorized for. AWS asks the policies for the very service, task, task definition or parameter
that a request names, and knows the keys `ecs:cluster` and `dynamodb:LeadingKeys`. MiniStack asks for the
cluster, or for `*` where it knows no better, so a policy that names exactly what is needed would be denied.

The resources follow AWS's Service Authorization Reference. A request that names several is asked for the first.
"""

import functools
import json

from ministack.core import iam_actions
from ministack.services import dynamodb


def apply() -> None:
    resource, context = iam_actions.extract_resource_arn, iam_actions.request_tag_context

    @functools.wraps(resource)
    def corrected_resource(service, method, path, headers, body, query_params, region, account_id):
        named = _RESOURCES.get((service, _operation(headers, query_params)))
        local = named(_json(body), f"{region}:{account_id}") if named else None
        return local or resource(service, method, path, headers, body, query_params, region, account_id)

    @functools.wraps(context)
    def corrected_context(service, iam_action, body, query_params):
        keys = context(service, iam_action, body, query_params)
        if service == "ecs" and _json(body).get("cluster"):
            keys["ecs:cluster"] = iam_actions.extract_resource_arn(
                "ecs", "POST", "/", {}, json.dumps({"cluster": _json(body)["cluster"]}).encode(), {},
                _here()[0], _here()[1])
        if service == "dynamodb" and (leading := _leading_keys(_json(body))):
            keys["dynamodb:leadingkeys"] = leading
        return keys

    iam_actions.extract_resource_arn, iam_actions.request_tag_context = corrected_resource, corrected_context


def _here():
    from ministack.core.responses import get_account_id, get_region
    return get_region(), get_account_id()


def _operation(headers, query_params) -> str:
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    action = query_params.get("Action", "")
    return target.rsplit(".", 1)[-1] or (action[0] if isinstance(action, list) else action)


def _json(body) -> dict:
    try:
        value = json.loads(body or b"{}")
    except ValueError:  # a form or CBOR
        return {}
    return value if isinstance(value, dict) else {}


def _ecs(kind, field):
    def named(request, place):
        value = request.get(field)
        value = value[0] if isinstance(value, list) and value else value
        if not isinstance(value, str):
            return None
        cluster = (request.get("cluster") or "default").rsplit("/", 1)[-1]
        return value if value.startswith("arn:") else f"arn:aws:ecs:{place}:{kind}/{cluster}/{value}"
    return named


def _leading_keys(request) -> list:
    """The partition keys that a request names: of its key or item, or of all the items of a transaction."""
    found = []
    parts = [request] + [part for item in request.get("TransactItems", []) for part in item.values()]
    for part in parts:
        table = dynamodb._tables.get(str(part.get("TableName", "")).rsplit("/", 1)[-1])
        key = (part.get("Key") or part.get("Item") or {}).get(table["pk_name"]) if table else None
        found += list(key.values()) if key else []
    return found


_RESOURCES = {
    ("ecs", "UpdateService"): _ecs("service", "service"),
    ("ecs", "DescribeServices"): _ecs("service", "services"),
    ("ecs", "DescribeTasks"): _ecs("task", "tasks"),
    ("ecs", "RegisterTaskDefinition"):
        lambda request, place: f"arn:aws:ecs:{place}:task-definition/{request.get('family')}:*",
    ("ssm", "GetParametersByPath"):
        lambda request, place: f"arn:aws:ssm:{place}:parameter/{str(request.get('Path', '')).strip('/')}",
}
