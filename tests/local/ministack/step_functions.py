"""Step Functions, where MiniStack 1.5.33 differs from AWS in what a release can observe."""

import contextlib
import contextvars
import functools
import json
import math
import random
import re
import threading
import time
import uuid

from jsonata import functions as jsonata_functions
from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import stepfunctions as sfn

# What the running thread works for. MiniStack copies the context into each thread that it starts.
_execution = contextvars.ContextVar("slipway_execution", default=None)
_within_map = contextvars.ContextVar("slipway_within_map", default=False)
_map_run = contextvars.ContextVar("slipway_map_run", default=None)
_attempt = contextvars.ContextVar("slipway_attempt", default=None)

_tokens = threading.Lock()
_issued: set = set()
_history = threading.Lock()

# What AWS takes of an input, an output, an error and its cause; bytes for documents, characters for the rest.
_PAYLOAD = 262_144
_LIMITS = {"name": 80, "taskToken": 2048, "error": 256, "cause": 32_768}
_DOCUMENTS = {"input": "InvalidExecutionInput", "output": "InvalidOutput"}


class _Stopped(sfn._ExecutionError):
    """Ends the work of an execution, or of a Map, that is no longer running: no Retry and no Catch holds it."""

    def __init__(self):
        super().__init__("States.Runtime", "The execution is no longer running")


def apply() -> None:
    execution_time_limit()
    stopping_ends_the_work()
    start_is_idempotent()
    definitions_are_checked()
    states_are_limited()
    attempts_begin_anew()
    callbacks_fail_with_their_function()
    tokens_count_once()
    documents_are_limited()
    functions_are_invoked_as_the_role()
    some_errors_end_the_execution()
    retries_pause_as_they_say()
    variables_are_assigned_together()
    succeed_states_have_an_output()
    strings_keep_their_letters()
    maps_stop_at_the_first_failure()
    history_reaches_into_maps()
    history_says_how_an_attempt_went()
    history_is_limited()


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


def definitions_are_checked() -> None:
    """AWS: a definition is refused whose Retry or Catch has States.ALL beside another name or before another entry, whose
    Retry has numbers out of range, whose TimeoutSeconds is no positive integer, or that reads $states.result or
    $states.errorOutput where there is none. MiniStack only parses the expressions."""
    check = sfn._validate_definition_jsonata

    @functools.wraps(check)
    def corrected(text):
        refused = check(text)
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            refused = refused or next(_problems(json.loads(text)), None)
        return refused

    sfn._validate_definition_jsonata = corrected


def _problems(machine, path=""):
    for name, state in machine.get("States", {}).items():
        at = f"{path}/States/{name}"
        for message in (*_retry_problems(state), *_scope_problems(state)):
            yield f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {message} at {at}'"
        if "ItemProcessor" in state:
            yield from _problems(state["ItemProcessor"], f"{at}/ItemProcessor")
        for number, branch in enumerate(state.get("Branches", [])):
            yield from _problems(branch, f"{at}/Branches[{number}]")


def _retry_problems(state):
    for field in ("Retry", "Catch"):
        entries = state.get(field, [])
        for number, entry in enumerate(entries):
            names = entry.get("ErrorEquals")
            if not names:
                yield f"{field}[{number}] names no error"
            elif "States.ALL" in names and (len(names) > 1 or number + 1 < len(entries)):
                yield f"States.ALL must appear alone, and in the last entry of {field}"
    for number, retrier in enumerate(state.get("Retry", [])):
        interval, longest = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
        if not (_whole(interval) and 1 <= interval <= 99_999_999):
            yield f"Retry[{number}]: IntervalSeconds must be an integer from 1 to 99999999"
        if longest is not None and not (_whole(longest) and interval < longest < 31_622_400):
            yield f"Retry[{number}]: MaxDelaySeconds must be an integer above IntervalSeconds and below 31622400"
        if not (_whole(retrier.get("MaxAttempts", 3)) and 0 <= retrier.get("MaxAttempts", 3) <= 99_999_999):
            yield f"Retry[{number}]: MaxAttempts must be an integer from 0 to 99999999"
        if not (sfn._is_num(retrier.get("BackoffRate", 2)) and retrier.get("BackoffRate", 2) >= 1):
            yield f"Retry[{number}]: BackoffRate must be at least 1"
        if retrier.get("JitterStrategy", "NONE") not in ("FULL", "NONE"):
            yield f"Retry[{number}]: JitterStrategy must be FULL or NONE"
    seconds = state.get("TimeoutSeconds", 1)
    if not isinstance(seconds, str) and not (_whole(seconds) and 1 <= seconds <= 99_999_999):
        yield "TimeoutSeconds must be an integer from 1 to 99999999"


def _scope_problems(state):
    """Where an expression of this state reads a part of $states that is not there."""
    has_result = state.get("Type") in ("Task", "Parallel", "Map")
    caught = [{key: entry.get(key) for key in ("Output", "Assign")} for entry in state.get("Catch", [])]
    inner = ("ItemProcessor", "Branches", "Catch", "Comment")
    outcome = {key: state[key] for key in ("Output", "Assign") if key in state}
    rest = {key: value for key, value in state.items() if key not in inner and key not in outcome}
    if _reads("result", caught, rest) or (_reads("result", outcome) and not has_result):
        yield "$states.result is only for Output and Assign of a Task, Parallel or Map"
    if _reads("errorOutput", outcome, rest):
        yield "$states.errorOutput is only for Output and Assign of a Catch"
    if _reads(r"context\.Task", caught, outcome, rest) and ".waitForTaskToken" not in state.get("Resource", ""):
        yield "$states.context.Task is only for a task that waits for a token"


def _reads(what, *fields) -> bool:
    return re.search(rf"\$states\.{what}\b", json.dumps(fields)) is not None


def _whole(number) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _size(document) -> int:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode())


def states_are_limited() -> None:
    """AWS: a state whose arguments, result or output have more than 262,144 bytes fails with States.DataLimitExceeded.
    MiniStack has no limit."""
    def limited(make):
        @functools.wraps(make)
        def corrected(*arguments, **named):
            made = make(*arguments, **named)
            if _size(made) > _PAYLOAD:
                whose = arguments[2]["State"]["Name"] if len(arguments) > 2 else arguments[0]
                raise sfn._ExecutionError(
                    "States.DataLimitExceeded",
                    f"The state/task '{whose}' returned a result with a size exceeding the maximum number of bytes service limit.")
            return made
        return corrected

    for name in ("_apply_jsonata_arguments", "_apply_jsonata_output", "_invoke_resource"):
        setattr(sfn, name, limited(getattr(sfn, name)))


def attempts_begin_anew() -> None:
    """AWS: each attempt of a task evaluates Arguments and TimeoutSeconds, and has a token of its own; what an expression
    fails with goes through the state's Retry and Catch. MiniStack repeats the token, and compares a TimeoutSeconds that is
    an expression, as text, with a clock."""
    execute, arguments = sfn._execute_task, sfn._apply_jsonata_arguments

    @functools.wraps(execute)
    def corrected(state, state_input, execution, context):
        if isinstance(state.get("TimeoutSeconds"), str):
            state = {**state, "Expression": state["TimeoutSeconds"]}
        _attempt.set(None)
        try:
            return execute(state, state_input, execution, context)
        finally:
            context.pop("Task", None)

    @functools.wraps(arguments)
    def begun(state, state_input, context=None):
        if not _running():
            raise _Stopped
        about = {"name": context["State"]["Name"], "region": get_region()}
        _attempt.set(about)
        if ".waitForTaskToken" in state.get("Resource", ""):
            context["Task"] = {"Token": str(uuid.uuid4())}
        made = arguments(state, state_input, context)
        if "Expression" in state:
            seconds = sfn._jsonata_state_field(
                {"TimeoutSeconds": state["Expression"]}, "TimeoutSeconds", "number", state_input, context)
            if not 1 <= seconds <= 99_999_999 or seconds != int(seconds):
                raise sfn._ExecutionError(
                    "States.QueryEvaluationError", f"TimeoutSeconds must be an integer from 1 to 99999999, but was: {seconds}")
            state["TimeoutSeconds"] = int(seconds)
        about["parameters"] = json.dumps(made)
        if "TimeoutSeconds" in state:
            about["timeoutInSeconds"] = state["TimeoutSeconds"]
        return made

    sfn._execute_task, sfn._apply_jsonata_arguments = corrected, begun


def callbacks_fail_with_their_function() -> None:
    """AWS: a `lambda:invoke.waitForTaskToken` task ends with the first of these: an answer to its token, even while the
    function still runs, its function's error, its time-out. What the function returns ends nothing. MiniStack swallows the
    error, and looks for an answer only when the function has returned."""
    invoke = sfn._invoke_with_callback

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
                returned = sfn._call_lambda(function, task_input.get("Payload", task_input))
            except sfn._ExecutionError as failure:
                answer(failure.error, failure.cause)
            except Exception as failure:  # the emulator's own fault must not look like an endless wait
                answer("States.Runtime", repr(failure))
            else:
                with _tokens:
                    if execution and waits():
                        submitted = {"resource": resource, "output": json.dumps({"StatusCode": 200, "Payload": returned})}
                        sfn._add_event(execution, "TaskSubmitted", {"taskSubmittedEventDetails": submitted})

        def waits():
            return sfn._task_tokens.get(token) is waiting and not waiting["event"].is_set()

        def answer(error, cause):
            with _tokens:
                if waits():
                    waiting["error"] = {"Error": error, "Cause": cause}
                    waiting["event"].set()

        if execution:
            sfn._add_event(execution, "TaskStarted", {"taskStartedEventDetails": {"resource": resource}})
        threading.Thread(target=contextvars.copy_context().run, args=(call,), daemon=True).start()
        waiting["event"].wait(timeout=state.get("TimeoutSeconds", 99_999_999))
        with _tokens:
            sfn._task_tokens.pop(token, None)
            answered = waiting["event"].is_set()
        if not _running():
            raise _Stopped
        if not answered:
            raise sfn._ExecutionError("States.Timeout", "")
        if waiting["error"]:
            raise sfn._ExecutionError(waiting["error"].get("Error", ""), waiting["error"].get("Cause", ""))
        return json.loads(waiting["result"])

    sfn._invoke_with_callback = corrected


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
    sfn._send_task_heartbeat = once(sfn._send_task_heartbeat)


def documents_are_limited() -> None:
    """AWS: StartExecution, SendTaskSuccess and SendTaskFailure take 262,144 bytes of JSON, 256 characters of an error and
    32,768 of a cause. What is longer is a ValidationException, what is no JSON InvalidExecutionInput or InvalidOutput.
    MiniStack takes everything."""
    def limited(call, *members):
        @functools.wraps(call)
        def corrected(data):
            return _refused(data, members) or call(data)
        return corrected

    sfn._start_execution = limited(sfn._start_execution, "name", "input")
    sfn._send_task_success = limited(sfn._send_task_success, "taskToken", "output")
    sfn._send_task_failure = limited(sfn._send_task_failure, "taskToken", "error", "cause")


def _refused(data, members):
    found = []
    for member in members:
        value = data.get(member)
        length, limit = (_size(value or ""), _PAYLOAD) if member in _DOCUMENTS else (len(value or ""), _LIMITS[member])
        constraint = f"Value at '{member}' failed to satisfy constraint: Member must"
        if value is None and member in ("taskToken", "output"):
            found.append(f"{constraint} not be null")
        elif length > limit:
            found.append(f"{constraint} have length less than or equal to {limit}")
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        return error_response_json("ValidationException", f"{count}: {'; '.join(found)}", 400)
    for member in _DOCUMENTS.keys() & members:
        try:
            json.loads(data.get(member, "{}"))
        except (ValueError, TypeError) as problem:
            return error_response_json(_DOCUMENTS[member], f"Invalid JSON: '{problem}'", 400)
    return None


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


def some_errors_end_the_execution() -> None:
    """AWS: nothing catches or retries States.Runtime, and States.ALL does not match States.DataLimitExceeded.
    MiniStack's States.ALL matches everything."""
    matches = sfn._error_matches

    @functools.wraps(matches)
    def corrected(names, error):
        if error == "States.Runtime":
            return False
        return error in names if error == "States.DataLimitExceeded" else matches(names, error)

    sfn._error_matches = corrected


def retries_pause_as_they_say() -> None:
    """AWS: MaxDelaySeconds caps a retry's pause, and with JitterStrategy FULL it is a random part of that. MiniStack knows
    neither, caps every pause at a minute, and goes on pausing when the execution has ended."""
    find = sfn._find_matching_retrier

    @functools.wraps(find)
    def corrected(retriers, error, counts):
        retrier, index = find(retriers, error, counts)
        if retrier is None:
            return retrier, index
        until = time.monotonic() + pause_before_retry(retrier, counts.get(index, 0)) * sfn._SFN_WAIT_SCALE
        while _running() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if not _running():
            raise _Stopped
        # The pause is over; MiniStack's own is none.
        return {**retrier, "IntervalSeconds": 0, "BackoffRate": 1}, index

    sfn._find_matching_retrier = corrected


def pause_before_retry(retrier, retried) -> float:
    """The seconds before the next attempt, after so many retries by this retrier."""
    try:
        grown = retrier.get("IntervalSeconds", 1) * float(retrier.get("BackoffRate", 2)) ** retried
    except OverflowError:
        grown = math.inf
    pause = min(grown, retrier.get("MaxDelaySeconds", 31_622_400))
    return random.uniform(0, pause) if retrier.get("JitterStrategy") == "FULL" else pause


def variables_are_assigned_together() -> None:
    """AWS: each expression of an Assign reads the variables as they were before it. MiniStack assigns one after the other."""
    assign = sfn._apply_state_assign

    @functools.wraps(assign)
    def corrected(state, state_input, context, result=None, error_output=None):
        if context is None:
            return
        before = dict(context.get("variables", {}))
        made = {}
        for name, template in (state.get("Assign") or {}).items():
            alone = {**context, "variables": dict(before)}
            assign({**state, "Assign": {name: template}}, state_input, alone, result, error_output)
            if name in alone["variables"]:
                made[name] = alone["variables"][name]
        context.setdefault("variables", {}).update(made)

    sfn._apply_state_assign = corrected


def succeed_states_have_an_output() -> None:
    """AWS: a Succeed state has an Output. MiniStack answers with the state's input."""
    apply_path = sfn._apply_output_path

    @functools.wraps(apply_path)
    def corrected(state, data, context=None):
        if state.get("Type") == "Succeed" and sfn._state_query_language(state, context) == "JSONata":
            return sfn._apply_jsonata_output(state, data, context, default=data)
        return apply_path(state, data, context)

    sfn._apply_output_path = corrected


def strings_keep_their_letters() -> None:
    """AWS: $string writes é as é. jsonata-python writes \\u00e9, which is longer than a limit may allow."""
    encoder = jsonata_functions.Functions.Encoder
    begin = encoder.__init__

    @functools.wraps(begin)
    def corrected(self, **options):
        begin(self, **{**options, "ensure_ascii": False})

    encoder.__init__ = corrected


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
    succeed, fail = sfn._apply_output_path, sfn._fail_state_error

    @functools.wraps(succeed)
    def succeeding(state, state_input, context=None):
        if state.get("Type") != "Succeed" or not _within_map.get():
            return succeed(state, state_input, context)
        _enter("Succeed", state_input, context)
        output = succeed(state, state_input, context)
        _exit("Succeed", output, context)
        return output

    @functools.wraps(fail)
    def failing(state, state_input, context=None):
        if _within_map.get():
            _enter("Fail", state_input, context)
        return fail(state, state_input, context)

    sfn._apply_output_path, sfn._fail_state_error = succeeding, failing


def _with_history(kind, execute):
    @functools.wraps(execute)
    def corrected(state, state_input, *rest):
        if not _within_map.get():
            return execute(state, state_input, *rest)
        if not _running():
            raise _Stopped
        _enter(kind, state_input, rest[-1])
        output, following = execute(state, state_input, *rest)
        _exit(kind, output, rest[-1])
        return output, following
    return corrected


def _enter(kind, state_input, context) -> None:
    details = {"name": context["State"]["Name"], "input": json.dumps(state_input)}
    if _execution.get():
        sfn._add_event(_execution.get(), f"{kind}StateEntered", {"stateEnteredEventDetails": details})


def _exit(kind, output, context) -> None:
    details = {"name": context["State"]["Name"], "output": json.dumps(output)}
    if _execution.get():
        sfn._add_event(_execution.get(), f"{kind}StateExited", {"stateExitedEventDetails": details})


def history_says_how_an_attempt_went() -> None:
    """AWS: an attempt that times out is TaskTimedOut in the history, and an expression that fails EvaluationFailed; resources
    are named by type and action; nothing follows the execution's end. MiniStack calls every failure TaskFailed, names the
    whole resource, and may number two events alike."""
    add = sfn._add_event

    @functools.wraps(add)
    def corrected(execution, kind, details=None):
        kind, details = _as_aws_reports(kind, details)
        with _history:
            last = execution["events"][-1] if execution["events"] else {"type": ""}
            if last["type"].startswith("Execution") and last["type"] not in ("ExecutionStarted", "ExecutionRedriven"):
                return last
            return add(execution, kind, details)

    sfn._add_event = corrected


def _as_aws_reports(kind, details):
    key = kind[:1].lower() + kind[1:] + "EventDetails"
    inner = dict((details or {}).get(key) or {})
    if not kind.startswith("Task") or "resource" not in inner:
        return kind, details
    about = _attempt.get() or {}
    if kind == "TaskFailed" and inner["error"] == "States.QueryEvaluationError":
        failed = {"state": about.get("name", ""), "error": inner["error"], "cause": inner["cause"]}
        return "EvaluationFailed", {"evaluationFailedEventDetails": failed}
    if kind == "TaskFailed" and inner["error"] == "States.Timeout":
        kind, key = "TaskTimedOut", "taskTimedOutEventDetails"
    service, colon, action = inner["resource"].partition(":states:::")[2].partition(":")
    if colon:
        inner.update(resourceType=service, resource=action)
    if kind == "TaskScheduled":
        inner.update((name, value) for name, value in about.items() if name != "name")
    return kind, {key: inner}


def history_is_limited() -> None:
    """AWS: a history has 25,000 events at most, and an execution fails whose last one is not ExecutionSucceeded. Each attempt
    of a task that waits for a token has four. MiniStack has no limit."""
    add = sfn._add_event

    @functools.wraps(add)
    def corrected(execution, kind, details=None):
        if len(execution["events"]) < 24_999 or kind.startswith("Execution"):
            return add(execution, kind, details)
        sfn._fail_execution(execution, "States.Runtime", "The execution reached the maximum number of history events (25000).")
        _release_tokens(execution)
        return execution["events"][-1]

    sfn._add_event = corrected
