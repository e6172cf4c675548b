"""Rules that hold for every resource of every module, which a test of one module cannot see."""

import pathlib
import re

INFRA = pathlib.Path(__file__).resolve().parents[1]
MODULES = sorted(folder for folder in (INFRA / "modules").iterdir() if folder.is_dir())
BLOCK = re.compile(r'^(?:resource|data) "(\w+)" "(\w+)" \{\n(.*?)^\}', re.S | re.M)

# The door of a public application, the way out over NAT gateways, and the two routes that lead to these.
TO_EVERYONE = {
    "aws_vpc_security_group_ingress_rule.load_balancer_from_internet",
    "aws_vpc_security_group_egress_rule.tasks_to_internet",
    "aws_route.internet",
    "aws_route.nat",
}


def blocks():
    for file in sorted(INFRA.rglob("*.tf")):
        if ".terraform" not in file.parts:
            for kind, name, body in BLOCK.findall(file.read_text()):
                yield f"{kind}.{name}", body, file.relative_to(INFRA)


def test_only_the_load_balancer_is_open_to_everyone():
    assert {name for name, body, _ in blocks() if re.search(r"0\.0\.0\.0/0|::/0", body)} <= TO_EVERYONE


def test_every_log_has_an_end():
    without = [f"{file}: {name}" for name, body, file in blocks()
               if name.startswith("aws_cloudwatch_log_group.") and "retention_in_days = var.log_retention_days" not in body]
    assert not without


def test_every_alarm_has_an_action():
    without = [f"{file}: {name}" for name, body, file in blocks()
               if re.match(r"aws_cloudwatch_(metric|composite)_alarm\.", name)
               and not re.search(r"alarm_actions\s+= \[var\.topic_arn\]", body)]
    assert not without


def test_every_group_and_rule_says_what_it_is_for():
    without = [f"{file}: {name}" for name, body, file in blocks()
               if re.match(r"aws_(vpc_security_group_\w+_rule|security_group)\.", name) and "description" not in body]
    assert not without


def test_no_statement_allows_every_action():
    # Deny and a key's own default may say all.
    wild = [f"{file}: {name}" for name, body, file in blocks() for statement in re.split(r"\n  statement \{", body)
            if re.search(r'actions\s+= \["[^"]*\*"\]', statement) and "Deny" not in statement
            and "LetTheAccountsPoliciesDecide" not in statement and "kms:GenerateDataKey*" not in statement]
    assert not wild


def test_no_arn_is_of_one_partition_alone():
    # GovCloud and China have others. What people read may show one as an example.
    alone = [f"{file.relative_to(INFRA)}: {line.strip()}" for file in INFRA.rglob("*.tf") if ".terraform" not in file.parts
             for line in file.read_text().splitlines()
             if "arn:aws:" in line and not re.match(r"\s*(description|error_message)\s+=|\s*#", line)]
    assert not alone


def test_every_exception_from_checkov_has_a_reason():
    without = [f"{file.relative_to(INFRA)}: {line.strip()}" for file in INFRA.rglob("*.tf") if ".terraform" not in file.parts
               for line in file.read_text().splitlines()
               if "checkov:skip" in line and not re.search(r"checkov:skip=CKV2?_AWS_\d+:.{8,}", line)]
    assert not without


def test_every_module_has_its_five_files():
    for module in MODULES:
        assert {"README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf"} <= {file.name for file in module.iterdir()}, module
