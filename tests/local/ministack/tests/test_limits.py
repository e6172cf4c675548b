"""What AWS refuses for its size is refused."""

import json

import botocore.exceptions
import pytest


def policy(characters):
    """A policy of so many characters, white space not counted, beside much of that."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::"}]}
    document["Statement"][0]["Resource"] += "x" * (characters - len(json.dumps(document, separators=(",", ":"))))
    return json.dumps(document, indent=8)


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


def test_the_inline_policies_of_a_role_have_10240_characters_together(cloud):
    put = lambda name, characters: cloud.iam.put_role_policy(  # noqa: E731
        RoleName="may-not", PolicyName=name, PolicyDocument=policy(characters))
    put("one", 6_000)
    put("two", 4_240)
    put("two", 4_240)

    assert "10240 bytes exceeded for role may-not" in refused("LimitExceeded", put, name="two", characters=4_241)
    refused("LimitExceeded", put, name="three", characters=200)
    for name in ("one", "two"):
        cloud.iam.delete_role_policy(RoleName="may-not", PolicyName=name)


def test_a_managed_policy_has_6144_characters(cloud):
    arn = cloud.iam.create_policy(PolicyName="large", PolicyDocument=policy(6_144))["Policy"]["Arn"]

    refused("LimitExceeded", cloud.iam.create_policy, PolicyName="larger", PolicyDocument=policy(6_145))
    refused("LimitExceeded", cloud.iam.create_policy_version, PolicyArn=arn, PolicyDocument=policy(6_145))


def test_an_event_pattern_has_2048_characters(cloud):
    events = cloud.client("events")
    pattern = lambda characters: json.dumps({"source": ["x" * (characters - len(json.dumps({"source": [""]})))]})  # noqa: E731
    events.put_rule(Name="long", EventPattern=pattern(2_048))

    refused("LimitExceededException", events.put_rule, Name="longer", EventPattern=pattern(2_049))


def test_the_environment_of_a_function_has_4_kib(cloud):
    functions = cloud.client("lambda")
    names = len(json.dumps({"A": ""}, separators=(",", ":")))
    variables = lambda characters: {"Variables": {"A": "x" * (characters - names)}}  # noqa: E731
    functions.update_function_configuration(FunctionName="echo", Environment=variables(4_096))

    message = refused("InvalidParameterValueException", functions.update_function_configuration, FunctionName="echo",
                      Environment=variables(4_097))
    assert "exceeded the 4KB limit" in message
    with pytest.raises(botocore.exceptions.ClientError, match="4KB"):
        cloud.deploy("another", "", A="x" * 4_096)
    functions.update_function_configuration(FunctionName="echo", Environment={"Variables": {}})


def test_a_topic_has_200_filter_policies(cloud):
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="filtered")["TopicArn"]
    subscribe = lambda number, **attributes: sns.subscribe(  # noqa: E731
        TopicArn=topic, Protocol="email", Endpoint=f"person-{number}@example.com", Attributes=attributes,
        ReturnSubscriptionArn=True)["SubscriptionArn"]
    filters = json.dumps({"approver": ["one"]})
    subscriptions = [subscribe(number, FilterPolicy=filters) for number in range(200)]

    refused("FilterPolicyLimitExceeded", subscribe, number=200, FilterPolicy=filters)
    without = subscribe(201)
    refused("FilterPolicyLimitExceeded", sns.set_subscription_attributes, SubscriptionArn=without, AttributeName="FilterPolicy",
            AttributeValue=filters)
    sns.set_subscription_attributes(SubscriptionArn=subscriptions[0], AttributeName="FilterPolicy", AttributeValue=filters)


@pytest.mark.parametrize("subject, taken", [
    ("Approve web v1 for production?", True), ("x" * 99, True), ("x" * 100, False), ("two\nlines", False), ("Größe", False), (" a space", False)])
def test_a_subject_is_one_short_line_of_ascii(cloud, subject, taken):
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="subjects")["TopicArn"]
    if taken:
        sns.publish(TopicArn=topic, Subject=subject, Message="x")
    else:
        assert "Subject" in refused("InvalidParameter", sns.publish, TopicArn=topic, Subject=subject, Message="x")
