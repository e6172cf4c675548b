"""What the workflow's one protocol relies on: attempts with tokens, errors by name, limits; and the workflow itself, played."""

import json
import pathlib
import re
import time

import botocore.exceptions
import pytest
import yaml
from conftest import until

WORKFLOW = pathlib.Path(__file__).parents[4] / "statemachine/release.asl.yaml"
ENTERED = {"name": "{% $states.context.State.Name %}", "entered_at": "{% $states.context.State.EnteredTime %}",
           "retry": "{% $states.context.State.RetryCount %}"}
ALL = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
CAUGHT = {"Catch": [{**ALL, "Output": "{% $states.errorOutput %}"}]}
TOO_LONG = "{% $states.input.text & $states.input.text %}"


@pytest.fixture
def asked(cloud, request):
    return Asked(cloud.folder / f"asked-{request.node.name.replace('/', '-')[:80]}")


class Asked:
    """What a function was asked, attempt by attempt, in a file that it writes."""

    def __init__(self, file):
        self.file = file

    def lines(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def attempt(self, number):
        """What the attempt of this number, from 0, was asked."""
        return until(lambda: self.lines()[number]["event"] if len(self.lines()) > number else None)


def step(cloud, asked, also=None, **fields):
    """A task as the workflow has them, which writes down what it is asked."""
    payload = {"token": "{% $states.context.Task.Token %}", "ran": str(asked.file), **(also or {})}
    return {"Step": cloud.task("lambda:invoke.waitForTaskToken", payload, **{"TimeoutSeconds": 20, **CAUGHT, **fields}),
            "Caught": {"Type": "Succeed"}}


def in_a_map(states):
    return {"Each": {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": next(iter(states)), "States": states}}}


def retry(*names, attempts=9, interval=1, rate=1, **fields):
    return {"ErrorEquals": list(names), "MaxAttempts": attempts, "IntervalSeconds": interval, "BackoffRate": rate, **fields}


def count(events, *kinds):
    return [sum(event["type"] == kind for event in events) for kind in kinds]


def details(events, kind):
    key = kind[:1].lower() + kind[1:] + "EventDetails"
    return [event[key] for event in events if event["type"] == kind]


def fail(cloud, asked, *errors):
    """Answers the first attempts, each with an error of its own."""
    for number, error in enumerate(errors):
        cloud.sfn.send_task_failure(taskToken=asked.attempt(number)["token"], error=error)


def test_a_state_knows_when_it_was_entered_and_how_often_retried(cloud, asked):
    states = step(cloud, asked, ENTERED, Retry=[retry("Woken"), retry("LookAgain")], Catch=[{**ALL, "Output": ENTERED}])
    execution = cloud.start(cloud.machine(in_a_map(states)), [{}])
    fail(cloud, asked, "Woken", "LookAgain", "Woken", "Changed")

    caught = json.loads(cloud.ended(execution)["output"])
    attempts = [asked.attempt(number) for number in range(4)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", attempts[0]["entered_at"])
    assert {(attempt["name"], attempt["entered_at"]) for attempt in attempts} == {("Step", attempts[0]["entered_at"])}
    assert [attempt["retry"] for attempt in attempts] == [0, 1, 2, 3]
    assert len({attempt["token"] for attempt in attempts}) == 4
    assert caught == [{"name": "Step", "entered_at": attempts[0]["entered_at"], "retry": 3}]


def test_the_history_counts_the_attempts_within_a_map(cloud, asked):
    execution = cloud.start(cloud.machine(in_a_map(step(cloud, asked, Retry=[retry("Woken")]))), [{}])
    fail(cloud, asked, "Woken", "Woken")
    cloud.sfn.send_task_success(taskToken=asked.attempt(2)["token"], output="{}")
    cloud.ended(execution)

    events = cloud.events(execution)
    assert count(events, "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "TaskSucceeded") == [1, 3, 3, 2, 1]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    scheduled = details(events, "TaskScheduled")[0]
    assert (scheduled["resourceType"], scheduled["resource"]) == ("lambda", "invoke.waitForTaskToken")
    assert (scheduled["timeoutInSeconds"], json.loads(scheduled["parameters"])["FunctionName"]) == (20, cloud.function)


def test_each_attempt_evaluates_its_time_out_and_has_all_of_it(cloud, asked):
    began = time.monotonic()
    ended = cloud.run(step(cloud, asked, TimeoutSeconds="{% 1 + $states.context.State.RetryCount %}",
                           Retry=[retry("States.Timeout", attempts=1)]))

    assert [scheduled["timeoutInSeconds"] for scheduled in details(ended["events"], "TaskScheduled")] == [1, 2]
    assert count(ended["events"], "TaskTimedOut", "TaskFailed") == [2, 0]
    assert json.loads(ended["output"])["Error"] == "States.Timeout"
    assert time.monotonic() - began > 4


@pytest.mark.parametrize("field, expression", [
    ("TimeoutSeconds", '{% "soon" %}'), ("TimeoutSeconds", "{% 1.5 %}"), ("TimeoutSeconds", "{% 0 %}"),
    ("TimeoutSeconds", "{% $states.input.nothing %}"), ("Arguments", "{% $states.input.nothing %}")])
def test_an_expression_that_fails_is_retried_and_caught(cloud, asked, field, expression):
    ended = cloud.run(step(cloud, asked, **{field: expression}, Retry=[retry("States.QueryEvaluationError", attempts=1)]))

    assert json.loads(ended["output"])["Error"] == "States.QueryEvaluationError"
    assert count(ended["events"], "EvaluationFailed", "TaskScheduled", "TaskFailed") == [2, 0, 0]
    assert details(ended["events"], "EvaluationFailed")[0]["state"] == "Step"


@pytest.mark.parametrize("fields, retried, shortest, longest", [
    ({"IntervalSeconds": 15, "BackoffRate": 1}, 5000, 15, 15), ({}, 2, 4, 4), ({"IntervalSeconds": 100}, 0, 100, 100),
    ({"BackoffRate": 2, "MaxDelaySeconds": 60}, 5, 32, 32), ({"BackoffRate": 2, "MaxDelaySeconds": 60}, 6, 60, 60),
    ({"BackoffRate": 2, "MaxDelaySeconds": 60}, 5000, 60, 60),
    ({"BackoffRate": 2, "MaxDelaySeconds": 60, "JitterStrategy": "FULL"}, 5000, 0, 60),
    ({"BackoffRate": 2, "MaxDelaySeconds": 60, "JitterStrategy": "NONE"}, 5000, 60, 60)])
def test_a_retrys_pause_grows_up_to_a_limit(fields, retried, shortest, longest):
    from step_functions import pause_before_retry
    pauses = [pause_before_retry(fields, retried) for _ in range(200)]

    assert shortest <= min(pauses) and max(pauses) <= longest
    assert (len(set(pauses)) > 1) == (shortest < longest)


def test_a_retry_waits_no_longer_than_its_limit(cloud, asked):
    execution = cloud.start(cloud.machine(step(cloud, asked, Retry=[retry("Woken", rate=10, MaxDelaySeconds=2)])))
    began = time.monotonic()
    fail(cloud, asked, "Woken", "Woken", "Changed")
    cloud.ended(execution)

    assert 3 <= time.monotonic() - began < 5


def test_each_retrier_counts_for_itself_and_none_is_none(cloud, asked):
    retriers = [retry("Woken", attempts=1), retry("LookAgain", attempts=1), retry("Refused", attempts=0), retry("States.ALL")]
    execution = cloud.start(cloud.machine(step(cloud, asked, Retry=retriers)))
    fail(cloud, asked, "Woken", "LookAgain", "Woken")
    refused = cloud.start(cloud.machine(step(cloud, asked, Retry=retriers)))
    cloud.sfn.send_task_failure(taskToken=asked.attempt(3)["token"], error="Refused")

    assert json.loads(cloud.ended(execution)["output"])["Error"] == "Woken"
    assert json.loads(cloud.ended(refused)["output"])["Error"] == "Refused"
    assert len(asked.lines()) == 4


def test_a_stopped_execution_does_not_retry(cloud, asked):
    execution = cloud.start(cloud.machine(step(cloud, asked, Retry=[retry("Woken")])))
    fail(cloud, asked, "Woken")
    cloud.sfn.stop_execution(executionArn=execution)
    time.sleep(1.5)

    assert len(asked.lines()) == 1
    assert cloud.events(execution)[-1]["type"] == "ExecutionAborted"


def test_nothing_catches_what_ends_the_execution(cloud):
    unknown = {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun", "Arguments": {}, "End": True, **CAUGHT,
               "Retry": [retry("States.ALL")]}
    caught = {"Caught": {"Type": "Succeed"}}
    each = in_a_map({"Step": unknown, **caught})
    each["Each"].update(CAUGHT)

    for states in ({"Step": unknown, **caught}, {**each, **{"Caught": {"Type": "Succeed"}}}):
        ended = cloud.run(states, [1])
        assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


@pytest.mark.parametrize("field", ["Payload", "Output"])
@pytest.mark.parametrize("catcher, status", [("States.ALL", "FAILED"), ("States.DataLimitExceeded", "SUCCEEDED")])
def test_a_state_is_limited_and_only_by_name_is_that_caught(cloud, field, catcher, status):
    task = cloud.task(payload=TOO_LONG if field == "Payload" else {}, Catch=[
        {"ErrorEquals": [catcher], "Next": "Caught", "Output": "{% $states.errorOutput.Error %}"}])
    if field == "Output":
        task["Output"] = TOO_LONG
    ended = cloud.run({"Step": task, "Caught": {"Type": "Succeed"}}, {"text": "x" * 140_000})

    assert ended["status"] == status
    assert (ended.get("error") or json.loads(ended["output"])) == "States.DataLimitExceeded"


def test_an_output_of_exactly_the_limit_is_taken(cloud):
    made = {"Type": "Pass", "Output": "{% $pad('', $states.input.length, 'x') %}", "End": True}

    assert cloud.run({"Make": made}, {"length": 262_144})["status"] == "SUCCEEDED"
    assert cloud.run({"Make": made}, {"length": 262_145})["error"] == "States.DataLimitExceeded"


@pytest.mark.parametrize("around", [dict, in_a_map])
def test_a_history_has_25_000_events_at_most(cloud, around):
    ended = cloud.run(around({"Again": {"Type": "Pass", "Next": "Again"}}), [1])

    last = cloud.sfn.get_execution_history(executionArn=ended["executionArn"], maxResults=1, reverseOrder=True)["events"][0]
    assert (ended["status"], ended["error"], last["id"], last["type"]) == ("FAILED", "States.Runtime", 25_000, "ExecutionFailed")


def test_an_answer_ends_the_task_while_its_function_still_runs(cloud, asked):
    slow = {"seconds": 4, "fail": True}
    execution = cloud.start(cloud.machine(step(cloud, asked, slow, Retry=[retry("Woken")], Output="{% $states.result %}")))
    began = time.monotonic()
    fail(cloud, asked, "Woken")
    cloud.sfn.send_task_success(taskToken=asked.attempt(1)["token"], output='{"done": true}')
    ended = cloud.ended(execution)
    took = time.monotonic() - began
    time.sleep(4.5)

    assert took < 4 and json.loads(ended["output"]) == {"done": True}
    events = cloud.events(execution)
    assert count(events, "TaskScheduled", "TaskFailed", "TaskSucceeded", "TaskSubmitted") == [2, 1, 1, 0]
    assert events[-1]["type"] == "ExecutionSucceeded"


def test_a_function_that_only_returns_leaves_the_task_waiting(cloud, asked):
    began = time.monotonic()
    ended = cloud.run(step(cloud, asked, TimeoutSeconds=2))

    assert json.loads(ended["output"])["Error"] == "States.Timeout" and time.monotonic() - began > 2
    assert count(ended["events"], "TaskSubmitted", "TaskTimedOut") == [1, 1]


@pytest.mark.parametrize("call, limit, error", [
    ({"error": "e" * 256, "cause": "é" * 32_768}, None, None),
    ({"error": "e" * 257, "cause": ""}, 256, "ValidationException"),
    ({"error": "", "cause": "c" * 32_769}, 32_768, "ValidationException"),
    ({"output": json.dumps("x" * 262_142)}, None, None),
    ({"output": json.dumps("x" * 262_143)}, 262_144, "ValidationException"),
    ({"output": '"' + "é" * 131_072 + '"'}, 262_144, "ValidationException"),
    ({"output": "{not JSON"}, None, "InvalidOutput")])
def test_what_answers_a_token_is_limited(cloud, asked, call, limit, error):
    execution = cloud.start(cloud.machine(step(cloud, asked)))
    send = cloud.sfn.send_task_success if "output" in call else cloud.sfn.send_task_failure
    token = asked.attempt(0)["token"]

    if error is None:
        send(taskToken=token, **call)
        assert cloud.ended(execution)["status"] == "SUCCEEDED"
        return
    with pytest.raises(botocore.exceptions.ClientError, match=f"{error}.*{limit or ''}"):
        send(taskToken=token, **call)
    assert cloud.sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    cloud.sfn.stop_execution(executionArn=execution)


@pytest.mark.parametrize("fields, error", [
    ({"input": json.dumps("x" * 262_142)}, None), ({"input": json.dumps("x" * 262_143)}, "ValidationException.*262144"),
    ({"input": "{not JSON"}, "InvalidExecutionInput"), ({"input": "{}", "name": "n" * 81}, "ValidationException.*80")])
def test_what_starts_an_execution_is_limited(cloud, fields, error):
    machine = cloud.machine({"End": {"Type": "Succeed"}})

    if error is None:
        assert cloud.sfn.start_execution(stateMachineArn=machine, **fields)["executionArn"]
        return
    with pytest.raises(botocore.exceptions.ClientError, match=error):
        cloud.sfn.start_execution(stateMachineArn=machine, **fields)


def test_an_answered_token_takes_no_heartbeat(cloud, asked):
    execution = cloud.start(cloud.machine(step(cloud, asked)))
    fail(cloud, asked, "Changed")
    cloud.ended(execution)

    with pytest.raises(botocore.exceptions.ClientError, match="TaskTimedOut"):
        cloud.sfn.send_task_heartbeat(taskToken=asked.attempt(0)["token"])


@pytest.mark.parametrize("fields", [
    {"Retry": [retry("States.ALL", "Woken")]}, {"Retry": [retry("States.ALL"), retry("Woken")]}, {"Retry": [retry()]},
    {"Catch": [{**ALL, "ErrorEquals": ["Woken", "States.ALL"]}]}, {"Catch": [ALL, {**ALL, "ErrorEquals": ["Woken"]}]},
    {"Retry": [retry("Woken", MaxDelaySeconds=1)]}, {"Retry": [retry("Woken", rate=0.5)]},
    {"Retry": [retry("Woken", interval=0)]}, {"Retry": [retry("Woken", attempts=-1)]},
    {"Retry": [retry("Woken", JitterStrategy="SOME")]}, {"TimeoutSeconds": 0}, {"TimeoutSeconds": 1.5},
    {"Arguments": "{% $states.result %}"}, {"Output": "{% $states.errorOutput %}"},
    {"Catch": [{**ALL, "Output": "{% $states.result %}"}]},
    {"Resource": "arn:aws:states:::lambda:invoke"}])
def test_a_definition_that_aws_refuses_is_refused(cloud, asked, fields):
    states = step(cloud, asked, **fields)

    for refused in (states, in_a_map(states)):
        with pytest.raises(botocore.exceptions.ClientError, match="InvalidDefinition"):
            cloud.machine(refused)


def test_a_map_fails_with_its_iterations_error_and_cause(cloud):
    states = {"Fail": {"Type": "Fail", "Error": "StageFailed", "Cause":
                       '{% $string({"stage": $states.input.stage, "failure": $states.input.failure, "none": $states.input.none}) %}'}}
    each = in_a_map(states)
    each["Each"].update(CAUGHT, MaxConcurrency=1)
    ended = cloud.run({**each, "Caught": {"Type": "Succeed"}}, [{"stage": "é", "failure": {"step": "Bo"}}, {"stage": "next"}])

    assert json.loads(ended["output"]) == {"Error": "StageFailed", "Cause": '{"stage":"é","failure":{"step":"Bo"}}'}
    assert count(ended["events"], "FailStateEntered") == [1]


def test_a_succeed_state_has_an_output_within_a_map_too(cloud):
    passed = {"Passed": {"Type": "Succeed", "Output": "{% $states.input.name %}"}}
    ended = cloud.run(in_a_map(passed), [{"name": "staging"}])

    assert json.loads(ended["output"]) == ["staging"]
    assert count(ended["events"], "SucceedStateEntered", "SucceedStateExited") == [1, 1]
    assert json.loads(cloud.run(passed, {"name": "staging"})["output"]) == "staging"


def test_variables_are_assigned_together(cloud):
    states = {"First": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
              "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Passed"},
              "Passed": {"Type": "Succeed", "Output": "{% [$a, $b] %}"}}

    assert json.loads(cloud.run(states)["output"]) == [2, 1]


# ---- the workflow itself, with a function that only writes down what it is asked; the test answers

ASKED = """
import json, os
def handler(event, context):
    with open(os.environ["ASKED"], "a") as file:
        file.write(json.dumps(event) + chr(10))
"""


class Releases:
    """Plays the workflow: its steps are answered by a script, a list of answers for each state's name. The last one stays."""

    def __init__(self, cloud):
        self.cloud, self.asked = cloud, Asked(cloud.folder / "steps")
        text = re.sub(r"\$\{\w+_arn\}", cloud.deploy("step", ASKED, ASKED=str(self.asked.file)), WORKFLOW.read_text())
        self.definition = yaml.safe_load(text.replace("${partition}", "aws"))
        self.machine = cloud.sfn.create_state_machine(
            name="release", definition=json.dumps(self.definition), roleArn=cloud.role)["stateMachineArn"]
        self.answered = 0

    def play(self, stages, **script):
        document = {"release": {"id": "web-1"}, "application": {"name": "web", "stages": stages}}
        execution = self.cloud.start(self.machine, document)
        script = {name: list(answers) for name, answers in script.items()}
        self.steps = []

        def look():
            for event in self.asked.lines()[self.answered:]:
                self.answered += 1
                self.steps.append(event)
                answers = script.get(event["state"], [DONE.get(event["state"], {})])
                self.answer(event["token"], answers.pop(0) if len(answers) > 1 else answers[0])
            found = self.cloud.sfn.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None
        return until(look, patience=30)

    def answer(self, token, answer):
        if isinstance(answer, tuple):
            self.cloud.sfn.send_task_failure(taskToken=token, error=answer[0], cause=json.dumps({"reason": answer[1]}))
        else:
            self.cloud.sfn.send_task_success(taskToken=token, output=json.dumps(answer))

    @property
    def took(self):
        return [step["state"] for step in self.steps]

    @property
    def given(self):
        """What the last step was given: FinishRelease, what failed."""
        return self.steps[-1]["input"]


LIMITS = {name: 1800 for name in ("check_image", "request_approval", "snapshot_database", "run_migration", "deploy_services",
                                  "verify_services", "bake_stage")}
DONE = {"AcquireLock": {"generation": 7}, "CaptureBaseline": {"baseline": {"services": [{"service": "web"}]}, "limits": LIMITS},
        "DeployServices": {"services": [{"service": "web"}]}, "RollBack": {"services": [{"service": "web", "of": "baseline"}]},
        "FinishRelease": {"outcome": "RELEASED"}}
EVERY_GATE = {"name": "production", "image_check": {}, "approval": {}, "snapshot": {}, "migration": {}, "bake": {"for": "15m"}}
PLAIN = {"name": "staging"}
A_PLAIN_STAGE = ["CaptureBaseline", "DeployServices", "VerifyServices"]


@pytest.fixture(scope="module")
def releases(quick_cloud):
    return Releases(quick_cloud)


def name_of(ended):
    return ended["executionArn"].rsplit(":", 1)[1]


def test_the_workflow_takes_a_release_through_every_gate(releases):
    ended = releases.play([PLAIN, EVERY_GATE])

    assert json.loads(ended["output"]) == {"outcome": "RELEASED"}
    assert releases.took == [
        "AcquireLock", *A_PLAIN_STAGE, "CaptureBaseline", "CheckImage", "RequestApproval", "CheckImageAgain", "SnapshotDatabase",
        "RunMigration", "DeployServices", "VerifyServices", "BakeStage", "FinishRelease"]
    assert releases.given == {"release": {"id": "web-1"}, "execution": name_of(ended)}
    production = releases.steps[9]
    assert production["input"] == {"release": {"id": "web-1"}, "generation": 7, "stage": EVERY_GATE,
                                   "baseline": DONE["CaptureBaseline"]["baseline"]}
    limits = [scheduled["timeoutInSeconds"]
              for scheduled in details(releases.cloud.events(ended["executionArn"]), "TaskScheduled")]
    assert limits[0] == 3600 and set(limits[5:-1]) <= {120, 1799, 1800}


def test_a_workflow_with_one_stage_is_a_list_of_one(releases):
    assert releases.play([PLAIN])["status"] == "SUCCEEDED"
    assert releases.took == ["AcquireLock", *A_PLAIN_STAGE, "FinishRelease"]


def test_a_step_that_waits_is_woken_and_looks_again(releases):
    ended = releases.play([PLAIN], DeployServices=[("LookAgain", ""), ("Woken", ""), ("Transient", ""), DONE["DeployServices"]])

    attempts = [step["attempt"] for step in releases.steps if step["state"] == "DeployServices"]
    assert ended["status"] == "SUCCEEDED"
    assert [attempt["retry"] for attempt in attempts] == [0, 1, 2, 3]
    assert len({attempt["entered_at"] for attempt in attempts}) == 1


def test_what_ends_a_stage_before_its_change_fails_it(releases):
    ended = releases.play([PLAIN, EVERY_GATE], CheckImage=[("Unchanged", "é")])

    assert ended["status"] == "SUCCEEDED"
    assert releases.took == ["AcquireLock", *A_PLAIN_STAGE, "CaptureBaseline", "CheckImage", "FinishRelease"]
    assert (releases.given["release"], releases.given["failure"]["step"]) == ({"id": "web-1"}, "Stages")
    assert releases.given["failure"]["error"] == "StageFailed"
    assert json.loads(releases.given["failure"]["cause"]) == {
        "stage": "production", "failure": {"step": "CheckImage", "error": "Unchanged", "cause": json.dumps({"reason": "é"})}}


@pytest.mark.parametrize("script, way, rollback", [
    ({}, ["RollBack", "VerifyBaseline"], {"step": "VerifyBaseline"}),
    ({"RollBack": [("Refused", "no")]}, ["RollBack"],
     {"step": "RollBack", "error": "Refused", "cause": json.dumps({"reason": "no"})}),
    ({"VerifyBaseline": [("Unchanged", "bad")]}, ["RollBack", "VerifyBaseline"],
     {"step": "VerifyBaseline", "error": "Unchanged", "cause": json.dumps({"reason": "bad"})})])
def test_what_ends_a_stage_after_its_change_rolls_back(releases, script, way, rollback):
    releases.play([PLAIN, EVERY_GATE], DeployServices=[("Changed", "crashed")], **script)

    assert releases.took == ["AcquireLock", "CaptureBaseline", "DeployServices", *way, "FinishRelease"]
    assert json.loads(releases.given["failure"]["cause"]) == {
        "stage": "staging", "failure": {"step": "DeployServices", "error": "Changed", "cause": json.dumps({"reason": "crashed"})},
        "rollback": rollback}
    if "VerifyBaseline" in way:
        baseline = next(step for step in releases.steps if step["state"] == "VerifyBaseline")["input"]
        assert (baseline["proof"], baseline["services"]) == ("BASELINE", DONE["RollBack"]["services"])


def test_a_stage_that_restarts_captures_its_baseline_anew(releases):
    anew = {**DONE["CaptureBaseline"], "baseline": {"services": []}}
    releases.play([{**PLAIN, "image_check": {}}], CheckImage=[("Restart", "outdated"), {}],
                  CaptureBaseline=[DONE["CaptureBaseline"], anew])

    assert releases.took == ["AcquireLock", "CaptureBaseline", "CheckImage", "CaptureBaseline", "CheckImage", *A_PLAIN_STAGE[1:],
                             "FinishRelease"]
    assert [step["input"]["baseline"]["services"] for step in releases.steps if step["state"] == "CheckImage"] == [
        [{"service": "web"}], []]


def test_a_release_that_gets_no_lock_is_finished(releases):
    ended = releases.play([PLAIN], AcquireLock=[("Unchanged", "superseded")])

    assert releases.took == ["AcquireLock", "FinishRelease"]
    assert releases.given == {"release": {"id": "web-1"}, "execution": name_of(ended), "failure": {
        "step": "AcquireLock", "error": "Unchanged", "cause": json.dumps({"reason": "superseded"})}}


def test_a_release_of_which_nobody_could_be_notified_fails(releases):
    ended = releases.play([PLAIN], FinishRelease=[("Refused", "")])

    assert (ended["status"], ended["error"]) == ("FAILED", "NotificationFailed")
