"""IAM, where MiniStack 1.5.33 asks for other permissions than AWS: it authorizes ECS calls on the cluster, asks for none
where CloudWatch is called in CBOR, knows neither ECS's condition keys nor `dynamodb:LeadingKeys` nor those of `events:PutEvents`, and never asks for what a call
needs beside its own action.

The resources and keys are those of the Service Authorization Reference.
"""

import contextvars
import functools
import json

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs as logs
from ministack.services import dynamodb, ecr, ecs, rds, sns

# What the request in hand must be allowed beside its first resource: (action, resource, condition keys).
_more = contextvars.ContextVar("slipway_more_permissions", default=())
# Whose key it is signed with.
_caller = contextvars.ContextVar("slipway_caller", default="")
# What was denied of it.
_denied = contextvars.ContextVar("slipway_denied", default=None)


def apply() -> None:
    cloudwatch_is_asked_too()
    resources_are_those_of_aws()
    condition_keys_are_known()
    every_needed_permission_is_asked_for()


def cloudwatch_is_asked_too() -> None:
    """AWS: every call needs its permission. MiniStack does not see the operation of a call in CBOR, and lets it pass."""
    action_of, resource_of = iam_actions.extract_iam_action, iam_actions.extract_resource_arn

    @functools.wraps(action_of)
    def corrected(service, method, path, *rest):
        if service == "monitoring" and "/operation/" in path:
            return f"cloudwatch:{path.rsplit('/', 1)[-1]}"
        return action_of(service, method, path, *rest)

    @functools.wraps(resource_of)
    def without_reading_cbor(service, method, path, headers, body, *rest):
        # It looks for an alarm's name in JSON; the calls of ours need permission for all alarms.
        return resource_of(service, method, path, headers, b"" if service == "monitoring" and "/operation/" in path else body, *rest)

    iam_actions.extract_iam_action, iam_actions.extract_resource_arn = corrected, without_reading_cbor


def _parsed(body) -> dict:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _arn(region, account, kind, name) -> str:
    return name if name.startswith("arn:") else f"arn:aws:ecs:{region}:{account}:{kind}/{name}"


def cluster_of(request) -> str:
    return request.get("cluster", "default").rsplit("/", 1)[-1]


def _ecs_resources(action, request, region, account) -> list:
    def in_cluster(kind, name):
        return _arn(region, account, kind, name if name.startswith("arn:") else f"{cluster_of(request)}/{name}")

    if action == "DescribeServices":
        return [in_cluster("service", name) for name in request.get("services", [])]
    if action in ("UpdateService", "DeleteService"):
        return [in_cluster("service", request.get("service", ""))]
    if action == "DescribeTasks":
        return [in_cluster("task", name) for name in request.get("tasks", [])]
    if action == "StopTask":
        return [in_cluster("task", request.get("task", ""))]
    if action in ("StopServiceDeployment", "ContinueServiceDeployment", "DescribeServiceDeployments"):
        deployments = request.get("serviceDeploymentArns") or [request.get("serviceDeploymentArn", "")]
        services = ["/".join(deployment.replace(":service-deployment/", ":service/").split("/")[:3]) for deployment in deployments]
        return deployments + services
    if action == "DescribeServiceRevisions":
        revisions = request.get("serviceRevisionArns", [])
        return revisions + ["/".join(one.replace(":service-revision/", ":service/").split("/")[:3]) for one in revisions]
    if action == "ListServiceDeployments":
        return [in_cluster("service", request.get("service", ""))]
    # The reference names the family; AWS's own minimal policies, and every denial that people report, say `*`.
    if action in ("RegisterTaskDefinition", "DescribeTaskDefinition", "DeregisterTaskDefinition", "ListTaskDefinitions", "ListTasks",
                  "ListServices", "ListClusters"):
        return ["*"]
    if action == "TagResource":
        return [request.get("resourceArn", "*")]
    if action == "RunTask":
        return [_arn(region, account, "task-definition", request.get("taskDefinition", ""))]
    return []


def _rds_resources(action, parameters, region, account) -> list:
    def named(kind, parameter):
        value = parameters.get(parameter) or ""
        return f"arn:aws:rds:{region}:{account}:{kind}:{value[0] if isinstance(value, list) else value}"

    if action.startswith("Describe"):
        return ["*"]
    if action == "CreateDBSnapshot":
        return [named("db", "DBInstanceIdentifier"), named("snapshot", "DBSnapshotIdentifier")]
    if action == "DeleteDBSnapshot":
        return [named("snapshot", "DBSnapshotIdentifier")]
    return []


def _of_entry(entry) -> dict:
    """AWS decides about each event of a PutEvents by what it says of itself."""
    return {"events:source": entry.get("Source", ""), "events:detail-type": entry.get("DetailType", "")}


def _beside(service, action, request, resource) -> list:
    """The permissions that a call needs beside its own action."""
    if service == "events" and action == "PutEvents":
        return [("events:PutEvents", resource, _of_entry(entry)) for entry in request.get("Entries", [])[1:]]
    if service == "ecs" and action == "RegisterTaskDefinition":
        passed = [request[role] for role in ("executionRoleArn", "taskRoleArn") if request.get(role)]
        needed = [("iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}) for role in passed]
        if request.get("tags"):
            family = _arn(get_region(), get_account_id(), "task-definition", f"{request.get('family', '')}:*")
            needed.append(("ecs:TagResource", family, {"ecs:CreateAction": "RegisterTaskDefinition"}))
        return needed
    if service == "ecs" and action in ("CreateService", "UpdateService"):
        # The roles by which ECS asks functions and changes rules: whoever names one passes it ("Granting a user permissions to pass a role to
        # an AWS service", IAM user guide).
        named = [*((request.get("deploymentConfiguration") or {}).get("lifecycleHooks") or []),
                 *(balancer.get("advancedConfiguration") or {} for balancer in request.get("loadBalancers") or [])]
        roles = dict.fromkeys(one["roleArn"] for one in named if one.get("roleArn"))
        return [("iam:PassRole", role, {"iam:PassedToService": "ecs.amazonaws.com"}) for role in roles]
    if service == "ecs" and action == "RunTask":
        definition = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition", ""))) or {}
        passed = [definition[role] for role in ("executionRoleArn", "taskRoleArn") if definition.get(role)]
        needed = [("iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}) for role in passed]
        if request.get("tags"):
            cluster = _arn(get_region(), get_account_id(), "task", f"{cluster_of(request)}/new")
            needed.append(("ecs:TagResource", cluster, {"ecs:CreateAction": "RunTask"}))
        return needed
    if service == "rds" and action == "CreateDBSnapshot":
        return [("rds:AddTagsToResource", resource.replace(":db:", ":snapshot:slipway-"), {})]
    if service == "sns" and action == "Publish":
        topic = sns._topic_by_arn_any_scope(resource) or {}
        key = (topic.get("attributes") or {}).get("KmsMasterKeyId")
        if key:
            arn = key if key.startswith("arn:") else ":".join([*resource.split(":")[:2], "kms", *resource.split(":")[3:5],
                                                               f"key/{key}"])
            return [("kms:GenerateDataKey", arn, {}), ("kms:Decrypt", arn, {})]
    return []


def resources_are_those_of_aws() -> None:
    extract = iam_actions.extract_resource_arn

    @functools.wraps(extract)
    def corrected(service, method, path, headers, body, query, region, account):
        resource = extract(service, method, path, headers, body, query, region, account)
        action = (iam_actions.extract_iam_action(service, method, path, headers, body, query) or "").split(":")[-1]
        request, others = _parsed(body), []
        if service == "ecs":
            first, *others = _ecs_resources(action, request, region, account) or [resource]
            resource = first
        elif service == "logs" and action in ("FilterLogEvents", "GetLogEvents"):
            # A denial of AWS's names the streams of a group so, where the request names none.
            resource += f":log-stream:{_parsed(body).get('logStreamName', '')}"
        elif service == "rds" and (named := _rds_resources(action, query, region, account)):
            resource, *others = named
        elif service == "ecr" and request.get("repositoryNames"):
            resource, *others = [f"arn:aws:ecr:{region}:{account}:repository/{name}" for name in request["repositoryNames"]]
        elif service == "ssm" and action == "GetParametersByPath" and request.get("Path"):
            resource = f"arn:aws:ssm:{region}:{account}:parameter/{request['Path'].strip('/')}"
        elif service == "elasticloadbalancing" and action.startswith("Describe"):
            resource = "*"
        more = [(f"{service}:{action}", other, {}) for other in others]
        _more.set(tuple(more + _beside(service, action, request, resource)))
        _denied.set(None)
        return resource

    iam_actions.extract_resource_arn = corrected


def _leading_keys(request) -> list:
    """The partition keys that a request names: of its key or item, or of all the items of a transaction or a batch of reads."""
    found, parts = [], [request] + [part for item in request.get("TransactItems", []) for part in item.values()]
    batches = request.get("RequestItems")
    for table, batch in batches.items() if isinstance(batches, dict) else ():
        parts += [{"TableName": table, "Key": key} for key in (batch.get("Keys", []) if isinstance(batch, dict) else [])]
    for part in parts:
        table = dynamodb._tables.get(str(part.get("TableName", "")).rsplit("/", 1)[-1])
        key = (part.get("Key") or part.get("Item") or {}).get(table["pk_name"]) if table else None
        found += list(key.values()) if key else []
    return found


def condition_keys_are_known() -> None:
    context = iam_actions.request_tag_context

    @functools.wraps(context)
    def corrected(service, iam_action, body, params):
        keys = context(service, iam_action, body, params)
        if service == "dynamodb" and (leading := _leading_keys(_parsed(body))):
            return {**keys, "dynamodb:LeadingKeys": leading}
        if service == "events" and iam_action.endswith(":PutEvents"):
            return {**keys, **_of_entry((_parsed(body).get("Entries") or [{}])[0])}
        if service != "ecs":
            return keys
        request, region, account = _parsed(body), get_region(), get_account_id()
        own = {"ecs:cluster": _arn(region, account, "cluster", cluster_of(request))}
        if request.get("service"):
            own["ecs:service"] = _arn(region, account, "service", f"{cluster_of(request)}/{request['service'].rsplit('/', 1)[-1]}")
        if request.get("taskDefinition"):
            own["ecs:task-definition"] = _arn(region, account, "task-definition", request["taskDefinition"])
        return {**keys, **own}

    iam_actions.request_tag_context = corrected


def called_by_a_role() -> bool:
    """Whether the call in hand is a function's: those of Terraform, tests and people are root's."""
    return _caller.get().startswith("ASIA")


def _tags_of(resource) -> dict:
    """The keys of what a resource is tagged with, for the services whose permissions Slipway ties to tags. A resource that is
    not there has none."""
    kind = resource.split(":")[2] if resource.count(":") >= 5 else ""
    if kind == "ecs":
        tags = ecs._tags.get(resource) or []
    elif kind == "ecr":
        tags = (ecr._repositories.get(resource.split(":repository/")[-1]) or {}).get("tags") or []
    elif kind == "rds":
        tags = rds._tags.get(resource) or []
    elif kind == "logs":
        # A stream has its group's.
        group = logs._log_groups.get(resource.split(":log-group:")[-1].split(":")[0]) or {}
        tags = [{"key": key, "value": value} for key, value in (group.get("tags") or {}).items()]
    else:
        tags = []
    return {f"aws:ResourceTag/{tag.get('key', tag.get('Key'))}".lower(): tag.get("value", tag.get("Value", "")) for tag in tags}


def every_needed_permission_is_asked_for() -> None:
    enforce, answer = iam_evaluator.enforce, iam_actions.access_denied_response

    @functools.wraps(enforce)
    def corrected(access_key, iam_action, service, region, resource_arn="*", service_context=None):
        _caller.set(access_key)
        context = service_context or {}
        denied = enforce(access_key, iam_action, service, region, resource_arn, {**context, **_tags_of(resource_arn)})
        more, _ = _more.get(), _more.set(())
        for action, resource, keys in more:
            if denied:
                break
            kind = action.split(":", 1)[0]
            denied = enforce(access_key, action, kind, region, resource, {**context, **_tags_of(resource), **keys})
            if denied:
                _denied.set((action, resource))
        return denied

    @functools.wraps(answer)
    def naming_what_was_denied(service, action, principal_arn, *rest, **details):
        if denied := _denied.get():
            action, details["resource_arn"] = denied
        return answer(service, action, principal_arn, *rest, **details)

    iam_evaluator.enforce, iam_actions.access_denied_response = corrected, naming_what_was_denied
