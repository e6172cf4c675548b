"""What `modules/traffic-shift` takes of a test rule. The module itself needs version 6 of the provider; its variables need none."""

import os
import pathlib
import shutil
import subprocess

import pytest

TERRAFORM = os.environ.get("TERRAFORM", "terraform")
VARIABLES = pathlib.Path(__file__).parents[1] / "modules" / "traffic-shift" / "variables.tf"
GIVEN = """
prefix = "slipway"
name = "shop"
cluster = "production"
cluster_arn = "arn:cluster"
task_definition_arn = "arn:template"
vpc_id = "vpc-1"
subnet_ids = ["subnet-1"]
security_group_ids = ["sg-1"]
listener_arn = "arn:traffic"
priority = 5
health_check_path = "/health"
strategy = { type = "BLUE_GREEN" }
"""
HEADER = 'header = { name = "x-test", value = "shop" }'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variables")
    shutil.copy(VARIABLES, folder)
    (folder / "terraform.tfvars").write_text(GIVEN)
    subprocess.run([TERRAFORM, "init", "-no-color"], cwd=folder, check=True, capture_output=True)
    return folder


def planned(folder, test):
    return subprocess.run([TERRAFORM, "plan", "-no-color", f"-var=test={test}"], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("test, words", [
    ("{ priority = 1 }", "would take the traffic itself"),
    ('{ listener_arn = "arn:traffic", priority = 1 }', "would take the traffic itself"),
    (f"{{ priority = 9, {HEADER} }}", "a priority of test that is below"),
    (f'{{ listener_arn = "arn:traffic", priority = 9, {HEADER} }}', "a priority of test that is below"),
])
def test_a_test_rule_that_takes_the_traffic_or_gets_none_is_refused(folder, test, words):
    run = planned(folder, test)

    assert run.returncode == 1
    assert words in " ".join(run.stderr.split())


@pytest.mark.parametrize("test", [
    "null", f"{{ priority = 1, {HEADER} }}", f'{{ listener_arn = "arn:traffic", priority = 1, {HEADER} }}',
    '{ listener_arn = "arn:test", priority = 9 }'])
def test_a_test_rule_of_its_own_listener_or_header_is_taken(folder, test):
    run = planned(folder, test)

    assert run.returncode == 0, run.stderr
