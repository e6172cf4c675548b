"""The state's lock: while one apply works, another is refused, by the file beside the state.

It needs a cloud to keep the state in (AWS_ENDPOINT_URL and credentials; the local one's are printed by `cargo local env`) and
Terraform (TERRAFORM names the program). STATE_BUCKET names a bucket of modules/state-backend; without it one is made.
"""

import os
import pathlib
import subprocess
import time
import uuid

import botocore.session
import pytest

TERRAFORM = os.environ.get("TERRAFORM", "terraform")
# Nothing but Terraform itself: a change that takes as long as its file says.
ROOT = """
terraform {
  backend "s3" {
    bucket         = "%s"
    key            = "%s/terraform.tfstate"
    region         = "us-east-1"
    use_lockfile   = true
    use_path_style = true
  }
}

variable "who" {
  type = string
}

resource "terraform_data" "change" {
  triggers_replace = [var.who]

  provisioner "local-exec" {
    command = "while [ -e go-on-waiting ]; do sleep 0.1; done"
  }
}
"""

pytestmark = pytest.mark.skipif("AWS_ENDPOINT_URL" not in os.environ, reason="it needs the local cloud")


@pytest.fixture
def s3():
    return botocore.session.get_session().create_client("s3", region_name="us-east-1")


@pytest.fixture
def bucket(s3):
    if given := os.environ.get("STATE_BUCKET"):
        yield given
        return
    name = f"state-lock-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    yield name
    for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)


class Person:
    """Someone with a folder of their own who applies the same configuration."""

    def __init__(self, folder: pathlib.Path, bucket: str, key: str):
        self.folder, self.name = folder, folder.name
        folder.mkdir()
        (folder / "main.tf").write_text(ROOT % (bucket, key))
        subprocess.run([TERRAFORM, "init", "-input=false"], cwd=folder, check=True, capture_output=True)

    def apply(self) -> subprocess.Popen:
        return subprocess.Popen(
            [TERRAFORM, "apply", "-auto-approve", "-input=false", "-no-color", "-lock-timeout=0s", f"-var=who={self.name}"],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def locks(s3, bucket, key) -> list:
    found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
    return [one["Key"] for one in found if one["Key"].endswith(".tflock")]


def test_the_second_of_two_concurrent_applies_is_refused(tmp_path, s3, bucket):
    key = uuid.uuid4().hex
    ana, bo = Person(tmp_path / "ana", bucket, key), Person(tmp_path / "bo", bucket, key)
    waiting = ana.folder / "go-on-waiting"
    waiting.touch()

    first = ana.apply()
    deadline = time.monotonic() + 30
    while not locks(s3, bucket, key):
        assert first.poll() is None and time.monotonic() < deadline, "the first apply never took the lock"
        time.sleep(0.05)
    second = bo.apply()
    refused = second.communicate(timeout=60)[0]
    waiting.unlink()
    applied = first.communicate(timeout=60)[0]

    assert second.returncode == 1 and "Error acquiring the state lock" in refused, refused
    assert first.returncode == 0, applied
    assert locks(s3, bucket, key) == [], "the lock is given back"
    third = bo.apply()
    assert third.communicate(timeout=60) and third.returncode == 0, "the other may apply then"
