"""Each correction, seen from outside: what AWS does is what the corrected MiniStack does."""

import http.server
import json
import threading
import time

import botocore.exceptions
import botocore.session
import pytest
from conftest import ROLE, until

# What MiniStack calls an exception of a Python function; AWS names its class. Ours are not in Python.
FAILED = "Runtime.HandlerError"
CAUGHT = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}]}
WITH_TOKEN = {"token": "{% $states.context.Task.Token %}", "fail": "{% $exists($states.input.fail) %}"}


def callback(cloud, **fields):
    return {"Wait": cloud.task("lambda:invoke.waitForTaskToken", WITH_TOKEN, **CAUGHT, **fields),
            "Caught": {"Type": "Succeed"}}


def until_it_waits(cloud, execution):
    def look():
        events = cloud.sfn.get_execution_history(executionArn=execution)["events"]
        return True if any(event["type"] == "TaskScheduled" for event in events) else None
    until(look)


def test_a_timeout_may_be_an_expression(cloud):
    ended = cloud.run(callback(cloud, TimeoutSeconds="{% $states.input.seconds %}"), {"seconds": 1})

    assert json.loads(ended["output"])["Error"] == "States.Timeout"


def test_a_callback_fails_with_its_function_and_each_attempt_has_its_token(cloud):
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    ended = cloud.run(callback(cloud, Retry=retry), {"fail": True})

    failures = [event["taskFailedEventDetails"] for event in ended["events"] if event["type"] == "TaskFailed"]
    tokens = {json.loads(failure["cause"])["errorMessage"] for failure in failures}
    assert json.loads(ended["output"])["Error"] == FAILED
    assert len(failures) == len(tokens) == 2


def test_a_map_stops_at_the_first_failure(cloud):
    states = {"Each": {"Type": "Map", "MaxConcurrency": 1, "End": True, "ItemProcessor": {
        "StartAt": "Work", "States": {"Work": cloud.task()}}}}
    ended = cloud.run(states, [{"n": 1}, {"n": 2, "fail": True}, {"n": 3}])

    entered = [event for event in ended["events"] if event["type"] == "TaskStateEntered"]
    assert (ended["status"], ended["error"], len(entered)) == ("FAILED", FAILED, 2)


def test_the_history_reaches_into_a_map(cloud):
    states = {"Each": {"Type": "Map", "End": True, "ItemProcessor": {
        "StartAt": "Choose", "States": {
            "Choose": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "Done"}]},
            "Done": {"Type": "Pass", "End": True}}}}}
    ended = cloud.run(states, [1])

    types = [event["type"] for event in ended["events"]]
    assert {"ChoiceStateEntered", "ChoiceStateExited", "PassStateEntered", "PassStateExited"} <= set(types)


def test_a_machine_has_a_time_limit(cloud):
    ended = cloud.run(callback(cloud), TimeoutSeconds=1)

    assert ended["status"] == "TIMED_OUT"


def test_stopping_ends_the_work_within_a_map(cloud):
    after = cloud.task(payload={"seconds": 0})
    wait = {**callback(cloud)["Wait"], "End": False, "Next": "After"}
    wait.pop("Catch"), wait.pop("End")
    states = {"Each": {"Type": "Map", "End": True, "ItemProcessor": {
        "StartAt": "Wait", "States": {"Wait": wait, "After": after}}}}
    execution = cloud.start(cloud.machine(states), [{}])
    until_it_waits(cloud, execution)
    cloud.sfn.stop_execution(executionArn=execution)
    time.sleep(0.5)

    names = [event["stateEnteredEventDetails"]["name"]
             for event in cloud.sfn.get_execution_history(executionArn=execution)["events"]
             if "stateEnteredEventDetails" in event]
    assert cloud.ended(execution)["status"] == "ABORTED"
    assert names == ["Each", "Wait"]


def test_starting_twice_alike_starts_once_while_it_runs(cloud):
    machine = cloud.machine(callback(cloud, TimeoutSeconds=5))
    first = cloud.start(machine, {"n": 1}, name="same")

    assert cloud.start(machine, {"n": 1}, name="same") == first
    with pytest.raises(botocore.exceptions.ClientError, match="ExecutionAlreadyExists"):
        cloud.start(machine, {"n": 2}, name="same")


def test_an_unknown_token_is_invalid_and_an_answered_one_is_gone(cloud):
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidToken"):
        cloud.sfn.send_task_success(taskToken="never issued", output="{}")
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    ended = cloud.run(callback(cloud, Retry=retry), {"fail": True})
    token = json.loads(json.loads(ended["output"])["Cause"])["errorMessage"]
    with pytest.raises(botocore.exceptions.ClientError, match="TaskTimedOut"):
        cloud.sfn.send_task_success(taskToken=token, output="{}")


def test_the_role_must_be_allowed_to_invoke(cloud):
    ended = cloud.run({"Work": cloud.task()}, role=cloud.powerless)

    assert ended["error"] == "Lambda.AWSLambdaException"
    assert "lambda:InvokeFunction" in ended["cause"]


def test_a_mail_reaches_those_whose_filter_lets_it(cloud):
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="mail")["TopicArn"]
    for address in ("ana@example.com", "bo@example.com"):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address,
                      Attributes={"FilterPolicy": json.dumps({"to": [address]})})
    sns.publish(TopicArn=topic, Subject="Please", Message="Look",
                MessageAttributes={"to": {"DataType": "String", "StringValue": "bo@example.com"}})

    mails = [json.loads(file.read_text()) for file in cloud.folder.glob("*.json")]
    assert [(mail["to"], mail["subject"], mail["body"]) for mail in mails if mail.get("topic") == topic] == [("bo@example.com", "Please", "Look")]


@pytest.mark.parametrize("status, state", [(200, "healthy"), (500, "unhealthy")])
def test_targets_are_checked(cloud, status, state):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    elb = cloud.client("elbv2")
    group = elb.create_target_group(Name=f"group-{status}", Protocol="HTTP", Port=80, TargetType="ip", VpcId="vpc-1",
                                    UnhealthyThresholdCount=2)["TargetGroups"][0]["TargetGroupArn"]
    target = {"Id": "127.0.0.1", "Port": server.server_address[1]}
    elb.register_targets(TargetGroupArn=group, Targets=[target])

    def look():
        health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"][0]["TargetHealth"]
        return health if health["State"] != "initial" else None
    health = until(look)
    server.shutdown()
    assert health["State"] == state
    assert health.get("Reason") == (None if status == 200 else "Target.ResponseCodeMismatch")


def test_what_a_call_needs_is_what_aws_asks_for(cloud):
    account = "arn:aws:ecs:us-east-1:000000000000"
    task_role = cloud.role
    tokens = {"ecs:UpdateService": f"{account}:service/staging/web", "ecs:RegisterTaskDefinition": "*",
              "iam:PassRole": task_role}

    def with_permissions(name, actions):
        return user_of(cloud, name, *({"Action": action, "Resource": tokens[action]} for action in actions))

    definition = {"family": "web", "taskRoleArn": task_role, "containerDefinitions": [{"name": "web", "image": "web"}]}
    with_permissions("all", tokens).register_task_definition(**definition)
    with pytest.raises(botocore.exceptions.ClientError, match="iam:PassRole"):
        with_permissions("cannot-pass", ["ecs:RegisterTaskDefinition"]).register_task_definition(**definition)
    with pytest.raises(botocore.exceptions.ClientError, match="ServiceNotFoundException|ClusterNotFound"):
        with_permissions("staging-only", tokens).update_service(cluster="staging", service="web")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecs:UpdateService"):
        with_permissions("not-production", tokens).update_service(cluster="production", service="web")
    tokens["ecs:RegisterTaskDefinition"] = f"{account}:task-definition/web:*"
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecs:RegisterTaskDefinition"):
        with_permissions("the-family-alone", tokens).register_task_definition(**definition)


def user_of(cloud, name, *statements, service="ecs"):
    """A service, ECS where none is named, called by a user who has these statements."""
    cloud.iam.create_user(UserName=name)
    cloud.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}))
    key = cloud.iam.create_access_key(UserName=name)["AccessKey"]
    return botocore.session.get_session().create_client(
        service, endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])


def test_a_batch_of_reads_is_for_whoever_may_read_each_of_its_partitions(cloud):
    everything = user_of(cloud, "makes-a-table", {"Action": "dynamodb:*", "Resource": "*"}, service="dynamodb")
    everything.create_table(
        TableName="batch", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")])
    own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["LOCK#*", "RELEASE#*"]}}
    reads = user_of(cloud, "reads-batches", {"Action": "dynamodb:BatchGetItem", "Resource": "*", "Condition": own}, service="dynamodb")
    batch = lambda *partitions: reads.batch_get_item(  # noqa: E731
        RequestItems={"batch": {"Keys": [{"pk": {"S": pk}, "sk": {"S": "A"}} for pk in partitions], "ConsistentRead": True}})

    assert batch("LOCK#web", "RELEASE#web-1")["Responses"] == {"batch": []}
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*dynamodb:BatchGetItem"):
        batch("LOCK#web", "AUDIT#web")


def test_a_revision_is_registered_by_whoever_tags_it_as_its_permission_asks(cloud):
    tagged = {"Action": "ecs:RegisterTaskDefinition", "Resource": "*",
              "Condition": {"StringLike": {"aws:RequestTag/slipway:release": "*"}}}
    tags = {"Action": "ecs:TagResource", "Resource": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:*",
            "Condition": {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}}}
    ecs = user_of(cloud, "tags-revisions", tagged, tags)
    register = lambda family, *tags: ecs.register_task_definition(  # noqa: E731
        family=family, containerDefinitions=[{"name": "web", "image": "web"}], tags=[{"key": key, "value": "1"} for key in tags])

    register("web", "slipway:release")
    for others in ([], ["owner"]):
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecs:RegisterTaskDefinition"):
            register("web", *others)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecs:TagResource"):
        register("other", "slipway:release")


def test_a_deployment_is_stopped_by_whoever_may_do_that_to_the_service_too(cloud):
    place = "arn:aws:ecs:us-east-1:000000000000"
    deployment = f"{place}:service-deployment/staging/web/abc"
    for name, resources in {"both": [deployment, f"{place}:service/staging/web"], "service": [f"{place}:service/staging/web"],
                            "deployment": [deployment]}.items():
        ecs = user_of(cloud, f"stops-{name}", {"Action": "ecs:StopServiceDeployment", "Resource": resources})
        with pytest.raises(botocore.exceptions.ClientError) as error:
            ecs.stop_service_deployment(serviceDeploymentArn=deployment)
        assert ("AccessDenied" in str(error.value)) == (name != "both"), (name, error.value)


def test_events_are_put_by_whoever_may_put_all_of_them(cloud):
    conditions = {"StringEquals": {"events:source": ["slipway"], "events:detail-type": ["Slipway Notification"]}}
    client = user_of(cloud, "notifies", {"Action": "events:PutEvents", "Resource": "arn:aws:events:us-east-1:000000000000:event-bus/default",
                                         "Condition": conditions}, service="events")
    own = {"Source": "slipway", "DetailType": "Slipway Notification", "Detail": "{}"}

    assert client.put_events(Entries=[own])["FailedEntryCount"] == 0
    for other in ({**own, "DetailType": "Abort Requested"}, {**own, "Source": "aws.ecr"}):
        for entries in ([other], [own, other]):
            with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*events:PutEvents"):
                client.put_events(Entries=entries)


def test_cloudwatch_asks_for_permission_in_cbor_too(cloud):
    user = cloud.iam.create_user(UserName="no-alarms")["User"]["UserName"]
    key = cloud.iam.create_access_key(UserName=user)["AccessKey"]
    client = botocore.session.get_session().create_client(
        "cloudwatch", endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    assert client.meta.service_model.protocol == "smithy-rpc-v2-cbor"
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*cloudwatch:DescribeAlarms"):
        client.describe_alarms(AlarmNames=["a-name", "another"])
    assert cloud.client("cloudwatch").describe_alarms(AlarmNames=["a-name", "another"])["MetricAlarms"] == []


def test_the_providers_second_try_of_a_call_hears_what_the_first_was_answered(cloud):
    def iam(agent, call):
        client = cloud.client("iam")

        def mark(request, **_):
            for name, value in (("User-Agent", agent), ("amz-sdk-invocation-id", call)):
                del request.headers[name]
                request.headers[name] = value

        client.meta.events.register("before-send.iam", mark)
        return client

    role = {"RoleName": "tried", "AssumeRolePolicyDocument": json.dumps(ROLE)}
    first = iam("APN/1.0 HashiCorp/1.0 Terraform/1.11", "one").create_role(**role)["Role"]

    assert iam("APN/1.0 HashiCorp/1.0 Terraform/1.11", "one").create_role(**role)["Role"] == first
    for agent, call in [("APN/1.0 HashiCorp/1.0 Terraform/1.11", "two"), ("aws-sdk-rust/1", "one")]:
        with pytest.raises(botocore.exceptions.ClientError, match="EntityAlreadyExists"):
            iam(agent, call).create_role(**role)


def test_a_task_is_run_once_for_its_token(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="once")
    ecs.register_task_definition(family="once", containerDefinitions=[{"name": "web", "image": "web"}])
    run = lambda **token: ecs.run_task(cluster="once", taskDefinition="once", **token)["tasks"][0]["taskArn"]  # noqa: E731

    assert run(clientToken="one") == run(clientToken="one")
    assert len({run(clientToken="one"), run(clientToken="two"), run(), run()}) == 4


def test_what_is_tagged_is_changed_by_whoever_may_change_what_has_the_tag(cloud):
    ours = {"Condition": {"StringEquals": {"aws:ResourceTag/slipway:deployer": ["slipway"]}}, "Resource": "*"}
    ecs, user = cloud.client("ecs"), user_of(cloud, "by-tag", {"Action": "ecs:UpdateService", **ours})
    ecs.create_cluster(clusterName="tags")
    ecs.register_task_definition(family="tags", containerDefinitions=[{"name": "web", "image": "web"}])
    for service, value in {"ours": "slipway", "theirs": "another"}.items():
        ecs.create_service(cluster="tags", serviceName=service, taskDefinition="tags", desiredCount=0,
                           tags=[{"key": "slipway:deployer", "value": value}])
    ecs.create_service(cluster="tags", serviceName="nobodys", taskDefinition="tags", desiredCount=0)

    user.update_service(cluster="tags", service="ours", desiredCount=0)
    for service in ("theirs", "nobodys"):
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecs:UpdateService"):
            user.update_service(cluster="tags", service=service, desiredCount=0)
        ecs.tag_resource(resourceArn=f"arn:aws:ecs:us-east-1:000000000000:service/tags/{service}",
                         tags=[{"key": "slipway:deployer", "value": "slipway"}])
        user.update_service(cluster="tags", service=service, desiredCount=0)


def test_the_tags_of_a_database_and_a_repository_count_and_those_of_a_snapshot_do_not_stand_in(cloud):
    ours = {"StringEquals": {"aws:ResourceTag/slipway:deployer": ["slipway"]}}
    rds, ecr, tags = cloud.client("rds"), cloud.client("ecr"), [{"Key": "slipway:deployer", "Value": "slipway"}]
    statements = [
        {"Action": "ecr:DescribeImages", "Resource": "*", "Condition": ours},
        {"Action": "rds:CreateDBSnapshot", "Resource": "arn:aws:rds:us-east-1:000000000000:db:*", "Condition": ours},
        {"Action": ["rds:CreateDBSnapshot", "rds:AddTagsToResource"], "Resource": "arn:aws:rds:us-east-1:000000000000:snapshot:slipway-*"}]
    images, snapshots = (user_of(cloud, f"by-tag-{service}", *statements, service=service) for service in ("ecr", "rds"))
    for name, own in {"ours": tags, "theirs": []}.items():
        ecr.create_repository(repositoryName=name, tags=own)
        rds.create_db_instance(DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
                               MasterUsername="app", MasterUserPassword="not-a-secret", Tags=own)

    assert images.describe_images(repositoryName="ours")["imageDetails"] == []
    snapshots.create_db_snapshot(DBInstanceIdentifier="ours", DBSnapshotIdentifier="slipway-1")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*ecr:DescribeImages"):
        images.describe_images(repositoryName="theirs")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*rds:CreateDBSnapshot"):
        snapshots.create_db_snapshot(DBInstanceIdentifier="theirs", DBSnapshotIdentifier="slipway-2", Tags=tags)


def test_tasks_are_listed_by_who_started_them_and_by_nothing_else_then(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="listed")
    assert ecs.list_tasks(cluster="listed", startedBy="slipway-1")["taskArns"] == []
    for other in ({"desiredStatus": "STOPPED"}, {"family": "web"}, {"serviceName": "web"}, {"launchType": "FARGATE"}):
        with pytest.raises(botocore.exceptions.ClientError, match="cannot specify startedBy with other arguments"):
            ecs.list_tasks(cluster="listed", startedBy="slipway-1", **other)


def test_the_tags_of_a_log_count_for_its_streams(cloud):
    own, logs = {"StringEquals": {"aws:ResourceTag/slipway:deployer": ["slipway"]}}, cloud.client("logs")
    client = user_of(cloud, "reads-logs", {
        "Action": "logs:GetLogEvents", "Resource": "arn:aws:logs:us-east-1:000000000000:log-group:*:log-stream:*", "Condition": own}, service="logs")
    for group, tags in {"/ecs/staging/ours": {"slipway:deployer": "slipway"}, "/ecs/staging/theirs": {"owner": "them"}}.items():
        logs.create_log_group(logGroupName=group, tags=tags)
        logs.create_log_stream(logGroupName=group, logStreamName="task/web/1")

    assert client.get_log_events(logGroupName="/ecs/staging/ours", logStreamName="task/web/1")["events"] == []
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*logs:GetLogEvents"):
        client.get_log_events(logGroupName="/ecs/staging/theirs", logStreamName="task/web/1")


def test_who_may_search_a_log_is_asked_by_its_streams(cloud):
    logs = cloud.client("logs")
    client = user_of(cloud, "searches-logs", {
        "Action": "logs:FilterLogEvents", "Resource": "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/ours:*"}, service="logs")
    for group in ("/aws/lambda/ours", "/aws/lambda/ours-too"):
        logs.create_log_group(logGroupName=group)

    assert client.filter_log_events(logGroupName="/aws/lambda/ours", filterPattern='"web-1"')["events"] == []
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*logs:FilterLogEvents"):
        client.filter_log_events(logGroupName="/aws/lambda/ours-too")


def test_a_service_is_lifted_to_its_minimum_when_its_scaling_is_registered(cloud):
    ecs, scaling = cloud.client("ecs"), cloud.client("application-autoscaling")
    ecs.create_cluster(clusterName="lifted")
    ecs.register_task_definition(family="lifted", containerDefinitions=[{"name": "web", "image": "web"}])
    ecs.create_service(cluster="lifted", serviceName="web", taskDefinition="lifted", desiredCount=0)

    scaling.register_scalable_target(ServiceNamespace="ecs", ResourceId="service/lifted/web", ScalableDimension="ecs:service:DesiredCount",
                                     MinCapacity=2, MaxCapacity=6)

    assert ecs.describe_services(cluster="lifted", services=["web"])["services"][0]["desiredCount"] == 2


def test_the_circuit_breaker_rolls_back_to_a_deployment_of_its_own(cloud):
    from deployments import Deployment

    old = Deployment({"id": "ecs-svc/1", "status": "ACTIVE", "createdAt": "2026-01-01T00:00:00.000Z"})
    old["status"] = "PRIMARY"

    assert old["createdAt"] > "2026-01-02"


def test_whether_a_repository_is_scanned_is_told_and_asked_for_by_its_name(cloud):
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="scanned", imageScanningConfiguration={"scanOnPush": True})
    ecr.create_repository(repositoryName="not-scanned")
    one = {"Action": "ecr:BatchGetRepositoryScanningConfiguration", "Resource": "arn:aws:ecr:us-east-1:000000000000:repository/scanned"}
    of_one = user_of(cloud, "of-one-repository", one, service="ecr")

    answer = ecr.batch_get_repository_scanning_configuration(repositoryNames=["scanned", "not-scanned", "missing"])
    told = {found["repositoryName"]: (found["scanOnPush"], found["scanFrequency"]) for found in answer["scanningConfigurations"]}
    assert told == {"scanned": (True, "SCAN_ON_PUSH"), "not-scanned": (False, "MANUAL")}
    assert [failure["failureCode"] for failure in answer["failures"]] == ["REPOSITORY_NOT_FOUND"]
    of_one.batch_get_repository_scanning_configuration(repositoryNames=["scanned"])
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        of_one.batch_get_repository_scanning_configuration(repositoryNames=["scanned", "not-scanned"])
