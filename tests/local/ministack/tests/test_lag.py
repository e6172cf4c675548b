"""Reads lag behind writes for the functions, where a file says so."""

import json
import time

import botocore.session
from patience import until
from web import CLUSTER

MAY_LOOK = ["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:UpdateService", "states:DescribeExecution"]


def as_a_function(cloud, service):
    """A client with the credentials of a role, as a function has them."""
    role = cloud.iam.create_role(RoleName=f"looks-{service}", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}))["Role"]
    cloud.iam.put_role_policy(RoleName=f"looks-{service}", PolicyName="own", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": MAY_LOOK, "Resource": "*"}]}))
    key = cloud.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    return botocore.session.get_session().create_client(
        service, endpoint_url=cloud.endpoint, region_name="us-east-1", aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"], aws_session_token=key["SessionToken"])


def test_a_service_is_as_before_its_update_for_a_while(cloud):
    ecs, function = cloud.client("ecs"), as_a_function(cloud, "ecs")
    ecs.create_cluster(clusterName="lag")
    for image in ("one", "two"):
        ecs.register_task_definition(family="lag", containerDefinitions=[{"name": "web", "image": image}])
    ecs.create_service(cluster="lag", serviceName="web", taskDefinition="lag:1", desiredCount=0)
    runs = lambda client: client.describe_services(cluster="lag", services=["web"])["services"][0]["taskDefinition"].rsplit(":", 1)[-1]  # noqa: E731

    (cloud.folder / "awkward.json").write_text(json.dumps({"now": {"lag_seconds": 1.5}}))
    try:
        function.update_service(cluster="lag", service="web", taskDefinition="lag:2")
        first = (runs(function), runs(ecs))
        time.sleep(1.7)
        assert (first, runs(function)) == (("1", "2"), "2")
    finally:
        (cloud.folder / "awkward.json").unlink()
    ecs.update_service(cluster="lag", service="web", taskDefinition="lag:1")
    assert runs(function) == "1", "and never unasked"


def test_a_service_deployment_is_listed_later_and_ends_later(running, web):
    function = as_a_function(running, "ecs")
    web.made()
    newest = lambda client: client.list_service_deployments(cluster=CLUSTER, service=web.name)["serviceDeployments"][0]  # noqa: E731
    first = newest(web.ecs)["serviceDeploymentArn"]
    time.sleep(1.6)
    (running.folder / "awkward.json").write_text(json.dumps({"now": {"lag_seconds": 1.5}}))
    try:
        second = web.deploy("v2")
        assert (newest(function)["serviceDeploymentArn"], newest(web.ecs)["serviceDeploymentArn"]) == (first, second)
        web.until("SUCCESSFUL", arn=second)
        until(lambda: True if newest(function)["serviceDeploymentArn"] == second else None)
        assert "finishedAt" not in newest(function) or newest(function)["status"] == "SUCCESSFUL"
        until(lambda: True if newest(function)["status"] == "SUCCESSFUL" else None)
    finally:
        (running.folder / "awkward.json").unlink()


def test_an_execution_is_unknown_for_a_while(cloud):
    function = as_a_function(cloud, "stepfunctions")
    machine = cloud.sfn.create_state_machine(name="lags", roleArn=cloud.role, definition=json.dumps(
        {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}))["stateMachineArn"]
    (cloud.folder / "awkward.json").write_text(json.dumps({"now": {"lag_seconds": 1.5}}))
    try:
        arn = cloud.sfn.start_execution(stateMachineArn=machine)["executionArn"]
        try:
            function.describe_execution(executionArn=arn)
            raise AssertionError("it is known at once")
        except function.exceptions.ExecutionDoesNotExist:
            pass
        cloud.sfn.describe_execution(executionArn=arn)
        time.sleep(1.7)
        function.describe_execution(executionArn=arn)
    finally:
        (cloud.folder / "awkward.json").unlink()
