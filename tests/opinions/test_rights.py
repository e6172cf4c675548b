"""Each right is one that code uses, and each call of the code has its right: of every function, and of whatever else has a policy."""

import re

import hcl2
import pytest

import calls
from permissions import unquote
from rendered import INFRA, fleet, resolve

# Rights that an operation takes besides the one of its name, with who says so.
ALONG = {
    # "Identity-based policy examples", Amazon ECS developer guide: tags at creation, and roles that are passed on.
    "ecs:TagResource": {"ecs:registertaskdefinition", "ecs:runtask"},
    "iam:PassRole": {"ecs:registertaskdefinition", "ecs:runtask"},
    # "Tagging Amazon RDS resources", Amazon RDS user guide: tags at creation.
    "rds:AddTagsToResource": {"rds:createdbclustersnapshot", "rds:createdbsnapshot"},
    # "Configuring AWS KMS permissions", Amazon SNS developer guide: who publishes to an encrypted topic.
    "kms:Decrypt": {"sns:publish"}, "kms:GenerateDataKey": {"sns:publish"},
    # "Enhanced scanning", Amazon ECR user guide: ECR asks Inspector for whoever asks it.
    "inspector2:ListCoverage": {"ecr:describeimagescanfindings"}, "inspector2:ListFindings": {"ecr:describeimagescanfindings"},
}
# Lambda reads the table's stream as the function that it invokes with it ("Using AWS Lambda with Amazon DynamoDB", execution role permissions).
OF_THE_STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}

# Every other policy, and what uses each of its rights: a service of AWS, as its guide says.
OTHERS = {
    # A principal is let in to be this role.
    **{policy: {"sts:AssumeRole"} for policy in (
        "deployer/schedule_trust", "deployer/workflow_trust", "function/trust", "network/flow_logs_trust", "notifications/chat_trust",
        "notifications/webhook_trust", "service/infrastructure_trust", "service/trust", "traffic-shift/trust")},
    "github-oidc/trust": {"sts:AssumeRoleWithWebIdentity"},
    # "Control access for invoking an API", Amazon API Gateway developer guide; `slipway` finds the address in SSM.
    "operators/read": {"execute-api:Invoke", "ssm:GetParameter"}, "operators/act": {"execute-api:Invoke", "ssm:GetParameter"},
    # What nobody but who applies this may do.
    "approval/topic": {"sns:Subscribe"},
    # Lambda writes what a function logs, and keeps the events that it could not do.
    "function/this": {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"},
    # "Logging to CloudWatch Logs", AWS Step Functions developer guide; the invocations are the workflow's tasks.
    "deployer/workflow": {
        "lambda:InvokeFunction", "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery"},
    # The schedule's target and its dead-letter queue; those of the rules; the webhook's.
    "deployer/schedule": {"lambda:InvokeFunction", "sqs:SendMessage"}, "deployer/rule_dead_letters": {"sqs:SendMessage"},
    "notifications/dead_letters": {"sqs:SendMessage"}, "notifications/webhook": {"events:InvokeApiDestination"},
    # KMS's default, and alarms that publish to the encrypted topic ("Amazon SNS: encrypted topics", Amazon CloudWatch user guide).
    "deployer/key": {"kms:*", "kms:Decrypt", "kms:GenerateDataKey*"}, "deployer/notifications": {"sns:Publish"}, "state-backend/key": {"kms:*"},
    # Refused without TLS; where load balancers write their logs.
    "state-backend/this": {"s3:*"}, "access-logs/this": {"s3:*", "s3:PutObject"},
    # "IAM permissions for pushing an image", Amazon ECR user guide.
    "github-oidc/push": {
        "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetAuthorizationToken", "ecr:InitiateLayerUpload",
        "ecr:PutImage", "ecr:UploadLayerPart"},
    # "Amazon ECS task execution IAM role": pulling, logs, secrets.
    "service/execution": {
        "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer", "kms:Decrypt",
        "logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue"},
    # "IAM role for publishing flow logs", Amazon VPC user guide.
    "network/flow_logs": {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
}


def unfit(function, granted, called):
    """The rights of a function that nothing uses, and the calls that it has no right for."""
    by_name = {action.lower(): action for action in granted}
    for action in sorted(granted):
        stream = function == "resume-release" and action in OF_THE_STREAM
        if not stream and action.lower() not in called and not ALONG.get(action, set()) & called:
            yield f"{function}: nothing uses {action}"
    for operation in sorted(called - set(by_name)):
        yield f"{function}: {operation} is called without the right"
    for action, operations in ALONG.items():
        if operations & called and action not in granted:
            yield f"{function}: {', '.join(sorted(operations & called))} takes {action} besides"
    if function == "resume-release" and not OF_THE_STREAM <= set(granted):
        yield f"{function}: the stream cannot be read"


def everything():
    """Two applications that have all there is, so that every statement is there."""
    applications = fleet(2, stages=2, services=2, databases=True, workers=1)
    applications["app-001"]["stages"][1]["snapshot"] = {"cluster": "aurora"}
    return applications


@pytest.fixture(scope="module")
def rights():
    statements = resolve(everything(), only={"statements"})["statements"]
    return {function: {action for statement in of_it for action in statement["actions"]} for function, of_it in statements.items()}


def test_every_right_of_a_function_is_used_and_every_call_has_one(rights):
    called = calls.called()

    assert set(rights) == set(called)
    assert [problem for function in rights for problem in unfit(function, rights[function], called[function])] == []
    assert sum(map(len, rights.values())) > 150


def test_every_operation_of_the_code_is_some_functions():
    # A method that no function reaches would be code without a use, and the reading of the source would have lost its way.
    offered = set().union(*(operations for _, operations in calls.methods().values()))
    called = set().union(*calls.called().values())
    # What `slipway init` asks with a person's own rights stands in the policy that it prints.
    policy = (INFRA.parent / "cli/src/commands/init/policy.rs").read_text()
    asked = {action.lower() for action in re.findall(r'^    "(\w+:\w+)",$', policy, re.M)}

    assert called - offered == set()
    assert offered - called - asked == set()
    assert len(asked) == 15 and len(offered & asked) > 10
    assert len(called) > 35


def test_what_else_has_a_policy_has_the_rights_that_its_guide_names():
    found = {}
    for file in sorted((INFRA / "modules").rglob("*.tf")):
        for block in hcl2.loads(file.read_text()).get("data", []):
            for name, body in block.get('"aws_iam_policy_document"', block.get("aws_iam_policy_document", {})).items():
                statements = body.get("statement", []) + [one for dynamic in body.get("dynamic", []) for it in dynamic.values() for one in it["content"]]
                actions = {unquote(action) for one in statements if isinstance(one.get("actions"), list) for action in one["actions"]}
                found[f"{file.parent.name}/{unquote(name)}"] = actions

    assert found == OTHERS


def test_no_policy_is_written_elsewhere_and_no_other_is_attached():
    text = "\n".join(file.read_text() for file in sorted(INFRA.rglob("*.tf")) if ".terraform" not in file.parts)

    assert set(re.findall(r'policy/(?:service-role/)?(\w+)"', text)) == {"AmazonECSInfrastructureRolePolicyForLoadBalancers", "AWSDenyAll"}
    # Of the service on either version of the provider.
    assert len(re.findall(r'^resource "aws_iam_\w*policy_attachment"', text, re.M)) == 2
    # An image repository's policy says which images go, and a policy of scaling how many tasks run.
    assert set(re.findall(r"^ *policy\s+= jsonencode", text, re.M)) <= {"  policy = jsonencode"}
    assert len(re.findall(r"^ *(?:assume_role_)?policy\s+= (?!data\.aws_iam_policy_document\.)", text, re.M)) == 1


@pytest.mark.parametrize("granted, called, said", [
    ({"ecs:UpdateService"}, set(), "nothing uses ecs:UpdateService"),
    ({"iam:PassRole"}, {"ecs:updateservice"}, "nothing uses iam:PassRole"),
    (set(), {"ecs:updateservice"}, "ecs:updateservice is called without the right"),
    ({"sns:Publish", "kms:Decrypt"}, {"sns:publish"}, "sns:publish takes kms:GenerateDataKey besides"),
    (OF_THE_STREAM, set(), "nothing uses dynamodb:GetRecords")])
def test_a_right_too_many_and_one_too_few_are_found(granted, called, said):
    assert any(said in problem for problem in unfit("some-function", granted, called))


@pytest.mark.parametrize("text, expected", [
    ("aws.ecs().services(cluster, &names).await?", {("Ecs", "services")}), ("let ecs = aws.ecs();\necs.stop(a, b)", {("Ecs", "stop")}),
    ("let (ecs, all) = (aws.ecs(), aws.alarms());\nall.read(x)", {("Alarms", "read")}), ("table.get::<View>(&Key::view(&token_hash(token)))", {("Table", "get")}),
    ("aws.table(&config.table)\n    .clone()\n    .warm_up()", {("Table", "warm_up")}), ("tokens.get(3); service.update(4)", set())])
def test_a_call_is_known_by_what_it_is_called_on(text, expected):
    assert calls.of_aws(text) == expected
