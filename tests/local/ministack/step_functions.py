"""Step Functions, where MiniStack 1.5.33 differs from AWS in what a release can observe."""

import contextlib
import contextvars
import functools
import json
import threading
import uuid

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import stepfunctions as sfn

# What the running thread works for. MiniStack copies the context into each thread that it starts.
_execution = contextvars.ContextVar("slipway_execution", default=None)
_within_map = contextvars.ContextVar("slipway_within_map", default=False)
_map_run = contextvars.ContextVar("slipway_map_run", default=None)

_tokens = threading.Lock()
_issued: set = set()


class _Stopped(Exception):
    """Ends the work of an execution that is no longer running."""


def apply() -> None:
    execution_time_limit()
    stopping_ends_the_work()
    start_is_idempotent()
    task_timeouts_may_be_expressions()
    callbacks_fail_with_their_function()
    tokens_count_once()
    functions_are_invoked_as_the_role()
    maps_stop_at_the_first_failure()
    history_reaches_into_maps()


def _running() -> bool:
    execution = _execution.get()
    return execution is None or execution["status"] == "RUNNING"


def _release_tokens(execution) -> None:
    """Wakes the threads that wait for an answer to this execution's tokens."""
    for waiting in list(sfn._task_tokens.values()):
        if waiting.get("execution") == execution["executionArn"]:
            waiting["error"] = {"Error": "States.Runtime", "Cause": "The execution is no longer running"}
            waiting["event"].set()


def execution_time_limit() -> None:
    """AWS: TimeoutSeconds of the whole machine ends it as TIMED_OUT. MiniStack ignores it."""
    run = sfn._run_execution

    @functools.wraps(run)
    def corrected(execution_arn):
        execution = sfn._executions.get(execution_arn)
        if not execution:
            return run(execution_arn)
        _execution.set(execution)
        machine = sfn._state_machines.get(execution["stateMachineArn"]) or {}
        seconds = None
        with contextlib.suppress(ValueError, TypeError):
            seconds = json.loads(machine.get("definition", "{}")).get("TimeoutSeconds")
        if not seconds:
            return run(execution_arn)
        expiry = threading.Timer(seconds, contextvars.copy_context().run, (expire, execution))
        expiry.daemon = True
        expiry.start()
        try:
            return run(execution_arn)
        finally:
            expiry.cancel()

    def expire(execution):
        if execution["status"] != "RUNNING":
            return
        execution.update(status="TIMED_OUT", stopDate=sfn.now_iso())
        sfn._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        sfn._emit_execution_status_event(execution)
        _release_tokens(execution)

    sfn._run_execution = corrected


def stopping_ends_the_work() -> None:
    """AWS: StopExecution ends the work of the execution, within maps too, and ABORTED is final."""
    stop, fail = sfn._stop_execution, sfn._fail_execution

    @functools.wraps(stop)
    def corrected(data):
        answer = stop(data)
        execution = sfn._executions.get(data.get("executionArn"))
        if execution and execution["status"] == "ABORTED":
            _release_tokens(execution)
        return answer

    @functools.wraps(fail)
    def fail_if_running(execution, error, cause):
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    sfn._stop_execution, sfn._fail_execution = corrected, fail_if_running


def start_is_idempotent() -> None:
    """AWS: StartExecution with the name and the input of a running execution answers with that execution."""
    start = sfn._start_execution

    @functools.wraps(start)
    def corrected(data):
        machine = sfn._state_machines.get(data.get("stateMachineArn", ""))
        if machine and data.get("name"):
            arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{data['name']}"
            earlier = sfn._executions.get(arn)
            if earlier and earlier["status"] == "RUNNING" and earlier["input"] == data.get("input", "{}"):
                return json_response({"executionArn": arn, "startDate": earlier["startDate"]})
        return start(data)

    sfn._start_execution = corrected


def task_timeouts_may_be_expressions() -> None:
    """AWS: TimeoutSeconds may be a JSONata expression. MiniStack compares the text of it with a clock."""
    execute = sfn._execute_task

    @functools.wraps(execute)
    def corrected(state, state_input, execution, context):
        if not _running():
            raise _Stopped
        if isinstance(state.get("TimeoutSeconds"), str):
            seconds = sfn._jsonata_state_field(state, "TimeoutSeconds", "number", state_input, context)
            state = {**state, "TimeoutSeconds": seconds}
        return execute(state, state_input, execution, context)

    sfn._execute_task = corrected


def callbacks_fail_with_their_function() -> None:
    """AWS: a `lambda:invoke.waitForTaskToken` task fails with its function's error, so Retry and Catch apply,
    and every attempt has a token of its own. MiniStack swallows the error, waits, and repeats the token."""
    arguments, invoke = sfn._apply_jsonata_arguments, sfn._invoke_with_callback

    @functools.wraps(arguments)
    def with_a_fresh_token(state, state_input, context=None):
        if ".waitForTaskToken" in state.get("Resource", "") and context is not None:
            context["Task"] = {"Token": str(uuid.uuid4())}
        return arguments(state, state_input, context)

    @functools.wraps(invoke)
    def corrected(resource, task_input, token, state):
        with _tokens:
            _issued.add(token)
        if "states:::lambda:invoke" not in resource:
            return invoke(resource, task_input, token, state)

        execution = _execution.get()
        waiting = {"event": threading.Event(), "result": None, "error": None, "heartbeat": None,
                   "execution": execution and execution["executionArn"]}
        sfn._task_tokens[token] = waiting

        def call():
            try:
                function = sfn._resolve_lambda_function_ref(task_input.get("FunctionName", ""), optimized=True)
                sfn._call_lambda(function, task_input.get("Payload", task_input))
            except sfn._ExecutionError as failure:
                answer(failure.error, failure.cause)
            except Exception as failure:  # the emulator's own fault must not look like an endless wait
                answer("States.Runtime", repr(failure))

        def answer(error, cause):
            with _tokens:
                if sfn._task_tokens.get(token) is waiting and not waiting["event"].is_set():
                    waiting["error"] = {"Error": error, "Cause": cause}
                    waiting["event"].set()

        threading.Thread(target=contextvars.copy_context().run, args=(call,), daemon=True).start()
        answered = waiting["event"].wait(timeout=state.get("TimeoutSeconds", 99999999))
        with _tokens:
            sfn._task_tokens.pop(token, None)
        if not _running():
            raise _Stopped
        if not answered:
            raise sfn._ExecutionError("States.Timeout", "")
        if waiting["error"]:
            raise sfn._ExecutionError(waiting["error"].get("Error", ""), waiting["error"].get("Cause", ""))
        return json.loads(waiting["result"])

    sfn._apply_jsonata_arguments, sfn._invoke_with_callback = with_a_fresh_token, corrected


def tokens_count_once() -> None:
    """AWS: the first answer to a token counts; a later one, or one after its task timed out, is TaskTimedOut,
    and a token that never was is InvalidToken. MiniStack lets a second answer replace the first."""
    def once(send):
        @functools.wraps(send)
        def corrected(data):
            token = data.get("taskToken")
            with _tokens:
                waiting = sfn._task_tokens.get(token)
                if waiting and not waiting["event"].is_set():
                    return send(data)
                if waiting or token in _issued:
                    return error_response_json(
                        "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
                return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)
        return corrected

    sfn._send_task_success = once(sfn._send_task_success)
    sfn._send_task_failure = once(sfn._send_task_failure)


def functions_are_invoked_as_the_role() -> None:
    """AWS: the state machine's role needs lambda:InvokeFunction. MiniStack calls every function without asking."""
    call = sfn._call_lambda

    @functools.wraps(call)
    def corrected(function, event):
        execution = _execution.get()
        machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
        if app.AUTH and machine:
            _authorize(machine["roleArn"], execution["name"], function)
        return call(function, event)

    sfn._call_lambda = corrected


def _authorize(role_arn, session, function) -> None:
    account, region, role = get_account_id(), get_region(), role_arn.rsplit("/", 1)[-1]
    arn = function if function.startswith("arn:") else f"arn:aws:lambda:{region}:{account}:function:{function}"
    caller = f"arn:aws:sts::{account}:assumed-role/{role}/{session}"
    request = iam_evaluator.EvalContext(
        principal_arn=caller, principal_type="AssumedRole", principal_account=account,
        action="lambda:InvokeFunction", resource_arn=arn, region=region)
    policies = iam_evaluator._gather_role_policies(role, account)
    if iam_evaluator.evaluate(request, policies).decision != "Allow":
        raise sfn._ExecutionError(
            "Lambda.AWSLambdaException",
            f"User: {caller} is not authorized to perform: lambda:InvokeFunction on resource: {arn} because no "
            "identity-based policy allows the lambda:InvokeFunction action (Service: Lambda, Status Code: 403)")


def maps_stop_at_the_first_failure() -> None:
    """AWS: when an item of a Map fails, the Map fails and items that have not started never start.
    MiniStack runs all of them and fails afterwards."""
    run_items, run_machine = sfn._run_map_items, sfn._run_sub_machine

    @functools.wraps(run_items)
    def corrected(*arguments):
        mark = _map_run.set({"failed": False})
        try:
            return run_items(*arguments)
        finally:
            _map_run.reset(mark)

    @functools.wraps(run_machine)
    def item(*arguments):
        run = _map_run.get()
        if not _running() or (run and run["failed"]):
            raise _Stopped
        # What runs inside this item (branches, maps of its own) may fail and be caught there.
        inner, within = _map_run.set(None), _within_map.set(True)
        try:
            return run_machine(*arguments)
        except Exception:
            if run:
                run["failed"] = True
            raise
        finally:
            _map_run.reset(inner)
            _within_map.reset(within)

    sfn._run_map_items, sfn._run_sub_machine = corrected, item


def history_reaches_into_maps() -> None:
    """AWS: the history has StateEntered and StateExited for the states within a Map too."""
    for kind in ("Pass", "Task", "Choice", "Wait", "Parallel", "Map"):
        name = f"_execute_{kind.lower()}"
        setattr(sfn, name, _with_history(kind, getattr(sfn, name)))


def _with_history(kind, execute):
    @functools.wraps(execute)
    def corrected(state, state_input, *rest):
        execution = _execution.get() if _within_map.get() else None
        if execution is None:
            return execute(state, state_input, *rest)
        name = rest[-1]["State"]["Name"]
        sfn._add_event(execution, f"{kind}StateEntered",
                       {"stateEnteredEventDetails": {"name": name, "input": json.dumps(state_input)}})
        output, following = execute(state, state_input, *rest)
        sfn._add_event(execution, f"{kind}StateExited",
                       {"stateExitedEventDetails": {"name": name, "output": json.dumps(output)}})
        return output, following
    return corrected
