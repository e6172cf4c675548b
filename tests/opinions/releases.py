"""The functions of the workflow as scripts, and releases played with them.

A step ends its task by its token, as the real ones do: `Done` succeeds, `Failed` fails with a name, `Parked` leaves it to an event, which fails it
with `Woken`. `Thrown` is an error of the function itself, `Forgotten` a token that nothing ever answers.
"""

import copy
import functools
import json
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from engine import ACCOUNT, REGION, FunctionError

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "statemachine/examples"
TRACES = REPOSITORY / "tests/e2e/traces"
# How long after its function an event comes, and how long a release may take, in seconds.
SOON, PATIENCE = 0.05, 30


def example(name, **changes):
    return json.loads((EXAMPLES / f"{name}.json").read_text()) | changes


@functools.cache
def workflow():
    """The workflow as Step Functions gets it."""
    text = (REPOSITORY / "statemachine/release.asl.yaml").read_text().replace("${partition}", "aws")
    text = re.sub(r"\$\{(\w+)_arn\}", lambda found: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:slipway-{found[1].replace('_', '-')}:1", text)
    return json.dumps(yaml.safe_load(text))


def definition(change=None):
    """The same as a document; `change` gets its states, and those of a stage."""
    document = json.loads(workflow())
    if change:
        change(document["States"], document["States"]["Stages"]["ItemProcessor"]["States"])
    return document


@dataclass
class Done:
    output: dict


@dataclass
class Failed:
    error: str
    cause: str = ""


@dataclass
class Thrown:
    error: str
    message: str = "said the script"


class Parked:
    """An event wakes the step soon."""


class Forgotten:
    """Nothing answers the token."""


def end(name, **changes):
    """A step that ends the release: what an example says as a failure's name and cause."""
    document = example(name, **changes)
    return Failed("Changed" if document["changed"] else "Unchanged", json.dumps(document))


DONE = {
    "AcquireLock": "acquire-lock.output", "CheckImage": "gate.output", "CheckImageAgain": "gate.output", "RequestApproval": "request-approval.output",
    "SnapshotDatabase": "gate.output", "RunMigration": "gate.output", "DeployServices": "deploy-services.output",
    "VerifyServices": "verify-services.output", "BakeStage": "bake-stage.output", "RollBack": "deploy-services.output.baseline",
    "VerifyBaseline": "verify-services.output", "FinishRelease": "finish-release.output"}
PRODUCTION = {"stage": "production"}


def done(state, event):
    if state == "CaptureBaseline":
        stage = event["application"]["stages"][event["position"]]
        return Done(example("capture-baseline.output.production" if stage["name"] == "production" else "capture-baseline.output"))
    return Done(example(DONE[state]))


@dataclass
class Release:
    """One release: what it is started with, what its steps do where that is not `Done`, and how the workflow differs."""

    input: dict
    script: dict = field(default_factory=dict)
    change: object = None
    calls: list = field(default_factory=list)
    tokens: list = field(default_factory=list)
    answers: list = field(default_factory=list)

    def step(self, client, state, event, token):
        stage = event.get("stage")
        stage = stage.get("name") if isinstance(stage, dict) else stage
        if "application" in event and "position" in event:
            stage = event["application"]["stages"][event["position"]]["name"]
        self.calls.append((state, stage, copy.deepcopy(event)))
        self.tokens.append(token)
        script = self.script.get((state, stage), self.script.get(state))
        move = script.pop(0) if script else done(state, event)
        if isinstance(move, Thrown):
            raise FunctionError(move.error, move.message)
        if move is Parked:
            threading.Timer(SOON, self.answer, (client, token, Failed("Woken"))).start()
        elif move is not Forgotten:
            self.answer(client, token, move)

    def answer(self, client, token, move):
        if isinstance(move, Done):
            call = lambda: client.send_task_success(taskToken=token, output=json.dumps(move.output))  # noqa: E731
        else:
            call = lambda: client.send_task_failure(taskToken=token, error=move.error, cause=move.cause)  # noqa: E731
        for _ in range(40):
            try:
                call()
                return self.answers.append("taken")
            except AttributeError:  # moto looks through all executions, and stumbles over one that is just beginning.
                time.sleep(0.05)
            except client.exceptions.ClientError as error:
                return self.answers.append(error.response["Error"]["Code"])
        raise RuntimeError("the engine takes no answer")


class Played:
    """How a release went."""

    def __init__(self, engine, execution, release):
        self.release, self.described, events = release, engine.describe(execution), engine.history(execution)
        self.events = events
        self.way = [event["stateEnteredEventDetails"]["name"] for event in events if event["type"].endswith("StateEntered")]
        self.status = self.described["status"]
        self.finish = next((event for state, _, event in release.calls if state == "FinishRelease"), None)

    @property
    def failure(self):
        """What FinishRelease is told: the failure of the stage, with its own cause read."""
        failure = self.finish["failure"]
        return json.loads(failure["cause"]) if failure["error"] == "StageFailed" else failure

    def edges(self):
        """The ways from a state to the next, those into a Map included; the next stage begins after the one before."""
        return set(zip(self.way, self.way[1:]))


class Player:
    """Plays releases on an engine, which calls their functions."""

    def __init__(self, engine_of):
        self.releases, self.machines = {}, {}
        self.engine = engine_of(self.invoke)

    def invoke(self, _arn, event):
        release = self.releases[event["input"]["release"]["id"]]
        return release.step(self.engine.client, event["state"], event["input"], event["token"])

    def play(self, name, release) -> Played:
        document = json.dumps(definition(release.change))
        if document not in self.machines:
            self.machines[document] = self.engine.create(f"machine-{len(self.machines)}", document)
        given = copy.deepcopy(release.input)
        given["release"]["id"] = f"web-{len(self.releases):032x}"
        self.releases[given["release"]["id"]] = release
        execution = self.engine.start(self.machines[document], name, given)
        deadline = time.monotonic() + PATIENCE
        while self.engine.describe(execution)["status"] == "RUNNING":
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} still runs; it went {Played(self.engine, execution, release).way}")
            time.sleep(0.05)
        return Played(self.engine, execution, release)


def recorded(story):
    """The states of the first release of a story that was recorded on the local cloud."""
    first = (TRACES / f"{story}.txt").read_text().split("\n\n")[0]
    lines = [line[2:].split(" → ")[0] for line in first.splitlines() if re.match(r"  \S", line)]
    return [line for line in lines if re.fullmatch(r"[A-Z][A-Za-z]+\??", line)]


def edges():
    """Every way from a state to the next that the workflow has."""
    found = set()

    def collect(machine):
        for name, state in machine["States"].items():
            if "ItemProcessor" in state:
                collect(state["ItemProcessor"])
                found.add((name, state["ItemProcessor"]["StartAt"]))
            rules = state.get("Choices", []) + state.get("Catch", [])
            found.update((name, to) for to in [state.get("Next"), state.get("Default"), *(rule["Next"] for rule in rules)] if to)

    collect(definition())
    return found
