"""AWS's schemas of events know the example events and what the rules ask for."""

import json
import re
import subprocess

import pytest
from rendered import MAIN, fleet, resolve

SOURCES = ["aws.ecr", "aws.ecs", "aws.rds", "aws.cloudwatch", "aws.states", "aws.inspector2"]
# Of these AWS publishes no schema; tests/events/README.md names the page that each follows.
WITHOUT_A_SCHEMA = {"ECS Deployment State Change", "Inspector2 Scan"}
# A service's event through CloudTrail is what its API call is; the schema is of another call of ECR.
OF_ANOTHER_CALL = {"AWS API Call via CloudTrail"}
ENVELOPE = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
PYTHON = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "date-time": str}


@pytest.fixture(scope="session")
def schemas():
    answer = subprocess.run(["node", "events.mjs", *SOURCES], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def differences(value, schema, path="detail"):
    if isinstance(schema, list):
        if not isinstance(value, list):
            yield f"{path} is no list"
        for index, one in enumerate(value if isinstance(value, list) else []):
            yield from differences(one, schema[0], f"{path}[{index}]")
    elif isinstance(schema, dict):
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        yield from (f"{path}.{name} is missing" for name, it in schema.items() if name != "*" and it["required"] and name not in value)
        for name, one in value.items():
            if name in schema:
                yield from differences(one, schema[name]["type"], f"{path}.{name}")
            elif "*" not in schema:
                yield f"{path}.{name} is not in the schema"
    elif schema in PYTHON and not isinstance(value, PYTHON[schema]):
        yield f"{path} is {type(value).__name__}, not {schema}"


def asked(pattern, schema, path="detail"):
    """What a rule asks for that no event of the schema has."""
    for name, it in pattern.items():
        if name not in schema:
            yield f"{path}.{name} is not in the schema"
        elif isinstance(it, dict) and isinstance(schema[name]["type"], dict):
            yield from asked(it, schema[name]["type"], f"{path}.{name}")


EVENTS = {file.name: event for file in sorted((MAIN / "tests/events").glob("*.json"))
          if str((event := json.loads(file.read_text())).get("source", "")).startswith("aws.")}


# The schema leaves out what RDS's page has.
KNOWN = dict.fromkeys(["snapshot-created.json", "cluster-snapshot-created.json"], ["detail.EventID is not in the schema"]) | {
    # The example of "Amazon ECR events and EventBridge" has it.
    "image-pulled-through.json": ["detail.rule-version is not in the schema"],
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_example_event_is_one_of_aws(schemas, name):
    event = EVENTS[name]
    assert [field for field in ENVELOPE if field not in event] == []
    kind = event["detail-type"]
    if kind in WITHOUT_A_SCHEMA | OF_ANOTHER_CALL:
        readme = (MAIN / "tests/events/README.md").read_text()
        row = next(line for line in readme.splitlines() if f"`{name}`" in line)
        assert re.search(r"user guide|developer guide|the same", row), row
        return
    found = list(differences(event["detail"], schemas[f"{event['source']}|{kind}"]))
    assert found == KNOWN.get(name, [])


def test_the_rules_ask_for_what_events_have(schemas):
    rules = resolve(fleet(1), only={"rules"})["rules"]
    without = set()
    for name, rule in rules.items():
        for kind in rule["detail-type"]:
            known = [schemas[place] for source in rule["source"] if (place := f"{source}|{kind}") in schemas]
            if not known and rule["source"] != ["slipway"]:
                without.add(kind)
            for schema in known if kind not in OF_ANOTHER_CALL else []:
                # Of alternatives one is this kind's, and asks for nothing that it lacks.
                detail = rule.get("detail", {})
                lacking = [list(asked(one, schema)) for one in detail.get("$or", [detail])]
                assert [] in lacking, (name, kind, lacking)
    assert len(rules) > 7 and without == WITHOUT_A_SCHEMA
