"""Rules that forward to several target groups by weight."""

import collections
import urllib.request

import pytest
from servers import serving


@pytest.fixture(scope="module")
def balancer(cloud):
    elb = cloud.client("elbv2")
    arn = elb.create_load_balancer(Name="weighted", Subnets=["subnet-1", "subnet-2"])["LoadBalancers"][0]["LoadBalancerArn"]
    groups = [elb.create_target_group(Name=f"weighted-{name}", Protocol="HTTP", Port=80, TargetType="ip", VpcId="vpc-1")["TargetGroups"][0]["TargetGroupArn"]
              for name in ("first", "second")]
    listener = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[
        {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Listeners"][0]["ListenerArn"]
    return elb, groups, listener


def forward(groups, *weights):
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
        {"TargetGroupArn": group, "Weight": weight} for group, weight in zip(groups, weights)]}}]


def asked(cloud, path, times):
    """How often which server answered, or with which status."""
    answers = collections.Counter()
    for _ in range(times):
        request = urllib.request.Request(f"{cloud.endpoint}{path}", headers={"Host": "weighted.alb.localhost"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                answers[answer.read().decode()] += 1
        except urllib.error.HTTPError as error:
            answers[error.code] += 1
    return answers


def test_requests_follow_the_weights_of_a_rule(cloud, balancer):
    elb, groups, listener = balancer
    with serving("one") as first, serving("two") as second:
        for group, port in zip(groups, (first, second)):
            elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
        rule = elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/w*"]}],
                               Actions=forward(groups, 100, 0))["Rules"][0]["RuleArn"]
        shown = lambda: elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]  # noqa: E731

        assert asked(cloud, "/w", 20) == {"one": 20}
        assert "TargetGroupArn" not in shown()
        assert [one["Weight"] for one in shown()["ForwardConfig"]["TargetGroups"]] == [100, 0]
        elb.modify_rule(RuleArn=rule, Actions=forward(groups, 30, 70))
        shares = asked(cloud, "/w", 300)
        assert shares["one"] + shares["two"] == 300
        assert 45 < shares["one"] < 145, shares
        elb.modify_rule(RuleArn=rule, Actions=forward(groups, 0, 0))
        assert asked(cloud, "/w", 3) == {503: 3}


def test_a_group_without_targets_gets_its_share_all_the_same(cloud, balancer):
    elb, groups, listener = balancer
    empty = elb.create_target_group(Name="weighted-empty", Protocol="HTTP", Port=80, TargetType="ip", VpcId="vpc-1")["TargetGroups"][0]["TargetGroupArn"]
    elb.create_rule(ListenerArn=listener, Priority=2, Conditions=[{"Field": "path-pattern", "Values": ["/e*"]}], Actions=forward([empty, groups[0]], 1, 0))

    assert asked(cloud, "/e", 3) == {503: 3}
