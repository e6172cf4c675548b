"""Another engine of Step Functions: moto's, as a library in one process, with the reference implementation of JSONata as its evaluator.

Where it differs from AWS it is corrected here: each attempt of a task has a token of its own, and a failure keeps its cause. A retry's pause
takes no time.
"""

import functools
import json
import logging
import os
import re
import subprocess
import threading
from pathlib import Path

REGION, ACCOUNT = "us-east-1", "000000000000"
FOLDER = Path(__file__).parent
_BINDINGS = re.compile("\0([^\0]*)\0")


class FunctionError(Exception):
    """A Lambda function failed."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.payload = {"errorType": kind, "errorMessage": message}


class Reference:
    """npm `jsonata`, in a process of Node."""

    def __init__(self):
        self._lock = threading.Lock()
        self._node = subprocess.Popen(["node", str(FOLDER / "jsonata.mjs")], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expressions = set()

    def close(self):
        self._node.stdin.close()
        self._node.wait(10)

    def evaluate(self, expression, bindings):
        """The value; None where the expression returns nothing, of which the engine makes States.QueryEvaluationError."""
        with self._lock:
            self.expressions.add(expression)
            self._node.stdin.write(json.dumps({"expression": expression, "bindings": bindings}) + "\n")
            self._node.stdin.flush()
            line = self._node.stdout.readline()
        if not line:
            raise SystemExit("node ended: see what it wrote")
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer.get("value")

    # The engine writes variables into the text of an expression, `($a:=1;…)`. Here they are bound instead, as AWS has them: a string with a
    # quote in it, or an array of one, must not depend on how it is written down.
    @staticmethod
    def encode(bindings):
        return "\0" + json.dumps({name.lstrip("$"): value for name, value in bindings.items()}, default=str) + "\0"

    def evaluate_composed(self, text):
        bindings = {}
        for part in _BINDINGS.findall(text):
            for name, value in json.loads(part).items():
                bindings[name] = {**bindings[name], **value} if name == "states" and name in bindings else value
        return self.evaluate(_BINDINGS.sub("", text).strip(), bindings)


class Engine:
    """Plays state machines; `invoke` is called for each invocation of a function, with its ARN and its event."""

    def __init__(self, invoke):
        os.environ.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s", AWS_DEFAULT_REGION=REGION, MOTO_ACCOUNT_ID=ACCOUNT)
        logging.disable(logging.ERROR)
        import boto3
        import moto
        from moto.stepfunctions import responses
        from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
        from moto.stepfunctions.parser.asl.component.common.string import string_expression
        from moto.stepfunctions.parser.asl.component.state.exec import execute_state
        from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
        from moto.stepfunctions.parser.asl.eval import states, variable_store
        from moto.stepfunctions.parser.asl.jsonata import jsonata, validations
        from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

        self.reference, self.pauses = Reference(), []

        def evaluated(expression):
            try:
                return self.reference.evaluate_composed(expression)
            except ValueError as error:
                raise jsonata.JSONataException("UNKNOWN", str(error)) from error

        jsonata._eval_jsonata = None
        for module in (jsonata, validations, states, variable_store, string_expression):
            if hasattr(module, "eval_jsonata_expression"):
                module.eval_jsonata_expression = evaluated
            if hasattr(module, "encode_jsonata_variable_declarations"):
                module.encode_jsonata_variable_declarations = Reference.encode

        lambda_eval_utils._invoke_lambda_function = lambda *arguments, **named: _answer(
            invoke, named.get("parameters", arguments[0] if arguments else None))
        retrier_decl.time = _Pauses(self.pauses)
        attempt = execute_state.ExecutionState._evaluate_with_timeout

        @functools.wraps(attempt)
        def with_a_token_of_its_own(state, env):
            if getattr(state, "_is_integration_pattern", lambda: False)():
                env.callback_pool_manager.add(env.states.context_object.update_task_token())
            return attempt(state, env)

        execute_state.ExecutionState._evaluate_with_timeout = with_a_token_of_its_own
        responses.StepFunctionResponse.send_task_failure = _fail
        # Every execution parses its machine anew, half a second each; what comes of it holds no state of an execution.
        AmazonStateLanguageParser.parse = staticmethod(functools.lru_cache(AmazonStateLanguageParser.parse))
        self._mock = moto.mock_aws(config={"stepfunctions": {"execute_state_machine": True}})
        self._mock.start()
        self.client = boto3.client("stepfunctions", region_name=REGION)

    def create(self, name, definition):
        role = f"arn:aws:iam::{ACCOUNT}:role/workflow"
        return self.client.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"]

    def start(self, machine, name, document):
        return self.client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(document))["executionArn"]

    def describe(self, execution):
        return self.client.describe_execution(executionArn=execution)

    def history(self, execution):
        return self.client.get_execution_history(executionArn=execution)["events"]

    def close(self):
        self._mock.stop()
        self.reference.close()


def _fail(response):
    from moto.core.responses import EmptyResult
    token, error, cause = map(response._get_param, ("taskToken", "error", "cause"))
    response.stepfunction_backend.send_task_failure(token, error=error, cause=cause)
    return EmptyResult()


class _Pauses:
    """A clock whose pauses are written down and take no time."""

    def __init__(self, pauses):
        self._pauses = pauses

    def sleep(self, seconds):
        self._pauses.append(seconds)


def _answer(invoke, parameters):
    payload = parameters.get("Payload") or b"{}"
    event = json.loads(payload if isinstance(payload, (str, bytes)) else json.dumps(payload))
    answer = {"ExecutedVersion": "1", "StatusCode": 200}
    try:
        return {**answer, "Payload": invoke(parameters["FunctionName"], event)}
    except FunctionError as error:
        return {**answer, "Payload": error.payload, "FunctionError": "Unhandled"}
