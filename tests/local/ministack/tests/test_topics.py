"""An alarm's message arrives where the topic and its key let CloudWatch publish, and is lost elsewhere."""

import json

import pytest
from conftest import until

ALARM = {"Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
         "ComparisonOperator": "GreaterThanThreshold"}
SERVICE = {"Service": "cloudwatch.amazonaws.com"}
OWN = {"StringEquals": {"aws:SourceAccount": "000000000000"}, "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:*"}}
OTHER = {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:111111111111:alarm:*"}}


def policy(action, resource, principal=SERVICE, condition=None):
    return json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, "Condition": condition or {}}]})


@pytest.mark.parametrize("name, condition, arrives", [("own", OWN, True), ("all", None, True), ("other-account", OTHER, False)])
def test_the_topics_policy_is_asked(cloud, name, condition, arrives):
    topic = cloud.client("sns").create_topic(Name=name)["TopicArn"]
    cloud.client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy("sns:Publish", topic, condition=condition))
    assert comes(cloud, name, topic) == arrives


def test_the_key_of_an_encrypted_topic_is_asked(cloud):
    for name, principal, arrives in [("key", SERVICE, True), ("not-the-key", {"Service": "events.amazonaws.com"}, False)]:
        key = cloud.client("kms").create_key(Policy=policy("kms:*", "*", principal))["KeyMetadata"]["KeyId"]
        topic = cloud.client("sns").create_topic(Name=f"encrypted-{name}", Attributes={"KmsMasterKeyId": key})["TopicArn"]
        cloud.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=policy("sns:Publish", topic))
        assert comes(cloud, f"encrypted-{name}", topic) == arrives


def comes(cloud, name, topic) -> bool:
    """Whether the message of an alarm that fires reaches a person. The mail of an open topic, which comes later, ends the wait."""
    open_topic = cloud.client("sns").create_topic(Name=f"{name}-open")["TopicArn"]
    cloud.client("sns").set_topic_attributes(
        TopicArn=open_topic, AttributeName="Policy", AttributeValue=policy("sns:Publish", open_topic))
    for place, address in ((topic, f"{name}@example.com"), (open_topic, f"{name}-open@example.com")):
        cloud.client("sns").subscribe(TopicArn=place, Protocol="email", Endpoint=address)
    cloud.client("cloudwatch").put_metric_alarm(AlarmName=name, AlarmActions=[topic, open_topic], **ALARM)
    cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="now")
    mails = lambda address: [mail for mail in cloud.folder.glob("*.json") if address in mail.read_text()]  # noqa: E731
    until(lambda: mails(f"{name}-open@example.com") or None)
    return bool(mails(f"{name}@example.com"))
