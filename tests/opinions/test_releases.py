"""Another engine plays the real workflow: its releases go the ways that they are to go, and those that were recorded on the local cloud."""

import copy
import itertools
import json
import threading
import time

import jsonschema
import pytest
from releases import (
    REPOSITORY, Done, Failed, Forgotten, Parked, Release, Thrown, definition, done, edges, end, example, recorded)

GATES = {
    "image_check": {"stop_above": "MEDIUM", "wait": "15m"}, "approval": {"approvers": ["ana@example.com"], "quorum": 1, "expires_after": "24h"},
    "snapshot": {"database": "orders", "keep": 10}, "migration": {"service": "web", "command": ["python", "migrate.py"]},
    "bake": {"for": "15m", "alarms": ["web-production-5xx"]}}
SCHEMAS = {"AcquireLock": "acquire-lock.input", "CaptureBaseline": "capture-baseline.input", "VerifyServices": "verify-services.input",
           "VerifyBaseline": "verify-services.input", "FinishRelease": "finish-release.input"}
# The steps of a stage with everything, in order.
BEFORE = ["CheckImage", "RequestApproval", "CheckImageAgain", "SnapshotDatabase"]
CHANGING = ["RunMigration", "DeployServices", "VerifyServices", "BakeStage"]
END = ["FinishRelease", "ReleaseEnded"]


def stage(*gates, name="production"):
    """A release of one stage with these gates."""
    document = example("release")
    first = document["application"]["stages"][0]
    document["application"]["stages"] = [{"name": name, "services": first["services"], **{gate: GATES[gate] for gate in gates}}]
    return document


def both():
    """Two stages; the second one asks people, and does not bake, as where the stories were recorded."""
    document = example("release")
    document["application"]["stages"][1].pop("bake")
    return document


@pytest.fixture
def play(player, gone, request):
    def played(release):
        result = player.play(request.node.name, release)
        gone.update(result.edges())
        for state, _, event in release.calls:
            schema = json.loads((REPOSITORY / "statemachine/schemas" / f"{SCHEMAS.get(state, 'stage.input')}.json").read_text())
            jsonschema.Draft202012Validator(schema).validate(event)
        assert len(set(release.tokens)) == len(release.tokens), "each attempt has a token of its own"
        return result
    return played


BAD_IMAGE = {("DeployServices", "staging"): [end("end.changed")]}


@pytest.mark.parametrize("story, script", [
    ("good", {}),
    ("reject", {("RequestApproval", "production"): [Parked, end("end")]}),
    ("supersede", {("RequestApproval", "production"): [Parked, end("end.superseded")]}),
    ("bad-image", BAD_IMAGE),
    ("circuit-breaker", BAD_IMAGE),
    ("stuck", {("DeployServices", "staging"): [Parked, end("end.changed")], ("RollBack", "staging"): [Thrown("Refused")]}),
])
def test_a_story_goes_as_it_was_recorded_on_the_local_cloud(play, story, script):
    played = play(Release(both(), copy.deepcopy(script)))

    assert played.way == recorded(story)
    assert played.status == "SUCCEEDED"


@pytest.mark.parametrize("gates", [gates for count in range(6) for gates in itertools.combinations(GATES, count)], ids=lambda gates: "+".join(gates) or "none")
def test_a_good_release_passes_the_gates_that_its_stage_has(play, gates):
    played = play(Release(stage(*gates)))

    steps = [state for state in played.way if not state.endswith("?")]
    expected = {"CheckImage": "image_check", "RequestApproval": "approval", "CheckImageAgain": "image_check", "SnapshotDatabase": "snapshot",
                "RunMigration": "migration", "BakeStage": "bake"}
    wanted = [step for step in BEFORE + CHANGING if expected.get(step, "") in ("", *gates)]
    if "approval" not in gates:  # Nobody took a day to answer.
        wanted = [step for step in wanted if step != "CheckImageAgain"]
    assert steps == ["AcquireLock", "Stages", "CaptureBaseline", *wanted, "StagePassed", *END]
    assert played.finish == {"release": played.finish["release"], "execution": played.described["name"]}
    assert json.loads(played.described["output"]) == example("finish-release.output")


@pytest.mark.parametrize("state", BEFORE + CHANGING)
@pytest.mark.parametrize("move, error", [
    (Failed("Restart"), None), (end("end"), "Unchanged"), (end("end.changed"), "Changed"), (Thrown("Refused"), "Refused")],
    ids=["restart", "unchanged", "changed", "thrown"])
def test_an_error_leads_back_where_something_may_have_changed(play, state, move, error):
    played = play(Release(stage(*GATES), {state: [copy.deepcopy(move)]}))

    at = played.way.index(state)
    after = played.way[at + 1]
    if error is None:
        assert after == "CaptureBaseline" and played.way[-3:] == ["StagePassed", *END] and "failure" not in played.finish
        return
    rolls_back = state in CHANGING and error != "Unchanged"
    assert played.way[at + 1:] == ["RollBack", "VerifyBaseline", "FailStage", *END] if rolls_back else ["FailStage", *END]
    failure = played.failure
    assert (failure["stage"], failure["failure"]["step"], failure["failure"]["error"]) == ("production", state, error)
    assert failure.get("rollback") == ({"step": "VerifyBaseline"} if rolls_back else None)
    if isinstance(move, Failed):
        assert json.loads(failure["failure"]["cause"]) == json.loads(move.cause)


@pytest.mark.parametrize("state", ["RollBack", "VerifyBaseline"])
def test_a_rollback_that_fails_says_where(play, state):
    played = play(Release(stage(), {"VerifyServices": [end("end.changed")], state: [Failed("Refused", "ecs:UpdateService was refused")]}))

    assert played.way[-3:] == ["FailStage", *END]
    assert played.failure["rollback"] == {"step": state, "error": "Refused", "cause": "ecs:UpdateService was refused"}
    assert played.failure["failure"]["step"] == "VerifyServices"


def test_an_error_without_a_cause_has_an_empty_one(play, player):
    release = Release(stage(), {"DeployServices": [Forgotten]})

    def fail_once_it_waits():
        while not release.calls or release.calls[-1][0] != "DeployServices":
            time.sleep(0.05)
        # The step has its token before the engine waits for an answer.
        time.sleep(0.3)
        player.engine.client.send_task_failure(taskToken=release.tokens[-1], error="Refused")

    threading.Thread(target=fail_once_it_waits, daemon=True).start()

    assert play(release).failure["failure"]["cause"] in ("", "null")


def test_a_release_that_never_had_the_lock_ends_without_a_stage(play):
    played = play(Release(both(), {"AcquireLock": [Parked, end("end.superseded")]}))

    assert played.way == ["AcquireLock", *END]
    assert played.failure["step"] == "AcquireLock" and json.loads(played.failure["cause"]) == example("end.superseded")


def test_a_stage_that_may_not_change_ends_the_release(play):
    played = play(Release(both(), {("CaptureBaseline", "production"): [end("end")]}))

    assert played.way[-4:] == ["CaptureBaseline", "FailStage", *END]
    assert (played.failure["stage"], played.failure["failure"]["step"]) == ("production", "CaptureBaseline")


def test_an_outcome_that_cannot_be_recorded_fails_the_execution(play):
    played = play(Release(stage(), {"FinishRelease": [Thrown("Refused")]}))

    assert played.way[-2:] == ["FinishRelease", "NotificationFailed"]
    assert (played.status, played.described["error"]) == ("FAILED", "NotificationFailed")


def test_a_stage_that_fails_outside_of_its_steps_ends_the_release(play):
    def no_stage(states, _):
        states["Stages"]["ItemSelector"]["position"] = "{% $begun.nothing.at.all %}"

    played = play(Release(stage(), change=no_stage))

    assert played.way == ["AcquireLock", "Stages", *END]
    assert played.failure["step"] == "Stages" and played.failure["error"] == "States.QueryEvaluationError"


@pytest.mark.parametrize("state", ["AcquireLock", "CaptureBaseline", *BEFORE, *CHANGING, "RollBack", "VerifyBaseline", "FinishRelease"])
def test_a_step_is_tried_again_as_often_as_it_is_woken_fails_for_a_while_or_looks_again(play, player, state):
    def within_a_second(outer, inner):
        {**outer, **inner}[state]["TimeoutSeconds"] = 1

    again = [Parked, Failed("LookAgain"), Failed("Transient"), Thrown("Throttled"), Thrown("Lambda.TooManyRequestsException"), Forgotten]
    player.engine.pauses.clear()
    script = {state: copy.copy(again)}
    if state in ("RollBack", "VerifyBaseline"):
        script["VerifyServices"] = [end("end.changed")]
    release = Release(stage(*GATES), script, change=within_a_second)
    played = play(release)

    assert played.way[-2:] == END
    assert [called for called, _, _ in release.calls].count(state) == len(again) + 1
    # 1 s after it was woken and after a time-out, 15 s before it looks again, backing off from 1 s after errors.
    first, look, *errors, last = player.engine.pauses
    assert (first, look, last) == (1, 15, 1) and all(pause <= 4 for pause in errors), player.engine.pauses


def test_a_hundred_wakes_use_up_no_budget(play, player):
    moves = [Failed("Transient") if number % 10 == 9 else Parked for number in range(100)]
    release = Release(stage("approval"), {"RequestApproval": moves})

    assert play(release).way[-2:] == END
    assert [state for state, _, _ in release.calls].count("RequestApproval") == 101


def test_an_error_in_a_time_out_reaches_the_states_own_catch(play):
    captured = done("CaptureBaseline", {"application": stage("image_check")["application"], "position": 0}).output
    captured["limits"]["check_image"] = "no number"
    played = play(Release(stage("image_check"), {"CaptureBaseline": [Done(captured)]}))

    assert played.way[-4:] == ["CheckImage", "FailStage", *END]
    # AWS says the first; this engine has one name for whatever it did not expect.
    assert played.failure["failure"]["error"] in ("States.QueryEvaluationError", "States.Runtime")


def test_every_way_of_the_workflow_was_gone(gone):
    """The last: a state that nothing leads to, or a way that no release takes, is one that nobody has seen."""
    assert edges() - gone == set()


def test_the_reference_evaluated_every_expression(player):
    def expressions(value):
        if isinstance(value, str):
            return {value[2:-2].strip()} if value.startswith("{%") else set()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return set().union(*map(expressions, inner))

    # The engine writes each of them in brackets.
    assert expressions(definition()) - {text[1:-1] for text in player.engine.reference.expressions} == set()
