"""AWS's reference of permissions knows every statement as it is written."""

import permissions

# What could name a resource and names none, with the reason.
WITHOUT_A_RESOURCE = {
    "cloudwatch:DescribeAlarms": "CloudWatch leaves composite alarms out where less than all is allowed",
    "cloudwatch:DescribeAlarmHistory": "as above",
    "ecs:RegisterTaskDefinition": "the reference names the family, its own minimal policies and every denial name none",
    "ecs:ListTasks": "it would be the clusters by a condition, a list that grows with the applications",
    "rds:DescribeDBClusterSnapshots": "one is asked for like all", "rds:DescribeDBClusters": "as above",
    "rds:DescribeDBInstances": "as above", "rds:DescribeDBSnapshots": "as above",
    "sns:GetSubscriptionAttributes": "a call names the subscription, which is no resource, and not its topic",
    # In a policy of a resource or of trust `*` is the resource itself.
    "kms:Decrypt": "a key's own policy", "sts:AssumeRole": "a role's own policy", "sts:AssumeRoleWithWebIdentity": "a role's own policy"}


def test_every_statement_is_one_that_aws_knows():
    found, seen = permissions.problems()

    assert [problem for problem in found if "note:" not in problem] == []
    assert {problem.split("note: ")[1].split(" ")[0] for problem in found if "note:" in problem} == set(WITHOUT_A_RESOURCE)
    assert seen > 150


def test_what_does_not_fit_is_found():
    service = "arn:aws:ecs:eu-central-1:111122223333:service/staging/web"

    def said(actions, resources, **more):
        statement = {"actions": actions, "resources": resources, **more}
        return " ".join(permissions.check("here", statement, [(actions, resources)]))

    assert said(["ecs:UpdateService"], [service]) == ""
    for expected, arguments in {
            "there is no action ecs:UpdateServices": (["ecs:UpdateServices"], [service]),
            "ecs:updateService is written UpdateService": (["ecs:updateService"], [service]),
            "has no resources, so it allows nothing": (["ecs:DescribeTaskDefinition"], [service]),
            "takes no resource like": (["ecs:UpdateService"], ["arn:aws:ecs:eu-central-1:111122223333:cluster/staging"]),
            "also needs the resource service": (["ecs:StopServiceDeployment"], [service.replace(":service/", ":service-deployment/") + "/*"])}.items():
        assert expected in said(*arguments), (expected, said(*arguments))
    unknown = [{"test": "StringEquals", "variable": "ecs:colour", "values": ["red"]}]
    assert "does not know the condition key ecs:colour" in said(["ecs:UpdateService"], [service], conditions=unknown)
