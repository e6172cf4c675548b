"""What Terraform writes of a whole environment is what it reads back, as on AWS."""

import json


def test_a_database_is_there_at_once_with_its_secret_and_all_it_was_given(cloud):
    rds, secrets = cloud.client("rds"), cloud.client("secretsmanager")
    rds.create_db_instance(
        DBInstanceIdentifier="shop", Engine="postgres", DBInstanceClass="db.t3.micro", MasterUsername="postgres",
        ManageMasterUserPassword=True, AllocatedStorage=20, StorageType="gp3", StorageEncrypted=True,
        EnableCloudwatchLogsExports=["postgresql", "upgrade"], PreferredBackupWindow="02:00-03:00")

    shop = rds.describe_db_instances(DBInstanceIdentifier="shop")["DBInstances"][0]
    secret = shop["MasterUserSecret"]["SecretArn"]
    assert shop["DBInstanceStatus"] == "available"
    assert shop["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert shop["PreferredBackupWindow"] == "02:00-03:00"
    assert (shop["Iops"], shop["StorageThroughput"]) == (3000, 125)
    assert set(json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])) == {"username", "password"}

    rds.delete_db_instance(DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    assert not [found for found in secrets.list_secrets()["SecretList"] if found["ARN"] == secret]


def test_a_flow_log_keeps_how_it_writes_and_its_tags(cloud):
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_flow_logs(
        ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogGroupName="flow", MaxAggregationInterval=600,
        DeliverLogsPermissionArn=cloud.role,
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "Name", "Value": "shop"}]}])

    log = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"][0]
    assert (log["MaxAggregationInterval"], log["DeliverLogsPermissionArn"]) == (600, cloud.role)
    assert log["Tags"] == [{"Key": "Name", "Value": "shop"}]


def test_an_alarm_over_several_metrics_is_kept_whole_and_quiet_without_measurements(cloud):
    cloudwatch = cloud.client("cloudwatch")
    queries = [
        {"Id": "result", "Expression": "IF(all > 0, bad / all, 0)", "Label": "failing", "ReturnData": True},
        {"Id": "bad", "ReturnData": False, "MetricStat": {
            "Metric": {"Namespace": "Shop", "MetricName": "Bad", "Dimensions": [{"Name": "Of", "Value": "web"}]},
            "Period": 60, "Stat": "Sum"}},
        {"Id": "all", "ReturnData": False, "MetricStat": {
            "Metric": {"Namespace": "Shop", "MetricName": "All", "Dimensions": []}, "Period": 60, "Stat": "Sum"}}]
    cloudwatch.put_metric_alarm(
        AlarmName="shop-5xx", AlarmDescription="Look at <the log> & the dashboard.", EvaluationPeriods=3, DatapointsToAlarm=2,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
        AlarmActions=["arn:aws:sns:us-east-1:000000000000:shop"], Metrics=queries)

    alarm = cloudwatch.describe_alarms(AlarmNames=["shop-5xx"])["MetricAlarms"][0]
    assert alarm["Metrics"] == queries
    assert (alarm["AlarmDescription"], alarm["StateValue"]) == ("Look at <the log> & the dashboard.", "OK")
    assert alarm["AlarmActions"] == ["arn:aws:sns:us-east-1:000000000000:shop"] and "MetricName" not in alarm


def test_scaling_is_kept_until_it_is_taken_away(cloud):
    scaling = cloud.client("application-autoscaling")
    of = {"ServiceNamespace": "ecs", "ResourceId": "service/shop/web", "ScalableDimension": "ecs:service:DesiredCount"}
    scaling.register_scalable_target(**of, MinCapacity=2, MaxCapacity=6, Tags={"of": "shop"})
    scaling.put_scaling_policy(
        **of, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 60.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}})

    target = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=["service/shop/web"])["ScalableTargets"][0]
    policy = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId="service/shop/web")["ScalingPolicies"][0]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
    assert scaling.list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])["Tags"] == {"of": "shop"}
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 60

    scaling.deregister_scalable_target(**of)
    assert scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"] == []
