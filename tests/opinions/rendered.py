"""What Slipway's Terraform says for given applications, without a provider: the locals of the modules deployer and applications are copied into a
root of their own, in which each resource is a stub with the name that it would have, and `terraform console` evaluates them.

    resolve(fleet(applications=3, stages=2, services=1))["statements"]["deploy-services"]
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile

MAIN = pathlib.Path(__file__).resolve().parents[2]
INFRA = MAIN / "infra"
ACCOUNT, REGION, NAME = "111122223333", "eu-central-1", "slipway"

# Resources and data sources, as the locals name them.
STUBS = [
    (r"data\.aws_partition\.current\.partition", '"aws"'),
    (r"data\.aws_region\.current\.(name|region)", f'"{REGION}"'),
    (r"data\.aws_caller_identity\.current\.account_id", f'"{ACCOUNT}"'),
    (r"aws_dynamodb_table\.this\.stream_arn", f'"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{NAME}/stream/2026-01-01T00:00:00.000"'),
    (r"aws_dynamodb_table\.this\.arn", f'"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{NAME}"'),
    (r"aws_kms_key\.messages\.arn", f'"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"'),
    (r"aws_sns_topic\.(\w+)\.arn", rf'"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-\1"'),
    (r"local\.reconcile_minutes", "5"),
    (r"module\.approval\.topic_arn", f'"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-approvals"'),
    (r"module\.(console|operators)\.url", '"https://klmnopqrst.execute-api.eu-central-1.amazonaws.com"'),
    (r"module\.operators\.execution_arn", f'"arn:aws:execute-api:{REGION}:{ACCOUNT}:klmnopqrst"'),
    (r"module\.approval\.url", '"https://abcdefghij.execute-api.eu-central-1.amazonaws.com"'),
]


def locals_of(file):
    """Every locals block of a file, with the stubs in it."""
    text = file.read_text()
    blocks = re.findall(r"^locals \{\n.*?^\}", text, re.S | re.M)
    joined = "\n".join(blocks)
    for pattern, replacement in STUBS:
        joined = re.sub(pattern, replacement, joined)
    joined = joined.replace("path.module", json.dumps(str(file.parent)))
    joined = joined.replace("var.name", f'"{NAME}"').replace("var.approval_concurrency", "50").replace("var.console_concurrency", "50").replace("var.mails_per_minute", "30").replace("var.session_roles", '["AWSReservedSSO_*"]')
    return joined.replace("var.task_role_arns", "local.task_role_arns_given")


def fleet(applications, stages=2, services=1, rich=True, name=lambda i: f"app-{i:03}", databases=False, workers=0, clusters=lambda app, stage: stage):
    """Applications as people write them. `rich`: with an approval, a bake, a snapshot and a migration where they usually are."""
    made = {}
    for i in range(applications):
        app = name(i)
        made[app] = {"repository": app, "tags": ["v*"], "stages": []}
        for s in range(stages):
            stage_name = ["staging", "production", "third", "fourth"][s] if stages <= 2 else ["testing", "staging", "production", "fourth"][s]
            cluster = clusters(app, stage_name)
            names = [app if k == 0 else f"{app}-{k}" for k in range(services)]
            stage = {"name": stage_name, "cluster": cluster, "services": [
                {"service": n, "steady": {"for": "30s", "command": ["check"]}} if services - k <= workers else {"service": n, "health": {"path": "/health"}}
                for k, n in enumerate(names)]}
            if rich and s == stages - 1:
                stage["approval"] = {"approvers": [f"ana@{app}.example.com", f"bo@{app}.example.com"], "expires_after": "24h", "remind_before": "4h"}
                stage["bake"] = {"for": "15m", "alarms": [f"{n}-{stage_name}-{kind}" for n in names for kind in ("5xx", "latency")]}
            if rich and databases:
                stage["snapshot"] = {"database": f"{app}-{stage_name}"}
                stage["migration"] = {"service": names[0], "command": ["migrate"]}
            made[app]["stages"].append(stage)
    return made


EXPRESSIONS = {
    "statements": "local.rights",
    "rules": "{for name, rule in local.rules : name => rule.pattern}",
    "environments": "{for name, function in local.functions : name => merge({ SLIPWAY_TABLE = local.state_machine_name, RUST_LOG = \"info\" }, lookup(local.environments, name, {}))}",
    "configurations": "local.configurations",
}


def resolve(applications, only=None):
    deployer = INFRA / "modules/deployer"
    root = ["variable \"applications\" {\n  type = any\n}", f'module "applications" {{\n  source = "{INFRA}/modules/applications"\n  applications = var.applications\n}}']
    for file in ("main.tf", "events.tf", "functions.tf"):
        root.append(locals_of(deployer / file))
    # As the root names the path of the roles (infra/main.tf).
    root.append(f'locals {{\n  task_role_arns_given = ["arn:aws:iam::{ACCOUNT}:role/{NAME}/*"]\n}}')
    wanted = {k: v for k, v in EXPRESSIONS.items() if only is None or k in only}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as folder:
        folder = pathlib.Path(folder)
        (folder / "main.tf").write_text("\n\n".join(root))
        (folder / "a.auto.tfvars.json").write_text(json.dumps({"applications": applications}))
        environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(folder / "rc"), "CHECKPOINT_DISABLE": "1"}
        (folder / "rc").write_text("")
        run = lambda *command, given=None: subprocess.run([os.environ.get("TERRAFORM", "terraform"), *command], cwd=folder, env=environment, input=given, capture_output=True, text=True)
        made = run("init", "-no-color")
        if made.returncode:
            raise SystemExit(made.stdout + made.stderr)
        expression = "jsonencode({" + ", ".join(f"{k} = {v}" for k, v in wanted.items()) + "})"
        answer = run("console", "-no-color", given=expression.replace("\n", " ") + "\n")
        if answer.returncode or not answer.stdout.strip().startswith('"'):
            raise SystemExit(answer.stdout[:3000] + answer.stderr[:3000])
        return json.loads(json.loads(answer.stdout))


def policy(name, statements):
    """The policy that Terraform writes for a function, with the statements that modules/function adds itself."""
    own = [
        {"sid": "WriteLogs", "actions": ["logs:CreateLogStream", "logs:PutLogEvents"], "resources": [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{NAME}-{name}:*"]},
        {"sid": "KeepDeadLetters", "actions": ["sqs:SendMessage"], "resources": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}-{name}-dead-letters"]},
    ]

    def one(values):
        values = sorted(set(values))
        return values[0] if len(values) == 1 else values

    made = []
    for statement in own + statements:
        conditions = {}
        for condition in statement.get("conditions") or []:
            conditions.setdefault(condition["test"], {})[condition["variable"]] = one(condition["values"])
        made.append({"Sid": statement["sid"], "Effect": "Allow", "Action": one(statement["actions"]), "Resource": one(statement["resources"]),
                     **({"Condition": conditions} if conditions else {})})
    return {"Version": "2012-10-17", "Statement": made}
