"""The trial: nothing in it is kept from being destroyed, nothing is paid by the hour but what its README counts, and its image answers."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

TRIAL = pathlib.Path(__file__).resolve().parents[1] / "examples/trial"
MAIN = (TRIAL / "main.tf").read_text()


def test_nothing_is_kept_from_being_destroyed():
    assert re.search(r'module "deployer" \{.*?deletion_protection = false', MAIN, re.S)
    assert re.search(r'module "registry" \{.*?force_delete = true', MAIN, re.S)
    assert "enable_deletion_protection = false" in MAIN
    assert not re.search(r"prevent_destroy|deletion_protection\s*= (?!false)", MAIN)


def test_nothing_is_paid_by_the_hour_but_what_the_readme_counts():
    made = set(re.findall(r'^resource "(\w+)"', MAIN, re.M))
    modules = set(re.findall(r'source = "../../modules/([\w-]+)"', MAIN))

    assert not {kind for kind in made if re.search(r"nat_gateway|vpc_endpoint|eip|db_instance|dashboard|alarm|flow_log", kind)}
    # Each of these has a line of its own there: the load balancer, the tasks and their addresses, the deployer.
    assert {"aws_lb", "aws_ecs_service"} <= made and modules == {"deployer", "registry"}


def test_the_readmes_sum_is_the_sum_of_its_parts():
    readme = (TRIAL / "README.md").read_text()
    parts = [float(price) for price in re.findall(r"^\| [^*|]+ \| \$([\d.]+) \|$", readme, re.M)]
    (whole,) = re.findall(r"^\| \*\*all\*\* \| \*\*\$([\d.]+)\*\*", readme, re.M)

    assert len(parts) == 4
    assert round(sum(parts), 2) == float(whole)


@pytest.mark.parametrize("status", [200, 500])
def test_the_image_answers_as_it_was_built(status):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": str(port), "VERSION": "v1", "STAGE": "staging", "STATUS": str(status)}
    with subprocess.Popen([sys.executable, str(TRIAL / "image/app.py")], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            assert asked(port) == (status, {"version": "v1", "stage": "staging"})
        finally:
            process.terminate()
    assert process.returncode == 0, "it ends when ECS asks it to"


def asked(port):
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("it does not listen")
