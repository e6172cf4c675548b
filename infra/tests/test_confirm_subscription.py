"""infra/tools/confirm-subscription, with an `aws` that notes how it was called."""

import os
import pathlib
import subprocess
import sys

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[1] / "tools" / "confirm-subscription"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:slipway-approvals"
LINK = f"https://sns.eu-central-1.amazonaws.com/confirmation.html?TopicArn={TOPIC}&Token=2336412f37fb&Endpoint=ana@example.com"


@pytest.fixture
def confirm(tmp_path):
    def run(link, ends=0):
        stub = tmp_path / "aws"
        stub.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/called"\necho "{TOPIC}:1"\necho "it is too old" >&2\nexit {ends}\n')
        stub.chmod(0o755)
        ran = subprocess.run([sys.executable, TOOL, link], capture_output=True, text=True, check=False,
                             env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        called = tmp_path / "called"
        return ran, called.read_text() if called.exists() else None
    return run


def test_it_confirms_with_what_the_link_says_and_asks_for_iam(confirm):
    ran, called = confirm(LINK)
    assert ran.returncode == 0 and "Only IAM" in ran.stdout, ran
    assert f"--region eu-central-1 --topic-arn {TOPIC} --token 2336412f37fb --authenticate-on-unsubscribe true" in called


@pytest.mark.parametrize("link", ["https://example.com/", LINK.replace("Token", "Taken"), LINK.replace(":sns:", ":sqs:"), ""])
def test_another_link_is_refused_before_aws_is_asked(confirm, link):
    ran, called = confirm(link)
    assert ran.returncode == 1 and "TopicArn and Token" in ran.stderr and called is None, ran


def test_what_aws_says_is_shown(confirm):
    ran, _ = confirm(LINK, ends=254)
    assert ran.returncode == 1 and "it is too old" in ran.stderr, ran
