"""Lifecycle hooks that are functions: what ECS asks them, and what their answers do."""

import json

import botocore.exceptions
import pytest
from patience import until
from test_corrections import user_of
from web import CLUSTER, pause, role

BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}
# It answers what its details say for each time that it is asked, and writes down what it was asked.
ASKED = """
import json
def handler(event, context):
    details = event["hookDetails"]
    with open(details["file"], "a") as file:
        file.write(json.dumps(event) + chr(10))
    answers = details["answers"]
    answer = answers[min(details.get("times", 0), len(answers) - 1)]
    if answer == "raise":
        raise RuntimeError("no hook")
    return {**answer, "hookDetails": {"times": details.get("times", 0) + 1}} if isinstance(answer, dict) else answer
"""


@pytest.fixture(scope="module")
def hook(running):
    return running.deploy("hook", ASKED)


@pytest.fixture(autouse=True)
def hook_of_web(web, hook):
    web.hook = hook


def asks(web, path, *stages, answers=({"hookStatus": "SUCCEEDED"},), role_arn=None, **more):
    return {"hookTargetArn": web.hook, "roleArn": role_arn or web.role, "lifecycleStages": list(stages),
            "hookDetails": {"file": str(path), "answers": list(answers)}, **more}


def asked(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_function_is_asked_at_its_stages_with_the_weights_of_those_that_shift(web, tmp_path):
    web.made(**BLUE_GREEN)
    path = tmp_path / "asked"
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[asks(
        web, path, "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT")])
    web.until("SUCCESSFUL", arn=arn)

    shown, events = web.shown(arn), {event["lifecycleStage"]: event for event in asked(path)}
    target, source = shown["targetServiceRevision"]["arn"], shown["sourceServiceRevisions"][0]["arn"]
    assert list(events) == ["POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"]
    details = {stage: event["executionDetails"] for stage, event in events.items()}
    assert {event["resourceArn"] for event in events.values()} == {arn}
    assert {detail["targetServiceRevisionArn"] for detail in details.values()} == {target}
    assert details["TEST_TRAFFIC_SHIFT"]["testTrafficWeights"] == {target: 100, source: 0}
    assert details["PRE_PRODUCTION_TRAFFIC_SHIFT"]["productionTrafficWeights"] == {target: 0, source: 100}
    assert details["PRODUCTION_TRAFFIC_SHIFT"]["productionTrafficWeights"] == {target: 100, source: 0}
    for stage in ("POST_SCALE_UP", "POST_PRODUCTION_TRAFFIC_SHIFT"):
        assert (details[stage]["testTrafficWeights"], details[stage]["productionTrafficWeights"]) == ({}, {})


def test_a_function_in_progress_is_asked_again_with_what_it_said(web, tmp_path):
    web.made(**BLUE_GREEN)
    path, again = tmp_path / "asked", {"hookStatus": "IN_PROGRESS", "callBackDelay": 6}
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[asks(web, path, "POST_SCALE_UP", answers=[again, again, {"hookStatus": "SUCCEEDED"}])])
    hook = until(lambda: (web.shown(arn).get("lifecycleHookDetails") or [None])[0], 20)
    web.until("SUCCESSFUL", arn=arn)

    assert (hook["targetType"], hook["targetArn"], hook["status"]) == ("AWS_LAMBDA", web.hook, "IN_PROGRESS")
    assert [event["hookDetails"].get("times", 0) for event in asked(path)] == [0, 1, 2]
    assert [one["eventName"] for one in web.cloud.told.of("ECS Hook State Change", hookId=hook["hookId"])] == ["HOOK_IN_PROGRESS", "HOOK_SUCCEEDED"]


@pytest.mark.parametrize("answer, words", [({"hookStatus": "FAILED"}, "returned FAILED"), ({"status": "fine"}, "no valid hookStatus"), (None, "no valid hookStatus"),
                                           ("raise", "its function failed")])
def test_a_function_that_does_not_succeed_rolls_back(web, tmp_path, answer, words):
    web.made(**BLUE_GREEN)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[asks(web, tmp_path / "asked", "POST_TEST_TRAFFIC_SHIFT", answers=[answer])])

    assert words in web.until("ROLLBACK_SUCCESSFUL", "SUCCESSFUL", arn=arn)["rollback"]["reason"]
    assert web.ask() == "v1"
    assert web.engine.requests["v2"] == 0


def test_ecs_asks_by_the_hooks_role(web, tmp_path):
    web.made(**BLUE_GREEN)
    other = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"{web.hook}-other"}]}
    powerless = role(web.cloud, "may-not-ask", policy=other)
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=[asks(web, tmp_path / "asked", "PRE_SCALE_UP", role_arn=powerless)])

    assert "not authorized to perform lambda:InvokeFunction" in web.until("ROLLBACK_SUCCESSFUL", arn=arn)["rollback"]["reason"]
    assert asked(tmp_path / "asked") == []


def test_whoever_gives_a_hook_its_role_must_be_allowed_to_pass_it(web, tmp_path):
    web.made(**BLUE_GREEN)
    update = {"Action": "ecs:UpdateService", "Resource": "*"}
    passes = {"Action": "iam:PassRole", "Resource": web.role, "Condition": {"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}}}
    asked_for = {"cluster": CLUSTER, "service": web.name, "deploymentConfiguration": {**BLUE_GREEN, "lifecycleHooks": [asks(web, tmp_path / "asked", "PRE_SCALE_UP")]}}

    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied.*iam:PassRole"):
        user_of(web.cloud, f"updates-{web.name}", update).update_service(**asked_for)
    user_of(web.cloud, f"passes-{web.name}", update, passes).update_service(**asked_for)


def test_all_hooks_of_a_stage_run_and_one_that_fails_is_enough(web, tmp_path):
    web.made(**BLUE_GREEN)
    hooks = [pause("POST_SCALE_UP"), pause("POST_SCALE_UP"), asks(web, tmp_path / "asked", "POST_SCALE_UP")]
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=hooks)
    first = web.until_paused(arn)
    web.go_on(first, arn=arn)
    second = web.until_paused(arn)
    until(lambda: True if [one["status"] for one in web.shown(arn)["lifecycleHookDetails"]] == ["SUCCEEDED", "AWAITING_ACTION", "SUCCEEDED"] else None)
    with pytest.raises(web.ecs.exceptions.InvalidParameterException, match="is SUCCEEDED"):
        web.go_on(first, arn=arn)
    web.go_on(second, "ROLLBACK", arn)

    web.until("ROLLBACK_SUCCESSFUL", arn=arn)


def test_a_rollback_asks_the_functions_of_the_two_stages_that_shift(web, tmp_path):
    web.made(**BLUE_GREEN)
    path = tmp_path / "asked"
    hooks = [asks(web, path, "TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_SCALE_UP"), pause("POST_PRODUCTION_TRAFFIC_SHIFT")]
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=hooks)
    web.go_on(web.until_paused(arn), "ROLLBACK", arn)
    shown = web.until("ROLLBACK_SUCCESSFUL", arn=arn)

    target, source = shown["targetServiceRevision"]["arn"], shown["sourceServiceRevisions"][0]["arn"]
    events = asked(path)
    assert [event["lifecycleStage"] for event in events] == [
        "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT"]
    assert events[3]["executionDetails"]["productionTrafficWeights"] == {target: 0, source: 100}
    assert {event["executionDetails"]["targetServiceRevisionArn"] for event in events} == {target}


def test_a_function_that_fails_in_a_rollback_leaves_the_rollback_failed_and_the_traffic_restored(web, tmp_path):
    web.made(**BLUE_GREEN)
    answers = [{"hookStatus": "SUCCEEDED"}]
    hooks = [asks(web, tmp_path / "shifts", "PRODUCTION_TRAFFIC_SHIFT", answers=answers), pause("POST_PRODUCTION_TRAFFIC_SHIFT")]
    arn = web.deploy("v2", **BLUE_GREEN, lifecycleHooks=hooks)
    hook = web.until_paused(arn)
    web.cloud.client("lambda").put_function_concurrency(FunctionName="hook", ReservedConcurrentExecutions=0)
    try:
        web.go_on(hook, "ROLLBACK", arn)
        web.until("ROLLBACK_FAILED", arn=arn)
    finally:
        web.cloud.client("lambda").delete_function_concurrency(FunctionName="hook")
    assert web.ask() == "v1"
