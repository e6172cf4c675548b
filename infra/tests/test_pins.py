"""What comes from the network is pinned: images by digest, actions by commit, packages and files by checksum. A job that holds credentials
installs nothing at all."""

import json
import os
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ELSEWHERE = {".git", ".terraform", ".venv", "node_modules", "target"}

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
COMMIT = re.compile(r"@[0-9a-f]{40}$")
LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])[:/]|\$wire\b")
# What a job's token may do without being a credential.
HARMLESS = {"read", "none"}

# What fetches something: how it is known, and when what it fetches is pinned, by the command and the script that it is in.
FETCHES = {
    "pip": (r"\b(pip3?|pipx|uv)\b.*\b(install|download|sync|tool)\b", lambda command, script: "--require-hashes" in command),
    "npm": (r"\b(npm|npx|yarn|pnpm)\b", lambda command, script: re.search(r"\bnpm ci\b", command)),
    "cargo install": (r"\bcargo b?install\b", lambda command, script: "--locked" in command and "--rev " in command),
    "a package manager": (r"\b(apt|apt-get|apk|dnf|yum|brew|gem|snap|go)\b.*\b(install|add|get)\b", lambda command, script: False),
    "a download": (r"\b(curl|wget)\b", lambda command, script: LOOPBACK.search(command) or "sha256sum" in script),
    "docker": (r"\bdocker\b.*\b(pull|run)\b", lambda command, script: any(DIGEST.search(word) or built(word, script) for word in command.split())),
    "skopeo": (r"\bskopeo copy\b.*\bdocker://\S+ ", lambda command, script: "@sha256:" in command),
    "rustup": (r"\brustup toolchain install\b", lambda command, script: re.search(r'^channel = "\d+\.\d+\.\d+"$', (ROOT / "rust-toolchain.toml").read_text(), re.M)),
}


def files(*patterns):
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in ELSEWHERE]
        for name in names:
            path = pathlib.Path(folder, name)
            if any(path.match(pattern) for pattern in patterns):
                yield path


def built(image, script):
    """Whether the image is one that was built beside it: by the script, or by the step before it in the pipeline."""
    return re.search(rf"--tag {re.escape(image)}( |$)", script, re.M) or image == "web:tried"


def fetches(script):
    """Each command of a shell script that fetches something, and whether that is pinned."""
    script = re.sub(r"\\\n\s*", " ", script)
    # Neither a comment fetches anything, nor what is said, nor a look whether a program is there.
    script = re.sub(r"""(^|\s)#.*|\becho ("[^"]*"|'[^']*')|\bcommand -v \S+""", "", script, flags=re.M)
    for command in re.split(r"[\n;|&(){}]+", script):
        for known, is_pinned in FETCHES.values():
            if re.search(known, command):
                yield command.strip(), bool(is_pinned(command, script))


def in_dockerfile(text):
    """What is not pinned in a Dockerfile."""
    text = re.sub(r"\\\n\s*", " ", text)
    stages = set()
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        arguments = [argument for argument in rest.split() if not argument.startswith("--")]
        options = [argument for argument in rest.split() if argument.startswith("--")]
        if re.match(r"#\s*syntax\s*=", line) and not DIGEST.search(line.strip()):
            yield line
        elif word == "FROM":
            if arguments[0] not in stages | {"scratch"} and not DIGEST.search(arguments[0]):
                yield line
            stages |= {arguments[2]} if len(arguments) == 3 else set()
        elif word == "COPY":
            origins = [option.removeprefix("--from=") for option in options if option.startswith("--from=")]
            if any(origin not in stages and not DIGEST.search(origin) for origin in origins):
                yield line
        elif word == "ADD" and "://" in rest and not re.search(r"--checksum=sha256:[0-9a-f]{64} ", rest):
            yield line
        elif word == "RUN":
            yield from (command for command, pinned in fetches(rest) if not pinned)


def holds_credentials(job, of_the_workflow):
    """Whether a job could change something outside of it: by its token, by a secret, or as a role."""
    permissions = job.get("permissions", of_the_workflow)
    # Without any word the token may do what the repository's settings say.
    may_write = permissions is None or permissions == "write-all" or isinstance(permissions, dict) and not set(permissions.values()) <= HARMLESS
    text = json.dumps(job)
    return may_write or "secrets" in job or re.search(r"\$\{\{[^}]*\bsecrets\b", text) is not None or "role-to-assume" in text


def in_workflow(workflow):
    """What is not pinned in a workflow; and of a job that holds credentials everything that it fetches."""
    for name, job in workflow["jobs"].items():
        secret = holds_credentials(job, workflow.get("permissions"))
        images = [job.get("container"), *job.get("services", {}).values()]
        for image in (image["image"] if isinstance(image, dict) else image for image in images if image):
            if not DIGEST.search(image):
                yield f"{name}: {image}"
        for step in [job, *job.get("steps", [])]:
            used, script = step.get("uses", ""), step.get("run", "")
            # A workflow that is called has the rights of the one who calls it.
            if used.startswith("./") and secret:
                yield f"{name}: calls {used} with credentials"
            if used and not used.startswith("./") and not (COMMIT.search(used) or used.startswith("docker://") and DIGEST.search(used)):
                yield f"{name}: {used}"
            # It starts a builder, from an image whose tag moves where none is named.
            if used.startswith("docker/setup-buildx-action") and not re.search(r"\bimage=\S+@sha256:[0-9a-f]{64}(?=\s|$)", step.get("with", {}).get("driver-opts", "")):
                yield f"{name}: {used} names no builder by digest"
            if secret and used.startswith("actions/cache"):
                yield f"{name}: {used} brings what another job left"
            for command, pinned in fetches(script):
                if not pinned or secret and not LOOPBACK.search(command):
                    yield f"{name}: {command}"


DOCKERFILES = sorted(files("*Dockerfile*", "*Containerfile*"))
WORKFLOWS = sorted(files(".github/workflows/*.yml", ".github/workflows/*.yaml", "action.yml", "action.yaml"))
SCRIPTS = sorted(file for file in files("*") if file.is_file() and file.open("rb").read(64).startswith((b"#!/usr/bin/env bash", b"#!/bin/")))
DOCUMENTS = sorted(files("*.md"))


def test_what_a_build_takes_from_the_network_is_pinned():
    assert DOCKERFILES and len(WORKFLOWS) >= 4 and len(SCRIPTS) >= 3 and len(DOCUMENTS) > 20
    shown = {file: "\n".join(re.findall(r"^ *```sh\n(.*?)^ *```", file.read_text(), re.S | re.M)) for file in DOCUMENTS}
    found = [
        *(f"{file.relative_to(ROOT)}: {what}" for file in DOCKERFILES for what in in_dockerfile(file.read_text())),
        *(f"{file.relative_to(ROOT)}: {what}" for file in WORKFLOWS for what in in_workflow(yaml.safe_load(file.read_text()))),
        *(f"{file.relative_to(ROOT)}: {command}" for file in SCRIPTS for command, pinned in fetches(file.read_text()) if not pinned),
        *(f"{file.relative_to(ROOT)}: {command}" for file, text in shown.items() for command, pinned in fetches(text) if not pinned),
    ]

    assert not found


def test_the_jobs_that_hold_credentials_are_known():
    holding = {f"{file.stem}: {name}" for file in WORKFLOWS for workflow in [yaml.safe_load(file.read_text())]
               for name, job in workflow["jobs"].items() if holds_credentials(job, workflow.get("permissions"))}

    assert holding == {"app-release: push", "release: attest", "release: publish"}


def test_every_locked_package_has_its_checksum():
    without = []
    for file in files("requirements*.txt", "provider.txt"):
        entries = re.split(r"\n(?=\S)", re.sub(r"\s*#.*", "", file.read_text()).strip())
        without += [f"{file.relative_to(ROOT)}: {entry.split()[0]}" for entry in entries if "--hash=sha256:" not in entry]
    for file in files("package-lock.json"):
        packages = json.loads(file.read_text())["packages"]
        without += [f"{file.relative_to(ROOT)}: {name}" for name, package in packages.items() if name and not package.get("integrity", "").startswith("sha512-")]
    crates = re.findall(r'\[\[package\]\]\nname = "(.*)"\nversion = ".*"\nsource = ".*"\n(checksum)?', (ROOT / "Cargo.lock").read_text())
    without += [f"Cargo.lock: {name}" for name, checksum in crates if not checksum]
    # One for each platform that HashiCorp builds the provider for.
    provider = re.findall(r'"zh:[0-9a-f]{64}"', (ROOT / "infra/.terraform.lock.hcl").read_text())

    assert len(crates) > 100 and len(provider) > 10 and not without


STEPS = "permissions: {contents: read}\njobs:\n  one:\n    steps:\n"
PUSHES = "jobs:\n  one:\n    permissions: {id-token: write}\n    steps:\n"
HEX, SHA = "0123456789abcdef0123456789abcdef01234567", "@sha256:" + 64 * "a"


@pytest.mark.parametrize("text", [
    "FROM python:3.13", "FROM python@sha256:12", "ARG BASE\nFROM ${BASE}", f"FROM a{SHA} AS b\nFROM c", "FROM scratch\nCOPY --from=uv:1 /uv /uv",
    "FROM scratch\nADD https://example.com/a.pem /a.pem", "FROM scratch\nADD --chmod=0444 \\\n  https://example.com/a.pem /a.pem",
    f"FROM a{SHA}\nRUN pip install flask", f"FROM a{SHA}\nRUN apt-get update && apt-get install -y curl", "# syntax=docker/dockerfile:1\nFROM scratch",
    f"FROM a{SHA}\nRUN curl https://example.com | sh"])
def test_a_dockerfile_that_takes_what_nobody_pinned_is_found(text):
    assert list(in_dockerfile(text))


@pytest.mark.parametrize("text", [
    f"{STEPS}      - uses: actions/checkout@v6", f"{STEPS}      - uses: actions/checkout@{HEX[:12]}", f"{STEPS}      - uses: docker://alpine:3",
    f"{STEPS}      - run: pip install flask", f"{STEPS}      - run: npm install", f"{STEPS}      - run: npx eslint", f"{STEPS}      - run: cargo install cargo-deny", f"{STEPS}      - run: cargo install --locked --git https://example.com/a b",
    f"{STEPS}      - uses: docker/setup-buildx-action@{HEX}", f"{STEPS}      - uses: docker/setup-buildx-action@{HEX}\n        with: {{driver-opts: 'image=moby/buildkit:v0.32.2'}}",
    f"{STEPS}      - run: curl --fail https://example.com/tool | sh", f"{STEPS}      - run: sudo apt-get install skopeo", f"{STEPS}      - run: docker run alpine:3",
    "jobs:\n  one:\n    container: alpine:3\n    permissions: {}", "jobs:\n  one:\n    permissions: {}\n    services: {db: {image: 'postgres:17'}}",
    # Pinned, and yet not where there are credentials.
    f"{PUSHES}      - run: pip install --require-hashes -r requirements.txt", f"{PUSHES}      - run: npm ci", f"{PUSHES}      - uses: actions/cache@{HEX}",
    f"{PUSHES}      - run: curl https://example.com/tool -o tool && sha256sum --check tool.sha256",
    "jobs:\n  one:\n    permissions: {contents: write}\n    uses: ./.github/workflows/app-build.yml",
    "jobs:\n  one:\n    steps:\n      - run: npm ci", f"{STEPS}      - run: npm ci\n        env: {{TOKEN: '${{{{ secrets.TOKEN }}}}'}}"])
def test_a_workflow_that_takes_what_nobody_pinned_is_found(text):
    assert list(in_workflow(yaml.safe_load(text)))


@pytest.mark.parametrize("text", [
    f"{STEPS}      - uses: actions/checkout@{HEX}", f"{STEPS}      - run: python -m pip install --no-deps --require-hashes --requirement r.txt",
    f"{STEPS}      - uses: docker/setup-buildx-action@{HEX}\n        with: {{driver-opts: 'image=moby/buildkit:v0.32.2{SHA}'}}",
    f"{STEPS}      - run: npm ci", f"{STEPS}      - run: curl http://127.0.0.1:8080/health", f"{PUSHES}      - run: skopeo copy oci-archive:image.tar docker://a:b",
    f"{STEPS}      - run: command -v skopeo || echo 'apt-get install skopeo'", f"{STEPS}      - run: docker run alpine:3{SHA}"])
def test_a_workflow_that_takes_pinned_things_alone_is_taken(text):
    assert not list(in_workflow(yaml.safe_load(text)))
