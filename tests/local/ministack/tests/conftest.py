"""The corrected MiniStack, started for the tests, and what they do on it."""

import http.server
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile

import botocore.session
import pytest

# The modules beside this folder; MiniStack itself loads them by starting the folder.
CORRECTIONS = pathlib.Path(__file__).parents[1]
sys.path.append(str(CORRECTIONS))
from engine import Engine  # noqa: E402
from patience import until  # noqa: E402
from web import Web  # noqa: E402

FUNCTION = """
import json, time
def handler(event, context):
    event = event.get("detail", event)
    if event.get("ran"):
        with open(event["ran"], "a") as file:
            file.write(json.dumps({"version": context.function_version, "event": event}) + chr(10))
    records = [record["dynamodb"] for record in event.get("Records", [])]
    if records:
        with open(records[0]["Keys"]["pk"]["S"], "a") as file:
            file.write(json.dumps([record["Keys"]["sk"]["S"] for record in records]) + chr(10))
        bad = [record["SequenceNumber"] for record in records if record["Keys"]["sk"]["S"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": number} for number in bad]}
    time.sleep(event.get("seconds", 0))
    if event.get("fail"):
        raise RuntimeError(event.get("token", "no token"))
    return event
"""
ROLE = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com", "scheduler.amazonaws.com"]},
     "Action": "sts:AssumeRole"}]}
MAY_INVOKE = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}]}


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    yield from started(tmp_path_factory.mktemp("ministack"))


@pytest.fixture(scope="session")
def quick_cloud(tmp_path_factory):
    """A cloud whose retries pause a hundredth of their time."""
    yield from started(tmp_path_factory.mktemp("quick"), SFN_WAIT_SCALE="0.01")


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    engine = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def running(tmp_path_factory, engine):
    """A cloud that runs tasks, at the quick pace: a minute of a bake is a second."""
    yield from started(tmp_path_factory.mktemp("running"), SLIPWAY_QUICK="true", DOCKER_HOST=f"unix://{engine.path}")


@pytest.fixture
def web(running, engine):
    """A service of its own for each test; whatever ECS answered about it is held to AWS's model."""
    web = Web(running, engine)
    yield web
    web.remove()
    assert web.against == []


def started(folder, **more):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    told = Listener()
    environment = {
        "SLIPWAY_EVENTS": told.address, "SLIPWAY_GATES": str(folder / "gates.json"),
        "SLIPWAY_AWKWARD": str(folder / "awkward.json"),
        "PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1", "AUTH": "true", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "SLIPWAY_INBOX": str(folder),
        "SLIPWAY_TWICE": str(folder / "twice"), "DOCKER_HOST": f"unix://{folder}/none.sock", "PYTHONDONTWRITEBYTECODE": "1",
        **more}
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", str(CORRECTIONS)], env=environment, stdout=log, stderr=log)
    try:
        yield Cloud(port, folder, told)
    finally:
        process.terminate()
        process.wait(10)
        told.server.shutdown()


class Listener:
    """Takes the events that MiniStack tells of, in their order."""

    def __init__(self):
        events = self.events = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                events.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/happened"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, detail_type, **fields):
        """The details of the events of a type, those that have these fields."""
        return [event["detail"] for event in list(self.events) if event["detail-type"] == detail_type
                and all(event["detail"].get(name) == value for name, value in fields.items())]


class Cloud:
    def __init__(self, port, folder, told):
        self.told = told
        self.folder, self.endpoint = folder, f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        session = botocore.session.get_session()
        self.client = lambda service: session.create_client(
            service, endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test")
        self.sfn, self.iam = self.client("stepfunctions"), self.client("iam")
        self.role = self.iam.create_role(RoleName="may", AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
        self.iam.put_role_policy(RoleName="may", PolicyName="invoke", PolicyDocument=json.dumps(MAY_INVOKE))
        self.powerless = self.iam.create_role(
            RoleName="may-not", AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
        self.function = self.deploy("echo", FUNCTION)
        self.machines = 0

    def deploy(self, name, code, **environment):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("index.py", code)
        return self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.13", Handler="index.handler", Role=self.role, Timeout=20,
            Code={"ZipFile": archive.getvalue()}, Environment={"Variables": environment})["FunctionArn"]

    def task(self, resource="lambda:invoke", payload="{% $states.input %}", **fields):
        return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}",
                "Arguments": {"FunctionName": self.function, "Payload": payload}, "End": True, **fields}

    def machine(self, states, role=None, **fields):
        self.machines += 1
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **fields}
        return self.sfn.create_state_machine(
            name=f"machine-{self.machines}", definition=json.dumps(definition),
            roleArn=role or self.role)["stateMachineArn"]

    def start(self, machine, document=None, **fields):
        return self.sfn.start_execution(
            stateMachineArn=machine, input=json.dumps(document or {}), **fields)["executionArn"]

    def ended(self, execution, patience=20):
        return until(lambda: found if (found := self.sfn.describe_execution(executionArn=execution))["status"]
                     != "RUNNING" else None, patience)

    def run(self, states, document=None, **fields):
        execution = self.start(self.machine(states, **fields), document)
        return {**self.ended(execution), "events": self.events(execution)}

    def events(self, execution):
        return self.sfn.get_execution_history(executionArn=execution, maxResults=1000)["events"]
