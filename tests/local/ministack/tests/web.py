"""A service behind a load balancer, with two target groups, a production and a test rule, and a role: what ECS shifts traffic with."""

import datetime
import itertools
import json
import pathlib
import sys
import urllib.error
import urllib.request

from engine import PORT
from patience import until

# AWS's models judge the answers here as they judge those of whole runs.
sys.path.append(str(pathlib.Path(__file__).parents[3] / "opinions"))
import models  # noqa: E402

CLUSTER = "shifts"
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
MAY_SHIFT = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["elasticloadbalancing:*", "lambda:InvokeFunction"], "Resource": "*"}]}
DIGEST = "sha256:" + "1" * 64


def role(cloud, name, policy=MAY_SHIFT, trust=TRUST):
    arn = cloud.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if policy:
        cloud.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    return arn


def pause(*stages, **timeout):
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), **({"timeoutConfiguration": timeout} if timeout else {})}


def judged(cloud):
    """A client of ECS, and what AWS's model of it says against the answers that it got."""
    client, against = cloud.client("ecs"), []

    def judge(response_dict, operation_model, **_):
        value, status = json.loads(response_dict["body"] or b"{}"), response_dict["status_code"]
        said = models.said_of_output(value, operation_model, "json") if status < 300 else models.of_error(
            value.pop("__type", None), value, status, operation_model, "json")
        against.extend(f"{operation_model.name}: {one}" for one in said)

    client.meta.events.register("before-parse.ecs", judge)
    return client, against


class Web:
    """The service, on a load balancer of its own."""

    numbers = itertools.count(1)

    def __init__(self, cloud, engine, test_rule=True, **create):
        self.cloud, self.engine, self.name = cloud, engine, f"web-{next(self.numbers)}"
        (self.ecs, self.against), self.elb, name = judged(cloud), cloud.client("elbv2"), self.name
        self.ecs.create_cluster(clusterName=CLUSTER)
        self.balancer = self.elb.create_load_balancer(Name=name, Subnets=["subnet-1", "subnet-2"])["LoadBalancers"][0]["LoadBalancerArn"]
        listener = self.elb.create_listener(LoadBalancerArn=self.balancer, Protocol="HTTP", Port=80, DefaultActions=[
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}])["Listeners"][0]["ListenerArn"]
        self.groups = [self.elb.create_target_group(
            Name=f"{name}-{side}", Protocol="HTTP", Port=PORT, TargetType="ip", VpcId="vpc-1", UnhealthyThresholdCount=2)["TargetGroups"][0]["TargetGroupArn"]
            for side in ("first", "other")]
        self.rules = {path: self.elb.create_rule(
            ListenerArn=listener, Priority=number, Conditions=[{"Field": "path-pattern", "Values": [f"/{path}*"]}],
            Actions=self.forward(100, 0))["Rules"][0]["RuleArn"] for number, path in enumerate(("production", "test"), 1)}
        self.role = role(cloud, f"{name}-shifts")
        self.advanced = {"alternateTargetGroupArn": self.groups[1], "productionListenerRule": self.rules["production"], "roleArn": self.role}
        if test_rule:
            self.advanced["testListenerRule"] = self.rules["test"]
        self.create = {"cluster": CLUSTER, "serviceName": name, "desiredCount": 1, "launchType": "FARGATE", "loadBalancers": [{
            "targetGroupArn": self.groups[0], "containerName": "web", "containerPort": PORT, "advancedConfiguration": self.advanced}], **create}

    def forward(self, *weights):
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": group, "Weight": weight} for group, weight in zip(self.groups, weights)]}}]

    def revision(self, version, **environment):
        variables = [{"name": name, "value": value} for name, value in {"VERSION": version, **environment}.items()]
        return self.ecs.register_task_definition(family=self.name, networkMode="awsvpc", containerDefinitions=[
            {"name": "web", "image": f"web@{DIGEST}", "environment": variables}])["taskDefinition"]["taskDefinitionArn"]

    def made(self, version="v1", **configuration):
        """Makes the service, and waits until its first deployment has ended."""
        self.ecs.create_service(taskDefinition=self.revision(version), deploymentConfiguration=configuration, **self.create)
        self.until("SUCCESSFUL")
        until(lambda: True if self.ask() == version else None)
        self.engine.requests.clear()
        return self

    def remove(self):
        """Takes the service away, so that nothing checks its tasks any more."""
        if self.ecs.describe_services(cluster=CLUSTER, services=[self.name])["services"]:
            self.ecs.delete_service(cluster=CLUSTER, service=self.name, force=True)

    def deploy(self, version, environment=None, **configuration):
        """Begins a deployment, and answers its ARN."""
        before = self.newest()["serviceDeploymentArn"]
        given = {"deploymentConfiguration": configuration} if configuration else {}
        self.ecs.update_service(cluster=CLUSTER, service=self.name, taskDefinition=self.revision(version, **(environment or {})), **given)
        newest = self.newest()["serviceDeploymentArn"]
        assert newest != before
        return newest

    def listed(self, **filters):
        return self.ecs.list_service_deployments(cluster=CLUSTER, service=self.name, **filters)["serviceDeployments"]

    def newest(self):
        return self.listed()[0]

    def shown(self, arn=None):
        arn = arn or self.newest()["serviceDeploymentArn"]
        return self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]

    def service(self):
        return self.ecs.describe_services(cluster=CLUSTER, services=[self.name])["services"][0]

    def until(self, *statuses, arn=None, patience=60):
        return until(lambda: found if (found := self.shown(arn))["status"] in statuses else None, patience)

    def until_paused(self, arn=None, other_than=None):
        """The hook that holds a deployment, once there is one."""
        def look():
            hooks = [hook for hook in self.shown(arn).get("lifecycleHookDetails", []) if hook["status"] == "AWAITING_ACTION"]
            return hooks[0] if hooks and hooks[0]["hookId"] != other_than else None
        return until(look, 30)

    def go_on(self, hook, action="CONTINUE", arn=None):
        arn = arn or self.newest()["serviceDeploymentArn"]
        return self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook["hookId"], action=action)

    def followed(self, arn, *fields):
        """What a deployment was seen to go through until its end, each of it once in a row."""
        seen = []

        def look():
            shown = self.shown(arn)
            now = tuple(field(shown) for field in fields) if len(fields) > 1 else fields[0](shown)
            if not seen or seen[-1] != now:
                seen.append(now)
            return True if shown["status"] not in ("PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS") else None
        until(look, 60)
        return seen

    def ask(self, path="production"):
        """The version that answers, or the status."""
        request = urllib.request.Request(f"{self.cloud.endpoint}/{path}", headers={"Host": f"{self.name}.alb.localhost"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code

    def weights(self, path="production"):
        action = self.elb.describe_rules(RuleArns=[self.rules[path]])["Rules"][0]["Actions"][0]
        return [one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]
                ] if action["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"] == self.groups[0] else [
            one["Weight"] for one in reversed(action["ForwardConfig"]["TargetGroups"])]

    def counted(self, group=None):
        """How many requests the load balancer sent to a target group, or to all of them."""
        dimensions = [{"Name": "LoadBalancer", "Value": self.balancer.split(":loadbalancer/")[1]}]
        if group:
            dimensions.append({"Name": "TargetGroup", "Value": group.rsplit(":", 1)[1]})
        now = datetime.datetime.now(datetime.timezone.utc)
        points = self.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApplicationELB", MetricName="RequestCount", Dimensions=dimensions, Statistics=["Sum"], Period=3600,
            StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(minutes=1))["Datapoints"]
        return sum(point["Sum"] for point in points)

    def targets(self):
        return [len(self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]) for group in self.groups]


def production(shown):
    return shown["targetServiceRevision"].get("requestedProductionTrafficWeight")


def alarm(cloud, name, state):
    """Has an alarm in a state, and answers what a deployment says to watch it."""
    client = cloud.client("cloudwatch")
    client.put_metric_alarm(AlarmName=name, MetricName="Errors", Namespace="Web", Statistic="Sum", Period=60, EvaluationPeriods=1,
                            Threshold=1, ComparisonOperator="GreaterThanThreshold")
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
    return {"alarmNames": [name], "enable": True, "rollback": True}
