"""What the release workflow makes of the changelog and of the checksums, and what it needs to agree with."""

import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / ".github/release"
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- What nobody has yet.

## [1.2.3] - 2026-12-01

### Changed

- Apply it twice.

## [1.2] - 2026-11-01

- Older.

[1.2.3]: https://example.com
"""


def run(script, *arguments, cwd=ROOT):
    return subprocess.run([sys.executable, RELEASE / script, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def notes(tmp_path):
    def of(tag, version, changelog=CHANGELOG):
        (tmp_path / "Cargo.toml").write_text(f'[workspace]\nresolver = "3"\n\n[workspace.package]\nversion = "{version}"\n')
        (tmp_path / "CHANGELOG.md").write_text(changelog)
        return run("notes", tag, cwd=tmp_path)
    return of


def test_the_notes_are_the_versions_section_alone(notes):
    assert notes("v1.2.3", "1.2.3").stdout == "### Changed\n\n- Apply it twice.\n"
    assert notes("v1.2", "1.2").stdout == "- Older.\n"


def test_a_tag_that_is_not_the_version_is_refused(notes):
    ran = notes("v1.2.3", "1.2.4")
    assert ran.returncode == 1 and "Cargo.toml says 1.2.4" in ran.stderr, ran


def test_a_version_that_the_changelog_does_not_have_is_refused(notes):
    for changelog in [CHANGELOG, CHANGELOG + "\n## [1.2.4] - 2026-12-02\n\n"]:
        ran = notes("v1.2.4", "1.2.4", changelog)
        assert ran.returncode == 1 and "CHANGELOG.md has nothing for 1.2.4" in ran.stderr, ran


def targets():
    return [job["target"] for job in WORKFLOW["jobs"]["command"]["strategy"]["matrix"]["include"]]


def test_the_formula_has_the_checksum_of_each_system_that_brew_runs_on(tmp_path):
    sums = {target: f"{number:064x}" for number, target in enumerate(targets())}
    (tmp_path / "SHA256SUMS").write_text("".join(f"{sum_}  slipway-1.2.3-{target}.tar.gz\n" for target, sum_ in sums.items()))

    ran = run("formula", "v1.2.3", "https://example.com/acme/slipway", tmp_path / "SHA256SUMS")

    assert ran.returncode == 0 and not re.search(r"@[\w-]+@", ran.stdout), ran
    for target in targets():
        listed = f'url "https://example.com/acme/slipway/releases/download/v1.2.3/slipway-1.2.3-{target}.tar.gz"\n      sha256 "{sums[target]}"'
        assert (listed in ran.stdout) == ("windows" not in target), target


def test_a_formula_without_a_file_is_refused(tmp_path):
    (tmp_path / "SHA256SUMS").write_text(f"{64 * 'a'}  slipway-1.2.3-aarch64-apple-darwin.tar.gz\n")

    ran = run("formula", "v1.2.3", "https://example.com/acme/slipway", tmp_path / "SHA256SUMS")

    assert ran.returncode == 1 and "does not list slipway-1.2.3-x86_64-apple-darwin.tar.gz" in ran.stderr, ran


def test_cargo_binstall_looks_for_what_the_workflow_makes():
    packed = next(step["run"] for step in WORKFLOW["jobs"]["command"]["steps"] if step.get("name") == "Pack")
    manifest = (ROOT / "cli/Cargo.toml").read_text()
    assert "name=slipway-${GITHUB_REF_NAME#v}-$TARGET\n" in packed and 'tar -czf "dist/$name.tar.gz" "$name"' in packed
    assert 'pkg-url = "{ repo }/releases/download/v{ version }/slipway-{ version }-{ target }.tar.gz"' in manifest
    assert 'bin-dir = "slipway-{ version }-{ target }/{ bin }{ binary-ext }"' in manifest


def test_the_release_has_a_bundle_for_each_architecture_and_the_command_for_five_systems():
    jobs = WORKFLOW["jobs"]
    architectures = {job["architecture"] for job in jobs["bundle"]["strategy"]["matrix"]["include"]}
    allowed = re.search(r'contains\(\[(.*?)\], var\.architecture\)', (ROOT / "infra/variables.tf").read_text())[1]
    assert architectures == set(re.findall(r'"(\w+)"', allowed)) and len(targets()) == 5
    locked = next(step["run"] for step in jobs["bundle"]["steps"] if "providers lock" in step.get("run", ""))
    assert re.findall(r"-platform=(\w+)", locked) == ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"]
    roots = {str(file.parent.relative_to(ROOT)) for file in (ROOT / "infra/examples").glob("*/versions.tf")} | {"infra"}
    assert set(re.search(r"for root in (.*); do", locked)[1].split()) == roots


def test_whoever_signs_or_publishes_runs_nothing_of_the_project():
    for name in ["attest", "publish"]:
        job = WORKFLOW["jobs"][name]
        assert not any(step.get("uses", "").startswith("actions/checkout") for step in job["steps"]), name
        assert all(step["run"].startswith("gh release create ") for step in job["steps"] if "run" in step), name
