"""The oldest and the newest AWS provider that infra/ is for know all that it gives them and reads of them."""

import pathlib
import re

import provider
import pytest
import schemas

VERSIONS = ">= 5.100, < 7"
# What only version 6 can say is in modules of its own: from the version on whose schema is held here.
ONLY_6 = {"infra/modules/traffic-shift": ">= 6.69, < 7"}
# What is used all the same, with the reason.
DEPRECATED = {"data aws_region: name": "6 calls it `region`, which 5.100 does not know"}


def test_both_providers_know_all_that_is_used():
    found, seen = provider.problems()

    assert [problem for problem in found if "note:" not in problem] == []
    assert {": ".join(re.search(r": (\w+ \w+), .* note: (\S+)", problem).groups()) for problem in found if "note:" in problem} == set(DEPRECATED)
    assert seen > 300


def test_every_module_is_for_both_providers():
    files = [pathlib.Path(file) for file in provider.files()]
    users = {file.parent for file in files if re.search(r'^(resource|data) "aws_', file.read_text(), re.M)}
    wanted = {file: re.findall(r'source  = "hashicorp/aws"\n +version = "(.*)"', file.read_text()) for file in files}

    assert {file.parent for file, versions in wanted.items() if versions} >= users
    others = {str(file.parent.relative_to(provider.MAIN)): versions for file, versions in wanted.items() if versions not in ([], [VERSIONS])}
    assert others == {module: [versions] for module, versions in ONLY_6.items()}


def test_a_module_of_version_6_says_what_5_cannot_and_nothing_needs_it():
    oldest, newest = schemas.providers()
    lacking = {"there is no argument deployment_configuration", "there is no argument load_balancer.advanced_configuration"}

    for module, versions in ONLY_6.items():
        assert versions.startswith(f">= {newest.rsplit('.', 1)[0]},"), "it begins with the version whose schema is held"
        text = (provider.MAIN / module / "main.tf").read_text()
        found, _ = provider.check(module, text, [oldest])
        assert {problem.rsplit(": ", 1)[1] for problem in found} == lacking
        # Whoever used it could not be planned with 5.100.
        users = [file for file in provider.files() if re.search(rf'source += ".*{pathlib.PurePath(module).name}"', pathlib.Path(file).read_text())]
        assert users == []


def test_what_does_not_fit_is_found():
    oldest, newest = schemas.providers()

    def said(text):
        found, _ = provider.check("here", text)
        return " ".join(found).replace(f": {oldest}:", ": 5:").replace(f": {newest}:", ": 6:")

    queue = 'resource "aws_sqs_queue" "this" {\n  for_each = toset(["a"])\n}\n'
    lifecycle = 'resource "aws_s3_bucket_lifecycle_configuration" "this" {\n  bucket = "b"\n  rule {\n    id = "r"\n    status = "Enabled"\n    %s\n  }\n}'
    assert said(queue + 'output "arns" {\n  value = [for one in aws_sqs_queue.this : one.arn]\n}') == ""
    assert said(lifecycle % "filter {}") == ""
    for expected, text in {
            # A type, an argument, a block: one that neither knows, and such as only one knows.
            "aws_sqs_queues, this: 5: there is no such type": 'resource "aws_sqs_queues" "this" {}',
            "aws_sqs_queue, this: 6: there is no argument colour": 'resource "aws_sqs_queue" "this" {\n  colour = "red"\n}',
            "aws_eip, this: 6: there is no argument vpc": 'resource "aws_eip" "this" {\n  vpc = true\n}',
            "aws_ecs_service, this: 5: there is no argument deployment_configuration":
                'resource "aws_ecs_service" "this" {\n  name = "web"\n  deployment_configuration {\n    strategy = "CANARY"\n  }\n}',
            "aws_ecs_service, this: 6: there is no argument load_balancer.colour":
                'resource "aws_ecs_service" "this" {\n  dynamic "load_balancer" {\n    for_each = [1]\n    content {\n      colour = "red"\n    }\n  }\n}',
            "aws, provider: 5: there is no argument default_tags.colour": 'provider "aws" {\n  default_tags {\n    colour = "red"\n  }\n}',
            # How it is written.
            "aws_sqs_queue, this: 6: tags is no block": 'resource "aws_sqs_queue" "this" {\n  tags {\n    a = "b"\n  }\n}',
            "aws_ecs_service, this: 6: alarms is a block": 'resource "aws_ecs_service" "this" {\n  alarms = []\n}',
            "aws_ecs_service, this: 5: alarms is a block": 'resource "aws_ecs_service" "this" {\n  alarms = []\n}',
            # What is required.
            "aws_sqs_queue_policy, this: 5: policy is required": 'resource "aws_sqs_queue_policy" "this" {\n  queue_url = "q"\n}',
            "aws_sqs_queue_policy, this: 6: policy is required": 'resource "aws_sqs_queue_policy" "this" {\n  queue_url = "q"\n}',
            "aws_ecs_service, this: 6: alarms.alarm_names is required":
                'resource "aws_ecs_service" "this" {\n  name = "web"\n  alarms {\n    enable = true\n    rollback = true\n  }\n}',
            # What is read, in each way.
            "aws_region, region: 5: there is no attribute region": 'locals {\n  region = data.aws_region.current.region\n}',
            "aws_sqs_queue, colour: 6: there is no attribute colour": 'locals {\n  a = "${aws_sqs_queue.this["a"].colour} is its colour"\n}',
            "aws_sqs_queue, size: 6: there is no attribute size": 'locals {\n  a = one(values(aws_sqs_queue.this)).size\n}',
            "aws_sqs_queue, weight: 6: there is no attribute weight": 'locals {\n  a = { for key, it in aws_sqs_queue.this : key => it.weight }\n}',
            "aws_sqs_queue, taste: 6: there is no attribute taste":
                'resource "aws_sqs_queue" "that" {\n  for_each = aws_sqs_queue.this\n  name = each.value.taste\n}',
            "aws_sqs_queue, smell: 6: there is no attribute smell":
                'resource "aws_ecs_service" "this" {\n  name = "web"\n  dynamic "alarms" {\n    for_each = aws_sqs_queue.this\n    content {\n'
                '      alarm_names = [alarms.value.smell]\n      enable = true\n      rollback = true\n    }\n  }\n}',
            "aws_db_instance, master_user_secret.name: 6: there is no attribute master_user_secret.name":
                'locals {\n  a = aws_db_instance.this.master_user_secret[0].name\n}',
            "aws_sqs_queue, mood: 6: there is no attribute mood":
                'resource "aws_sqs_queue" "this" {\n  lifecycle {\n    ignore_changes = [mood]\n  }\n}',
            "aws_sqs_queue: what is read of it?": 'output "queues" {\n  value = aws_sqs_queue.this\n}',
            # What goes out of use, and where that is not known.
            "aws_region, name: 6: note: name is deprecated": 'locals {\n  region = data.aws_region.current.name\n}',
            "aws_iam_role, this: 5: note: managed_policy_arns is deprecated":
                'resource "aws_iam_role" "this" {\n  assume_role_policy = "{}"\n  managed_policy_arns = []\n}',
            "6: note: rule.prefix is deprecated (Specify a prefix using 'filter' instead)": lifecycle % 'prefix = "p"',
            "aws_alb, this: 6: nobody says what is deprecated in it": 'resource "aws_alb" "this" {\n  name = "web"\n}'}.items():
        assert expected in said(text), (expected, said(text))


def test_without_the_oldest_provider_it_says_so(tmp_path, monkeypatch):
    (tmp_path / "terraform.rc").write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{tmp_path}"\n  }}\n}}\n')
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "terraform.rc"))
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)

    with pytest.raises(RuntimeError, match="there is no schema of the AWS provider 5.100.0"):
        schemas.schema.__wrapped__()
