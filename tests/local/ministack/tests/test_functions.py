"""How functions come to run: each way, seen from outside, as on AWS."""

import io
import json
import time
import zipfile

import botocore.exceptions
import pytest
from conftest import MAY_INVOKE, until


@pytest.fixture
def ran(cloud, request):
    """A file in which the function writes down each run, and what it wrote."""
    file = cloud.folder / f"ran-{request.node.name}"

    def runs(count=1, patience=10):
        def look():
            found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
            return found if len(found) >= count else None
        return until(look, patience)
    runs.file = str(file)
    return runs


def rule(cloud, name, pattern, function=None, **target):
    events = cloud.client("events")
    arn = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": function or cloud.function, **target}])
    return arn


def permit(cloud, arn, function="echo", statement="events"):
    cloud.client("lambda").add_permission(
        FunctionName=function, StatementId=statement, Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
        SourceArn=arn)


def put(cloud, source, detail):
    answer = cloud.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Abort Requested", "Detail": json.dumps(detail)}])
    assert answer["FailedEntryCount"] == 0


def test_a_function_runs_twice_while_it_is_asked_to(cloud, ran):
    invoke = cloud.client("lambda").invoke
    (cloud.folder / "twice").write_text("another\necho\n")
    try:
        answer = invoke(FunctionName="echo", Payload=json.dumps({"ran": ran.file}))
    finally:
        (cloud.folder / "twice").write_text("")
    invoke(FunctionName="echo", Payload=json.dumps({"ran": ran.file}))

    assert json.load(answer["Payload"]) == {"ran": ran.file}
    assert len(ran(3)) == 3


BOOTSTRAP = """#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    event = answer.read()
    api.request("POST", f"/2018-06-01/runtime/invocation/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/response", body=event)
    api.getresponse().read()
"""


def test_an_invocation_reaches_the_functions_process_at_once(cloud):
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, BOOTSTRAP)
    functions = cloud.client("lambda")
    functions.create_function(FunctionName="own-process", Runtime="provided.al2023", Handler="bootstrap", Role=cloud.role,
                              Code={"ZipFile": package.getvalue()})

    def took():
        began = time.monotonic()
        answer = functions.invoke(FunctionName="own-process", Payload=b'{"a": 1}')
        assert json.load(answer["Payload"]) == {"a": 1}
        return time.monotonic() - began

    # Two packets that wait for each other take 40 ms every time, and a log that is waited for 50.
    assert min(took() for _ in range(12)) < 0.035


def test_a_function_that_fails_for_a_rule_is_tried_again(cloud, ran):
    permit(cloud, rule(cloud, "own", {"source": ["slipway"]}), statement="own")
    put(cloud, "slipway", {"ran": ran.file, "fail": True})

    assert len(ran(3)) == 3


def test_a_rule_needs_the_functions_permission(cloud, ran):
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule(cloud, "forbidden", {"source": ["forbidden"]}, DeadLetterConfig={"Arn": arn})
    put(cloud, "forbidden", {"ran": ran.file})

    message = until(lambda: (sqs.receive_message(QueueUrl=queue).get("Messages") or [None])[0])
    assert json.loads(message["Body"])["detail"] == {"ran": ran.file}
    with pytest.raises(AssertionError):
        ran(1, patience=0.5)


def test_an_execution_that_ends_is_an_event(cloud, ran):
    pattern = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"], "detail": {"status": ["ABORTED"]}}
    permit(cloud, rule(cloud, "ended", pattern, Input=json.dumps({"ran": ran.file})), statement="ended")
    execution = cloud.start(cloud.machine({"Wait": {"Type": "Wait", "Seconds": 30, "End": True}}))
    cloud.sfn.stop_execution(executionArn=execution)

    assert len(ran(1)) == 1


def test_a_machine_runs_the_version_that_it_names_if_its_role_may(cloud, ran):
    functions = cloud.client("lambda")
    version = functions.publish_version(FunctionName="echo")["FunctionArn"]
    only = cloud.iam.create_role(RoleName="only-version", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{**MAY_INVOKE["Statement"][0], "Resource": version}]}
    cloud.iam.put_role_policy(RoleName="only-version", PolicyName="invoke", PolicyDocument=json.dumps(policy))
    of_version, of_latest = cloud.task(payload={"ran": ran.file}), cloud.task(payload={"ran": ran.file})
    of_version["Arguments"]["FunctionName"] = version

    assert cloud.run({"Work": of_version}, role=only)["status"] == "SUCCEEDED"
    assert cloud.run({"Work": of_latest}, role=only)["error"] == "Lambda.AWSLambdaException"
    assert [run["version"] for run in ran(1)] == [version.rsplit(":", 1)[-1]]


def test_a_record_that_fails_is_tried_again_with_what_follows_and_then_given_up(cloud, ran):
    dynamodb, sqs = cloud.client("dynamodb"), cloud.client("sqs")
    queue = sqs.create_queue(QueueName="given-up")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    keys = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    stream = dynamodb.create_table(
        TableName="streamed", AttributeDefinitions=keys, KeySchema=schema, BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]["LatestStreamArn"]
    items = [{"PutRequest": {"Item": {"pk": {"S": ran.file}, "sk": {"S": sk}}}} for sk in ("a", "bad", "c")]
    dynamodb.batch_write_item(RequestItems={"streamed": items})
    mapping = cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=stream, FunctionName="echo", StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=2,
        BisectBatchOnFunctionError=True, FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": arn}})["UUID"]

    message = until(lambda: (sqs.receive_message(QueueUrl=queue).get("Messages") or [None])[0])
    until(lambda: True if ["c"] in ran(1) else None)
    cloud.client("lambda").delete_event_source_mapping(UUID=mapping)
    assert json.loads(message["Body"])["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert ran(1) == [["a", "bad", "c"], ["bad", "c"], ["bad"], ["c"]]


def test_a_schedule_invokes_as_its_role(cloud, ran):
    scheduler = cloud.client("scheduler")
    for name, role in (("may", cloud.role), ("may-not", cloud.powerless)):
        scheduler.create_schedule(
            Name=name, ScheduleExpression="at(2020-01-01T00:00:00)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": cloud.function, "RoleArn": role, "Input": json.dumps({"ran": ran.file, "name": name})})

    assert [run["event"]["name"] for run in ran(1, patience=25)] == ["may"]
    time.sleep(0.5)
    assert len(ran(1)) == 1


def test_a_push_is_dated_to_the_millisecond(cloud):
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="dated")
    for tag in ("a", "b"):
        ecr.put_image(repositoryName="dated", imageTag=tag, imageManifest=json.dumps({"schemaVersion": 2, "tag": tag}))
        time.sleep(0.05)

    pushed = {image["imageTags"][0]: image["imagePushedAt"] for image in ecr.describe_images(repositoryName="dated")["imageDetails"]}
    assert 0.04 < (pushed["b"] - pushed["a"]).total_seconds() < 2


def test_a_service_is_not_updated_to_an_inactive_task_definition(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="inactive")
    first, second = (
        ecs.register_task_definition(family="inactive", containerDefinitions=[{"name": "web", "image": "web"}])["taskDefinition"]
        ["taskDefinitionArn"] for _ in range(2))
    ecs.create_service(cluster="inactive", serviceName="web", taskDefinition=second, desiredCount=0)
    ecs.deregister_task_definition(taskDefinition=first)

    with pytest.raises(botocore.exceptions.ClientError, match="TaskDefinition is inactive"):
        ecs.update_service(cluster="inactive", service="web", taskDefinition=first)
    with pytest.raises(botocore.exceptions.ClientError, match="Unable to find task definition"):
        ecs.update_service(cluster="inactive", service="web", taskDefinition="inactive:7")
    ecs.update_service(cluster="inactive", service="web", taskDefinition=second, desiredCount=0)


def test_a_family_is_its_newest_active_revision(cloud):
    ecs = cloud.client("ecs")
    first, second = (
        ecs.register_task_definition(family="of-two", containerDefinitions=[{"name": "web", "image": "web"}])["taskDefinition"]
        ["taskDefinitionArn"] for _ in range(2))

    ecs.deregister_task_definition(taskDefinition=second)
    assert ecs.describe_task_definition(taskDefinition="of-two")["taskDefinition"]["taskDefinitionArn"] == first
    assert ecs.describe_task_definition(taskDefinition=second)["taskDefinition"]["status"] == "INACTIVE"
    ecs.deregister_task_definition(taskDefinition=first)
    with pytest.raises(botocore.exceptions.ClientError, match="Unable to describe task definition"):
        ecs.describe_task_definition(taskDefinition="of-two")
