"""Which operations of AWS each function calls, read from the source: its own, and what it reaches of the shared crates. The crate slipway-aws
alone speaks to AWS (STYLE), so a call is a method of one of its types, and a method's operations are those of its SDK client.

A call does not say which is meant of two functions with one name, so more may be found than is called, and never less."""

import functools
import re

from rendered import MAIN

FUNCTIONS = MAIN / "functions"
SHARED = FUNCTIONS / "shared"

# How IAM calls the services of the SDK's crates, where it has another word.
SERVICES = {"cloudwatchlogs": "logs", "elasticloadbalancingv2": "elasticloadbalancing", "eventbridge": "events", "sfn": "states"}
# Operations that are allowed by an action of another name: "Invoke", AWS Lambda API reference.
ACTIONS = {"lambda:invoke": "lambda:invokefunction"}
# What is asked without a client of the SDK.
SIGNED = {("OperatorsApi", "post"): "execute-api:invoke"}
# What gives one of slipway-aws's types, besides a variable of its name.
ACCESSORS = {"alarms": "Alarms", "repositories": "Repositories", "ecs": "Ecs", "load_balancers": "LoadBalancers", "executions": "Executions",
             "parameters": "Parameters", "snapshots": "Snapshots", "logs": "Logs", "events": "Events", "table": "Table", "topic": "Topic",
             "queues": "Queues", "functions": "Functions", "api": "OperatorsApi"}
FUNCTION = re.compile(r"^(?: {4})?(?:pub(?:\(\w+\))? )?(?:const )?(?:async )?fn (\w+)", re.M)
CALL = re.compile(r"\.\s*(\w+)(?:::<[^()]*?>)?\(")


def source(file):
    """A file without its tests and its comments."""
    return re.sub(r"//.*", "", file.read_text().split("#[cfg(test)]", 1)[0])


def functions_of(text):
    """Each Rust function's name and text, as it stands."""
    starts = list(FUNCTION.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return [(start[1], text[start.start():end]) for start, end in zip(starts, ends)]


def operation(service, name):
    """As IAM writes it, but for the case of its letters: `describe_db_instances` is DescribeDBInstances."""
    called = f"{SERVICES.get(service, service)}:{name.replace('_', '')}"
    return ACTIONS.get(called, called)


@functools.cache
def methods():
    """The text of each method of slipway-aws's types, and the operations that it calls itself."""
    found, services = {}, {}
    files = sorted((SHARED / "aws/src").rglob("*.rs"))
    for file in files:
        text = source(file)
        for kind in re.findall(r"^pub struct (\w+) \{\n    client: Client,", text, re.M):
            services[kind] = re.search(r"use aws_sdk_(\w+)::", text)[1]
    for file in files:
        for kind, body in re.findall(r"^impl (\w+) \{\n(.*?)^\}", source(file), re.S | re.M):
            found |= {(kind, name): (text, {SIGNED[kind, name]}) for name, text in functions_of(body) if (kind, name) in SIGNED}
            for name, text in functions_of(body) if kind in services else []:
                called = {operation(services[kind], one) for one in re.findall(r"client\s*\.\s*([a-z_]+)\(\)", text) if one != "config"}
                # A transaction is allowed by the actions of its parts.
                if "dynamodb:transactwriteitems" in called:
                    called.remove("dynamodb:transactwriteitems")
                called |= {operation("dynamodb", f"{part.lower()}_item") for part in re.findall(r"\b(Put|Update|Delete)::builder\(\)", text)}
                found[kind, name] = (text, called)
    return found


@functools.cache
def of_method(kind, name):
    """The operations of a method, and of those of the same type that it calls."""
    text, called = methods()[kind, name]
    others = set(re.findall(r"\bself\s*\.\s*(\w+)(?:::<[^()]*?>)?\(", text)) - {name}
    return called.union(*(of_method(kind, other) for other in others if (kind, other) in methods()))


def receiver(text, end):
    """The word before a call: of `aws.table(&name).get(` it is `table`, of `ecs.update(` it is `ecs`."""
    before = text[:end].rstrip()
    while before.endswith("?") or before.endswith(".await"):
        before = before.removesuffix("?").removesuffix(".await").rstrip()
    if before.endswith(")"):
        depth = 0
        for place in range(len(before) - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(before[place], 0)
            if depth == 0:
                break
        before = before[:place].rstrip()
        if before.endswith("clone"):
            return receiver(before, len(before) - len("clone") - 1)
    return re.search(r"(\w*)$", before)[1]


def variables(text):
    """The variables that hold one of the types, by the type."""
    known = {}
    for names, values in re.findall(r"\blet \(([\w, ]+)\) = \(([^;]*)\);", text):
        for name, value in zip(names.split(", "), values.split("), ")):
            if found := re.search(r"\.\s*(\w+)\([^.]*$", value):
                known[name] = found[1]
    for name, value in re.findall(r"\blet (\w+) = \w+(?:\.\w+)?\s*\.\s*(\w+)\([^;]*\);", text):
        known.setdefault(name, value)
    return {name: ACCESSORS[accessor] for name, accessor in known.items() if accessor in ACCESSORS}


def resolved(text, held, call):
    """The method of slipway-aws that a call with a dot is, if it is one."""
    word = receiver(text, call.start())
    kind = held.get(word) or ACCESSORS.get(word)
    return (kind, call[1]) if (kind, call[1]) in methods() else None


def of_aws(text):
    """What a text calls of slipway-aws."""
    held = variables(text)
    return {one for call in CALL.finditer(text) if (one := resolved(text, held, call))}


class Rust:
    """A file of Rust: its functions, and what it can call of other files."""

    def __init__(self, file):
        self.text, self.stem = source(file), file.stem
        self.free = {name: text for name, text in functions_of(self.text) if re.match(r"\S", text)}
        self.methods, self.public = {}, set()
        for kind, body in re.findall(r"^impl(?:<[^>{]*>)? (\w+)[^\n]*\{\n(.*?)^\}", self.text, re.S | re.M):
            for name, text in functions_of(body):
                self.methods.setdefault(name, []).append((kind, text))
                if text.strip().startswith("pub "):
                    self.public.add(name)
        imported = re.findall(r"use (?:crate|slipway_release|slipway_runtime)(?:::\w+)*::(\{[^}]*\}|\w+);", self.text)
        self.imported = set(re.findall(r"\w+", " ".join(imported))) | set(re.findall(r"\b(?:slipway_release|slipway_runtime)::(\w+)\(", self.text))

    def reached(self, text):
        """The functions of this and of the shared crates that a text of this file calls, each with its file."""
        held = variables(text)
        for call in CALL.finditer(text):
            # The accessor of a connection, such as `aws.alarms()`, is no method of ours.
            if not resolved(text, held, call) and not (call[1] in ACCESSORS and receiver(text, call.start()) == "aws"):
                yield from ((file, found) for file in {self, *shared()} for _, found in file.methods.get(call[1], []) if file is self or call[1] in file.public)
        for kind, name in re.findall(r"(?<![.\w])(?:(\w+)::)?(\w+)(?:::<[^()]*?>)?\(", text):
            for file in {self, *shared()}:
                yield from ((file, found) for of, found in file.methods.get(name, []) if kind == of or kind == "Self" and file is self)
                if name in file.free and (file is self if not kind and name not in self.imported else kind in ("", file.stem, "slipway_release", "slipway_runtime")):
                    yield file, file.free[name]


@functools.cache
def shared():
    """The shared crates besides slipway-aws."""
    return [Rust(file) for crate in ("release", "runtime") for file in sorted((SHARED / crate / "src").rglob("*.rs"))]


@functools.cache
def called():
    """The operations that each function calls, as IAM's actions in lower case."""
    found = {}
    for folder in sorted(FUNCTIONS.glob("*/src")):
        files, seen, used = [Rust(file) for file in sorted(folder.rglob("*.rs"))], set(), set()
        reached = [(file, text) for file in files for text in (*file.free.values(), *(text for all_of in file.methods.values() for _, text in all_of))]
        while reached:
            file, text = reached.pop()
            if text not in seen:
                seen.add(text)
                used |= of_aws(text)
                reached += file.reached(text)
        found[folder.parent.name] = set().union(*(of_method(*one) for one in used))
    return found
