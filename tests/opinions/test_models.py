"""AWS's models find what a function must not ask and what the local cloud must not answer, in each protocol."""

import copy
import json
import struct

import models
import pytest

OURS = "arn:aws:ecs:eu-central-1:111122223333"


def cbor(value):
    """A value in CBOR (RFC 8949), as far as the calls here need it; a number with a fraction is a time."""
    def head(major, count):
        return bytes([major << 5 | count]) if count < 24 else bytes([major << 5 | 24, count])

    if isinstance(value, bool):
        return bytes([0xf5 if value else 0xf4])
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, float):
        return head(6, 1) + b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(name) + cbor(one) for name, one in value.items())


def call(operation, headers, body, answer, status=200, path="/", answered=None):
    text = {"headers": {"x-amzn-requestid": "1", **(answered or headers)}, "status": status, "body": answer}
    return {"caller": "here", "operation": operation, "answer": text,
            "request": {"method": "POST", "path": path, "headers": headers, "body": body}}


def in_json(operation, target, version, asked, said, status=200):
    answered = {"content-type": f"application/x-amz-json-{version}"}
    return call(operation, {"x-amz-target": f"{target}.{operation.split(':')[1]}", **answered}, json.dumps(asked), json.dumps(said), status,
                answered=answered)


def in_query(operation, form, xml, status=200):
    return call(operation, {"content-type": "application/x-www-form-urlencoded"}, form, xml, status, answered={"content-type": "text/xml"})


def in_cbor(operation, asked, said, status=200):
    headers = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
    return call(operation, headers, {"hex": cbor(asked).hex()}, {"hex": cbor(said).hex()}, status,
                path=f"/service/GraniteServiceVersion20100801/operation/{operation.split(':')[1]}")


SERVICES = in_json(
    "ecs:DescribeServices", "AmazonEC2ContainerServiceV20141113", "1.1", {"cluster": "staging", "services": ["web"], "include": ["TAGS"]},
    {"services": [{"serviceArn": f"{OURS}:service/staging/web", "desiredCount": 1, "createdAt": 1795710248.125, "deployments": [
        {"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED"}], "enableECSManagedTags": False}], "failures": []})
ITEM = in_json(
    "dynamodb:PutItem", "DynamoDB_20120810", "1.0", {"TableName": "slipway", "Item": {"pk": {"S": "LOCK#web"}, "old": {"NULL": True}}},
    {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "The conditional request failed",
     "Item": {"pk": {"S": "LOCK#web"}}}, 400)
IMAGES = in_json("ecr:DescribeImages", "AmazonEC2ContainerRegistry_V20150921", "1.1", {"repositoryName": "web"}, {"imageDetails": [
    {"repositoryName": "web", "registryId": "111122223333", "imageDigest": "sha256:1", "imageTags": ["v1"], "imagePushedAt": 1795710248}]})
ALARMS = in_cbor("cloudwatch:DescribeAlarms", {"AlarmNames": ["errors"], "AlarmTypes": ["MetricAlarm"]}, {"MetricAlarms": [
    {"AlarmName": "errors", "StateValue": "OK", "StateUpdatedTimestamp": 1795710248.5, "EvaluationPeriods": 1, "ActionsEnabled": True}]})
MAIL = in_query(
    "sns:Publish",
    "Action=Publish&Version=2010-03-31&TopicArn=arn&Message=m&MessageAttributes.entry.1.Name=to&MessageAttributes.entry.1.Value.DataType=String"
    "&MessageAttributes.entry.1.Value.StringValue=ana",
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult>'
    "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>")
HEALTH = in_query(
    "elasticloadbalancing:DescribeTargetHealth",
    "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=arn&Targets.member.1.Id=127.0.0.1&Targets.member.1.Port=8080",
    '<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeTargetHealthResult>'
    "<TargetHealthDescriptions><member><Target><Id>127.0.0.1</Id><Port>8080</Port></Target><TargetHealth><State>healthy</State></TargetHealth>"
    "</member></TargetHealthDescriptions></DescribeTargetHealthResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
    "</DescribeTargetHealthResponse>")
SNAPSHOTS = in_query(
    "rds:DescribeDBSnapshots",
    "Action=DescribeDBSnapshots&Version=2014-10-31&DBInstanceIdentifier=shop&Filters.Filter.1.Name=db&Filters.Filter.1.Values.Value.1=shop",
    '<DescribeDBSnapshotsResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBSnapshotsResult><DBSnapshots><DBSnapshot>'
    "<DBSnapshotIdentifier>a</DBSnapshotIdentifier><Encrypted>true</Encrypted><SnapshotCreateTime>2026-11-26T16:25:34.692Z</SnapshotCreateTime>"
    "<TagList><Tag><Key>a</Key><Value>b</Value></Tag></TagList></DBSnapshot></DBSnapshots></DescribeDBSnapshotsResult>"
    "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeDBSnapshotsResponse>")
NO_SNAPSHOT = in_query(
    "rds:DescribeDBSnapshots", "Action=DescribeDBSnapshots&Version=2014-10-31",
    '<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type><Code>DBSnapshotNotFound</Code>'
    "<Message>it is not there</Message></Error><RequestId>1</RequestId></ErrorResponse>", 404)
TOKEN = in_json("states:SendTaskSuccess", "AWSStepFunctions", "1.0", {"taskToken": "t", "output": "{}"}, {})
EVENT = call("lambda:InvokeFunction", {"x-amz-invocation-type": "Event", "content-type": "application/octet-stream"}, "{}", "", 202,
             path="/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A111122223333%3Afunction%3Aslipway-reconcile/invocations")
NOT_LET = call("lambda:InvokeFunction", {"x-amz-invocation-type": "Event"}, "{}", '{"Message": "no"}', 403,
               path="/2015-03-31/functions/slipway-roll-back/invocations", answered={"x-amzn-errortype": "AccessDeniedException"})
DENIED = in_json("ecs:UpdateService", "AmazonEC2ContainerServiceV20141113", "1.1", {"service": "web"},
                 {"__type": "AccessDeniedException", "message": "not authorized"}, 400)


@pytest.mark.parametrize("good", [SERVICES, ITEM, IMAGES, ALARMS, MAIL, HEALTH, SNAPSHOTS, NO_SNAPSHOT, TOKEN, EVENT, NOT_LET, DENIED], ids=lambda it: it["operation"])
def test_what_aws_takes_and_answers_has_no_fault(good):
    assert models.judge(good) == []


def changed(good, side, **fields):
    one = copy.deepcopy(good)
    for name, value in fields.items():
        if callable(value):
            body = one[side]["body"]
            value = value(body)
        one[side][name] = value
    return one


def with_text(good, side, old, new):
    assert old in good[side]["body"]
    return changed(good, side, body=lambda body: body.replace(old, new))


WRONG = [
    (changed(EVENT, "request", path="/2015-03-31/functions/slipway-reconcile"), "request.FunctionName is missing"),
    (changed(EVENT, "request", headers={"x-amz-invocation-type": "Later"}), 'request.X-Amz-Invocation-Type is "Later", none of InvocationType'),
    (changed(EVENT, "answer", status=200), "answer is 200"),
    (changed(NOT_LET, "answer", status=400), "answer: AccessDeniedException has the status 400, not 403"),
    (with_text(SERVICES, "request", "services", "service"), "request.service is unknown to DescribeServicesRequest"),
    (with_text(SERVICES, "request", '"services": ["web"], ', ""), "request.services is missing"),
    (with_text(SERVICES, "request", '["web"]', '"web"'), 'request.services is "web", no list'),
    (with_text(SERVICES, "request", "TAGS", "LABELS"), 'request.include[] is "LABELS", none of ServiceField'),
    (changed(SERVICES, "request", path="/services"), "request.path is /services"),
    (changed(SERVICES, "request", headers={**SERVICES["request"]["headers"], "x-amz-target": "ECS.DescribeServices"}), "the header x-amz-target"),
    (with_text(SERVICES, "answer", '"id"', '"number"'), "answer.services[].deployments[].number is unknown to Deployment"),
    (with_text(SERVICES, "answer", "COMPLETED", "DONE"), 'answer.services[].deployments[].rolloutState is "DONE", none of'),
    (with_text(SERVICES, "answer", "1795710248.125", '"2026-11-26T16:25:34Z"'), "answer.services[].createdAt is"),
    (with_text(SERVICES, "answer", '"desiredCount": 1', '"desiredCount": true'), "answer.services[].desiredCount is true, no integer"),
    (with_text(SERVICES, "answer", "false", "null"), "answer.services[].enableECSManagedTags is null, no boolean"),
    (changed(SERVICES, "answer", body="<html>"), "answer is no json"),
    (changed(SERVICES, "answer", body="[]"), "answer is no structure"),
    (changed(SERVICES, "answer", headers={"content-type": "application/x-amz-json-1.0"}), "the header content-type"),
    (changed(SERVICES, "answer", headers={"content-type": "application/x-amz-json-1.1"}), "the header x-amzn-requestid is missing"),
    (with_text(ITEM, "request", '"slipway"', '""'), 'request.TableName is "", not between 1 and 1024'),
    (with_text(IMAGES, "request", '"web"', '"Web"'), 'request.repositoryName is "Web", not like RepositoryName'),
    (with_text(IMAGES, "answer", "111122223333", "1111"), 'answer.imageDetails[].registryId is "1111", not like RegistryId'),
    (with_text(ITEM, "answer", "ConditionalCheckFailed", "ConditionFailed"), "PutItem has no error ConditionFailedException"),
    (changed(ITEM, "answer", status=409), "has the status 409, not 400"),
    (with_text(ITEM, "answer", '"Item"', '"Old"'), "answer.Old is unknown to ConditionalCheckFailedException"),
    (with_text(ITEM, "answer", '"message"', '"Reason"'), "has no message"),
    (with_text(TOKEN, "answer", "{}", '{"done": 1}'), "answer.done is unknown to SendTaskSuccessOutput"),
    (changed(DENIED, "answer", status=403), "AccessDeniedException has the status 403, not 400"),
    (in_cbor("cloudwatch:DescribeAlarms", {"AlarmTypes": ["Metric"]}, {}), 'request.AlarmTypes[] is "Metric", none of AlarmType'),
    (in_cbor("cloudwatch:DescribeAlarms", {}, {"MetricAlarms": [{"StateUpdatedTimestamp": "now"}]}), 'StateUpdatedTimestamp is "now", no timestamp'),
    (in_cbor("cloudwatch:DescribeAlarms", {}, {"Alarms": []}), "answer.Alarms is unknown to DescribeAlarmsOutput"),
    (changed(ALARMS, "answer", body={"hex": "a2"}), "answer is no smithy-rpc-v2-cbor"),
    (changed(ALARMS, "answer", body={"hex": "a000"}), "answer is no smithy-rpc-v2-cbor: there is more behind the value"),
    (changed(ALARMS, "answer", headers={"content-type": "application/cbor"}), "the header smithy-protocol"),
    (with_text(MAIL, "request", "2010-03-31", "2010-03-30"), "request.Version is 2010-03-30"),
    (with_text(MAIL, "request", "StringValue", "Value"), "request.MessageAttributes.entry.1.Value.Value is unknown"),
    (with_text(MAIL, "request", "entry.1", "entry.2"), "request.MessageAttributes.entry.2.Name is unknown"),
    (with_text(MAIL, "request", "&Message=m", ""), "request.Message is missing"),
    (with_text(MAIL, "answer", "doc/2010-03-31", "doc/2010-03-30"), "answer has the namespace"),
    (with_text(MAIL, "answer", "PublishResponse", "Response"), "answer is a Response"),
    (with_text(MAIL, "answer", "MessageId", "MessageID"), "answer.MessageID is unknown to PublishResponse"),
    (with_text(MAIL, "answer", "RequestId", "Request"), "answer.ResponseMetadata has not the RequestId alone"),
    (with_text(HEALTH, "request", "8080", "http"), 'request.Targets[].Port is "http", no integer'),
    (with_text(HEALTH, "request", "8080", "80800"), "request.Targets[].Port is 80800, not between 1 and 65535"),
    (with_text(HEALTH, "answer", "healthy", "well"), 'TargetHealth.State is "well", none of TargetHealthStateEnum'),
    (with_text(HEALTH, "answer", "member>", "Member>"), "answer.TargetHealthDescriptions[].Member is unknown to TargetHealthDescription"),
    (with_text(SNAPSHOTS, "request", "Values.Value", "Values.member"), "request.Filters.Filter.1.Values.member.1 is unknown"),
    (with_text(SNAPSHOTS, "answer", "Encrypted", "StorageEncrypted"), "answer.DBSnapshots[].StorageEncrypted is unknown to DBSnapshot"),
    (with_text(SNAPSHOTS, "answer", ">true<", ">yes<"), 'answer.DBSnapshots[].Encrypted is "yes", no boolean'),
    (with_text(SNAPSHOTS, "answer", "2026-11-26T16:25:34.692Z", "1795710248"), "SnapshotCreateTime is"),
    (with_text(SNAPSHOTS, "answer", "<Encrypted>", "<Encrypted>true</Encrypted><Encrypted>"), 'answer.DBSnapshots[].Encrypted is "2 elements"'),
    (with_text(NO_SNAPSHOT, "answer", "DBSnapshotNotFound", "NotFound"), "DescribeDBSnapshots has no error NotFound"),
    (with_text(NO_SNAPSHOT, "answer", "Sender", "Receiver"), "the type of the error"),
    (changed(NO_SNAPSHOT, "answer", status=400), "DBSnapshotNotFound has the status 400, not 404"),
    ({**SERVICES, "operation": "ecs:DescribeService"}, "AWS has no operation ecs:DescribeService"),
    ({**SERVICES, "operation": "container:DescribeServices"}, "AWS has no operation container:DescribeServices"),
    ({**MAIL, "operation": "ecs:DescribeServices"}, "ecs does not speak query"),
]


@pytest.mark.parametrize("wrong, expected", WRONG, ids=[expected for _, expected in WRONG])
def test_what_aws_would_not_take_or_answer_is_found(wrong, expected):
    found = models.judge(wrong)

    assert any(expected in said for said in found), found


def test_a_file_of_calls_is_judged_as_a_whole(tmp_path, capsys):
    file = tmp_path / "calls.jsonl"

    def judged(calls, *more):
        file.write_text("".join(json.dumps(one) + "\n" for one in calls))
        return models.main([str(file), *more]), capsys.readouterr().out

    everything = [{**SERVICES, "caller": function, "operation": operation} for function, operation in sorted(models.of_stories())]
    assert judged([SERVICES, MAIL]) == (0, "2 calls, one of each kind, of 2 operations by 1 functions judged by AWS's models: 0 faults\n")
    assert judged([WRONG[0][0]])[0] == 1
    assert judged([])[0] == 1
    few, said = judged([SERVICES], "--whole")
    assert few == 1 and "ecs:UpdateService of deploy-services is not in the file" in said
    assert len(everything) > 100 and models.missing(everything) == []
    assert models.missing(everything[1:]) == [(everything[0]["caller"], everything[0]["operation"])]
    with pytest.raises(FileNotFoundError):
        models.main([str(tmp_path / "none.jsonl")])
