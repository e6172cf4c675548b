"""What AWS tells by itself is told from the change: nothing is too short to be seen, and nothing is told twice."""

import json

import pytest
from conftest import until

ALARM = {"Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
         "ComparisonOperator": "GreaterThanThreshold"}
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}, "layers": []}


def told(cloud, count, detail_type, **fields):
    """The details of so many events, once they are there and no other has followed."""
    until(lambda: True if len(cloud.told.of(detail_type, **fields)) >= count else None)
    # The next event proves that nothing else was on its way.
    marker = cloud.client("cloudwatch")
    marker.put_metric_alarm(AlarmName="marker", **ALARM)
    for state in ("OK", "ALARM"):
        before = len(cloud.told.of("CloudWatch Alarm State Change", alarmName="marker"))
        marker.set_alarm_state(AlarmName="marker", StateValue=state, StateReason="now")
        until(lambda: True if len(cloud.told.of("CloudWatch Alarm State Change", alarmName="marker")) > before else None)
    found = cloud.told.of(detail_type, **fields)
    assert len(found) == count, found
    return found


def test_an_alarm_that_fires_for_a_moment_is_told_of_twice(cloud):
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="flaps", AlarmDescription="too many errors", **ALARM)
    for state in ("OK", "ALARM", "ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName="flaps", StateValue=state, StateReason=f"it is {state}")

    changes = told(cloud, 3, "CloudWatch Alarm State Change", alarmName="flaps")

    assert [(change["previousState"]["value"], change["state"]["value"]) for change in changes] == [
        ("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM"), ("ALARM", "OK")]
    assert changes[2]["previousState"] == changes[1]["state"] and changes[1]["state"]["reason"] == "it is ALARM"
    assert changes[0]["configuration"] == {"description": "too many errors", "metrics": [{
        "id": "m1", "returnData": True, "metricStat": {
            "metric": {"namespace": "Shop", "name": "Errors", "dimensions": {}}, "period": 60, "stat": "Sum"}}]}


def test_an_alarm_over_several_metrics_and_a_composite_one_tell_what_they_are(cloud):
    cloudwatch = cloud.client("cloudwatch")
    stat = {"Metric": {"Namespace": "Shop", "MetricName": "Errors", "Dimensions": [{"Name": "Stage", "Value": "staging"}]},
            "Period": 60, "Stat": "Sum"}
    cloudwatch.put_metric_alarm(
        AlarmName="ratio", EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
        Metrics=[{"Id": "errors", "MetricStat": stat, "ReturnData": False}, {"Id": "ratio", "Expression": "errors / 2", "ReturnData": True}])
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("ratio")')
    cloudwatch.set_alarm_state(AlarmName="ratio", StateValue="ALARM", StateReason="now")

    ratio = told(cloud, 2, "CloudWatch Alarm State Change", alarmName="ratio")
    both = told(cloud, 2, "CloudWatch Alarm State Change", alarmName="both")

    assert [change["state"]["value"] for change in ratio] == [change["state"]["value"] for change in both] == ["OK", "ALARM"]
    assert ratio[1]["configuration"]["metrics"] == [
        {"id": "errors", "returnData": False, "metricStat": {"period": 60, "stat": "Sum", "metric": {
            "namespace": "Shop", "name": "Errors", "dimensions": {"Stage": "staging"}}}},
        {"id": "ratio", "expression": "errors / 2", "returnData": True}]
    assert both[1]["configuration"] == {"description": "", "alarmRule": 'ALARM("ratio")'}
    assert "triggeringAlarms" in json.loads(both[1]["state"]["reasonData"])


def test_each_tag_of_a_push_is_told_of_once(cloud):
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="told")
    push = lambda tag, **more: ecr.put_image(  # noqa: E731
        repositoryName="told", imageTag=tag, imageManifest=json.dumps({**MANIFEST, **more}),
        imageManifestMediaType=MANIFEST["mediaType"])["image"]["imageId"]["imageDigest"]

    first = push("v1")
    push("v1")
    push("latest")
    second = push("latest", annotations={"what": "another"})

    pushes = told(cloud, 3, "ECR Image Action", **{"repository-name": "told"})
    assert [(push["image-digest"], push["image-tag"]) for push in pushes] == [(first, "v1"), (first, "latest"), (second, "latest")]
    assert pushes[0] == {
        "result": "SUCCESS", "repository-name": "told", "image-digest": first, "action-type": "PUSH", "image-tag": "v1",
        "manifest-media-type": MANIFEST["mediaType"], "artifact-media-type": MANIFEST["config"]["mediaType"]}


def test_a_deployment_tells_of_its_begin_and_its_end(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="told")
    revisions = [ecs.register_task_definition(family="told", containerDefinitions=[{"name": "web", "image": "web"}])
                 ["taskDefinition"]["taskDefinitionArn"] for _ in range(2)]
    service = ecs.create_service(cluster="told", serviceName="web", taskDefinition=revisions[0], desiredCount=0)["service"]
    ecs.update_service(cluster="told", service="web", taskDefinition=revisions[1])
    changes = told(cloud, 4, "ECS Deployment State Change", clusterArn=service["clusterArn"])

    assert [change["eventName"] for change in changes] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"] * 2
    assert changes[0]["deploymentId"] == changes[1]["deploymentId"] != changes[2]["deploymentId"] == changes[3]["deploymentId"]
    assert changes[3]["reason"] == f"ECS deployment {changes[3]['deploymentId']} completed."
    assert [event["resources"] for event in cloud.told.events if event["detail"].get("clusterArn") == service["clusterArn"]
            and event["detail-type"] == "ECS Deployment State Change"] == [[service["serviceArn"]]] * 4
    told(cloud, 2, "ECS Service Action", clusterArn=service["clusterArn"], eventName="SERVICE_STEADY_STATE")


def test_a_task_that_stopped_is_told_of(cloud):
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="one-off")
    ecs.register_task_definition(family="one-off", containerDefinitions=[{"name": "web", "image": "web"}])
    task = ecs.run_task(cluster="one-off", taskDefinition="one-off", startedBy="slipway-1")["tasks"][0]
    ecs.stop_task(cluster="one-off", task=task["taskArn"], reason="enough")

    [stopped] = told(cloud, 1, "ECS Task State Change", clusterArn=task["clusterArn"])

    assert (stopped["taskArn"], stopped["startedBy"], stopped["lastStatus"], stopped["stoppedReason"]) == (
        task["taskArn"], "slipway-1", "STOPPED", "enough")


@pytest.mark.parametrize("fate, status, events", [(None, "available", 1), ("fail", "failed", 0)])
def test_a_snapshot_that_is_there_is_told_of_and_one_that_failed_is_not(cloud, fate, status, events):
    rds = cloud.client("rds")
    (cloud.folder / "gates.json").write_text(json.dumps({"database": {"snapshots": fate}}))
    name = f"database-{status}"
    rds.create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t4g.micro", Engine="postgres", MasterUsername="shop",
        ManageMasterUserPassword=True, AllocatedStorage=20)
    made = rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=name)["DBSnapshot"]
    describe = lambda: rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]["Status"]  # noqa: E731

    assert made["Status"] == describe() == "creating"
    until(lambda: True if describe() == status else None)
    found = told(cloud, events, "RDS DB Snapshot Event", SourceIdentifier=name)
    assert [event["EventID"] for event in found] == ["RDS-EVENT-0042"] * events
