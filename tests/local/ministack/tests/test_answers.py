"""Answers as AWS writes them, looked at before a client reads them."""

import json
import xml.etree.ElementTree

import botocore.exceptions
import botocore.session
import pytest

CONTAINER = {"name": "web", "image": "web"}


def raw(client, operation, **arguments) -> bytes:
    """The body of an answer."""
    bodies = []
    client.meta.events.register_last("before-parse", lambda response_dict, **_: bodies.append(response_dict["body"]))
    getattr(client, operation)(**arguments)
    return bodies[-1]


def test_a_task_definition_and_a_task_have_only_members_with_a_value(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="answers")

    answers = [json.loads(raw(ecs, "register_task_definition", family="answers", pidMode="task", containerDefinitions=[
                   {**CONTAINER, "environment": [{"name": "EMPTY", "value": ""}]}])),
               json.loads(raw(ecs, "describe_task_definition", taskDefinition="answers"))]
    task = json.loads(raw(ecs, "run_task", cluster="answers", taskDefinition="answers"))["tasks"][0]
    shown = json.loads(raw(ecs, "describe_tasks", cluster="answers", tasks=[task["taskArn"]]))["tasks"][0]

    for answer in answers:
        definition = answer["taskDefinition"]
        assert definition["pidMode"] == "task" and definition["containerDefinitions"][0]["environment"][0]["value"] == ""
        assert not {"ipcMode", "proxyConfiguration", "runtimePlatform", "ephemeralStorage", "taskRoleArn"} & set(definition)
    assert "stopCode" not in task and "stopCode" not in shown and shown["desiredStatus"] == "RUNNING"


def test_an_execution_that_runs_has_no_end_and_no_output(cloud):
    machine = cloud.machine({"Wait": {"Type": "Wait", "Seconds": 5, "End": True}})

    shown = json.loads(raw(cloud.client("stepfunctions"), "describe_execution", executionArn=cloud.start(machine)))

    assert shown["status"] == "RUNNING" and not {"stopDate", "output"} & set(shown)


def test_a_database_and_a_snapshot_have_the_members_that_aws_has(cloud):
    rds = cloud.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="answers", DBInstanceClass="db.t4g.micro", Engine="postgres", MasterUsername="shop",
                           DBName="shop", ManageMasterUserPassword=True, AllocatedStorage=20)
    rds.create_db_snapshot(DBInstanceIdentifier="answers", DBSnapshotIdentifier="answers", Tags=[{"Key": "a", "Value": "b"}])

    found = {}
    for operation, kind in (("describe_db_instances", "DBInstance"), ("describe_db_snapshots", "DBSnapshot")):
        root = xml.etree.ElementTree.fromstring(raw(rds, operation, DBInstanceIdentifier="answers"))
        found[kind] = {part.tag.rpartition("}")[2]: part.text for part in next(root.iter(f"{{{root.tag[1:].split('}')[0]}}}{kind}"))}

    assert "ReplicaMode" not in found["DBInstance"] and found["DBInstance"]["DBName"] == "shop"
    assert not {"DBName", "DBInstanceClass", "StorageEncrypted", "KmsKeyId"} & set(found["DBSnapshot"])
    assert found["DBSnapshot"]["Encrypted"] == "false" and "TagList" in found["DBSnapshot"]


@pytest.mark.parametrize("service, operation, version", [("ecs", "list_clusters", "1.1"), ("logs", "describe_log_groups", "1.1"),
                                                         ("dynamodb", "list_tables", "1.0"), ("stepfunctions", "list_state_machines", "1.0")])
def test_a_denial_is_in_the_json_of_its_service(cloud, service, operation, version):
    cloud.iam.create_user(UserName=f"denied-{service}")
    key = cloud.iam.create_access_key(UserName=f"denied-{service}")["AccessKey"]
    client = botocore.session.get_session().create_client(
        service, endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied") as error:
        getattr(client, operation)()

    answer = error.value.response["ResponseMetadata"]
    assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["content-type"]) == (400, f"application/x-amz-json-{version}")
    assert answer["HTTPHeaders"]["x-amzn-requestid"]
