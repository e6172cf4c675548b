"""infra/tools/replay-dead-letters, with an `aws` that answers from a folder and notes how it was called."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[1] / "tools" / "replay-dead-letters"
QUEUE = "slipway-receive-push-dead-letters"
POINTER = json.dumps({"requestContext": {"condition": "RetryAttemptsExhausted"},
                      "DDBStreamBatchInfo": {"shardId": "shardId-1", "batchSize": 3, "approximateArrivalOfFirstRecord": "2026-11-01T10:00:00Z"}})

STUB = f"""#!{sys.executable}
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
given = dict(zip(sys.argv[1:], sys.argv[2:]))
call = {{"what": sys.argv[2], "queue": given.get("--queue-url"), "handle": given.get("--receipt-handle"), "function": given.get("--function-name")}}
if sys.argv[2] == "invoke":
    call |= {{"payload": pathlib.Path(given["--payload"].removeprefix("fileb://")).read_text(), "type": given["--invocation-type"]}}
if sys.argv[2] == "change-message-visibility":
    call["seconds"] = given["--visibility-timeout"]
with (folder / "calls").open("a") as calls:
    print(json.dumps({{key: value for key, value in call.items() if value is not None}}), file=calls)
answers = json.loads((folder / "answers").read_text())
answer = answers.get(sys.argv[2], {{}})
if sys.argv[2] == "receive-message":
    answer = answers["batches"].pop(0) if answers["batches"] else {{}}
    (folder / "answers").write_text(json.dumps(answers))
if isinstance(answer, str):
    sys.exit(answer)
print(json.dumps(answer))
"""


def message(name, body="{}", target=None, sent=0):
    attributes = {"TARGET_ARN": {"StringValue": target, "DataType": "String"}} if target else {}
    return {"MessageId": name, "ReceiptHandle": f"handle-{name}", "Body": body, "Attributes": {"SentTimestamp": str(int(sent * 1000))},
            "MessageAttributes": attributes}


@pytest.fixture
def replay(tmp_path):
    def run(*batches, queue=QUEUE, **answers):
        (tmp_path / "aws").write_text(STUB)
        (tmp_path / "aws").chmod(0o755)
        (tmp_path / "answers").write_text(json.dumps({
            "get-queue-url": {"QueueUrl": f"https://queues/{queue}"}, "invoke": {"StatusCode": 202},
            "batches": [{"Messages": list(batch)} for batch in batches], **answers}))
        ran = subprocess.run([sys.executable, TOOL, queue], capture_output=True, text=True, check=False,
                             env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        calls = tmp_path / "calls"
        made = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
        return ran, [call for call in made if call["what"] not in ("get-queue-url", "receive-message")]
    return run


def test_a_functions_message_is_redriven_as_it_was_and_then_deleted(replay):
    event = '{"detail": {"image-tag": "v1"}, "größe":  1}'
    ran, calls = replay([message("a", event)])
    assert ran.returncode == 0, ran.stderr
    assert calls == [
        {"what": "invoke", "function": "slipway-receive-push", "payload": event, "type": "Event"},
        {"what": "delete-message", "queue": f"https://queues/{QUEUE}", "handle": "handle-a"},
    ]
    assert "redriven  a  slipway-receive-push" in ran.stdout


def test_a_rules_message_is_redriven_to_the_target_that_it_names(replay):
    target = "arn:aws:lambda:eu-central-1:123456789012:function:slipway-reconcile"
    ran, calls = replay([message("a", target=target)], queue="slipway-execution-ended-dead-letters")
    assert ran.returncode == 0, ran.stderr
    assert [call.get("function") for call in calls] == [target, None]


def test_every_batch_is_redriven(replay):
    ran, calls = replay([message("a"), message("b")], [message("c")])
    assert ran.returncode == 0, ran.stderr
    assert [call["handle"] for call in calls if call["what"] == "delete-message"] == ["handle-a", "handle-b", "handle-c"]


@pytest.mark.parametrize("answer", ["ResourceNotFoundException: Function not found", {"StatusCode": 500}])
def test_a_message_that_lambda_does_not_take_is_kept(replay, answer):
    ran, calls = replay([message("a")], invoke=answer)
    assert ran.returncode == 1
    assert [call["what"] for call in calls] == ["invoke", "change-message-visibility"]
    assert calls[1]["handle"] == "handle-a" and calls[1]["seconds"] == "0"
    assert "kept      a" in ran.stdout


def test_a_message_that_is_kept_does_not_keep_the_others(replay):
    ran, calls = replay([message("a", "not JSON"), message("b")])
    assert ran.returncode == 1
    assert [(call["what"], call.get("handle")) for call in calls] == [
        ("invoke", None), ("delete-message", "handle-b"), ("change-message-visibility", "handle-a")]


def test_a_pointer_at_the_tables_stream_is_kept_and_named(replay):
    ran, calls = replay([message("a", POINTER)], queue="slipway-resume-release-dead-letters")
    assert ran.returncode == 1
    assert [call["what"] for call in calls] == ["change-message-visibility"]
    assert "3 from 2026-11-01T10:00:00Z" in ran.stdout and "the reconciler" in ran.stdout


def test_what_returns_meanwhile_is_left_for_the_next_time(replay):
    ran, calls = replay([message("a")], [message("b", sent=time.time() + 60)])
    assert ran.returncode == 1
    assert [call["what"] for call in calls] == ["invoke", "delete-message", "change-message-visibility"]


def test_a_message_whose_deletion_fails_is_said_to_be_kept(replay):
    ran, calls = replay([message("a")], **{"delete-message": "AccessDenied"})
    assert ran.returncode == 1
    assert "kept      a  AccessDenied" in ran.stdout


def test_a_target_that_is_no_function_is_kept(replay):
    ran, calls = replay([message("a", target="arn:aws:sns:eu-central-1:123456789012:somebody")])
    assert ran.returncode == 1
    assert [call["what"] for call in calls] == ["change-message-visibility"]


def test_a_queue_that_is_not_there_is_said(replay):
    ran, calls = replay(**{"get-queue-url": "QueueDoesNotExist: there is no such queue"})
    assert ran.returncode == 1
    assert "QueueDoesNotExist" in ran.stderr and not calls


def test_a_queue_of_something_else_is_refused(replay):
    ran, calls = replay([message("a")], queue="orders")
    assert ran.returncode == 1
    assert "no dead-letter queue" in ran.stderr and not calls
