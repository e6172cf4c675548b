"""Answers that AWS could not give, as its models of its services say (`tests/opinions/models.py` judges every call of a run).

AWS leaves a member out that has no value; MiniStack shows some as null or as an empty text, which is none of the words that the member
has. AWS shows of a snapshot what the model of one has. AWS denies a call in JSON with 400, as "(Service: Ecs, Status Code: 400 …)" in
what people report; MiniStack with 403, and in the JSON of another version."""

import functools
import json
import re

from ministack.core import iam_actions
from ministack.core.responses import fix_error_content_type, json_response
from ministack.services import ecs, rds, stepfunctions

# Of an instance; a snapshot says `Encrypted`.
NOT_OF_A_SNAPSHOT = ("DBName", "DBInstanceClass", "StorageEncrypted")


def apply() -> None:
    ecs_leaves_out_what_has_no_value()
    executions_leave_out_what_has_no_value()
    databases_leave_out_what_has_no_value()
    denials_are_in_the_services_protocol()


def valued(members) -> dict:
    return {name: value for name, value in members.items() if value not in (None, "")}


def ecs_leaves_out_what_has_no_value() -> None:
    register, sanitize = ecs._register_task_definition, ecs._sanitize

    @functools.wraps(register)
    def registering(data):
        answer = register(data)
        if answer[0] >= 300:
            return answer
        document = json.loads(answer[2])
        definition = ecs._task_defs[ecs._resolve_td_key(document["taskDefinition"]["taskDefinitionArn"])]
        for name in definition.keys() - valued(definition).keys():
            del definition[name]
        return json_response({**document, "taskDefinition": valued(document["taskDefinition"])})

    @functools.wraps(sanitize)
    def sanitizing(shown):
        shown = sanitize(shown)
        return valued(shown) if isinstance(shown, dict) and "taskArn" in shown and "desiredStatus" in shown else shown

    ecs._register_task_definition = ecs._ACTION_MAP["RegisterTaskDefinition"] = registering
    ecs._sanitize = sanitizing


def executions_leave_out_what_has_no_value() -> None:
    describe = stepfunctions._describe_execution

    @functools.wraps(describe)
    def corrected(data):
        answer = describe(data)
        return json_response(valued(json.loads(answer[2]))) if answer[0] < 300 else answer

    stepfunctions._describe_execution = corrected


def databases_leave_out_what_has_no_value() -> None:
    instance, snapshot = rds._instance_xml, rds._snapshot_xml

    def full(shown):
        return re.sub(r"<(\w+)></\1>\s*", "", shown)

    rds._instance_xml = lambda one: full(instance(one))
    rds._snapshot_xml = lambda one: full(re.sub(rf"<({'|'.join(NOT_OF_A_SNAPSHOT)})>[^<]*</\1>\s*", "", snapshot(one)))


def denials_are_in_the_services_protocol() -> None:
    answer = iam_actions.access_denied_response

    @functools.wraps(answer)
    def corrected(service, action, principal_arn, request_id, **details):
        status, headers, body = answer(service, action, principal_arn, request_id, **details)
        if (details.get("headers") or {}).get("x-amz-target"):
            status = 400
        headers = {**headers, "x-amzn-requestid": request_id}
        fix_error_content_type(service, status, headers)
        return status, headers, body

    iam_actions.access_denied_response = corrected
