"""What people read: every link leads somewhere, and a reader who has the README alone finds what is asked first."""

import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ELSEWHERE = {".git", ".terraform", ".venv", "node_modules", "target"}
MIGRATIONS = sorted((ROOT / "docs/migrate").glob("*.md"))


def documents():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in ELSEWHERE]
        yield from (pathlib.Path(folder, name) for name in names if name.endswith(".md"))


def prose(text):
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in re.findall(r"^#+ (.*)$", prose(text), re.M))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken(file, text):
    """The links of a page that lead nowhere."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        page = target / "README.md" if target.is_dir() else target
        if re.match(r"https?:|mailto:", link):
            continue
        if not target.exists() or anchor and page.suffix == ".md" and anchor not in anchors(text if page == file else page.read_text()):
            yield link


def test_every_link_leads_somewhere():
    pages = list(documents())

    assert len(pages) > 40
    assert [f"{file.relative_to(ROOT)}: {link}" for file in pages for link in broken(file, file.read_text())] == []


def test_a_link_that_leads_nowhere_is_found():
    page = ROOT / "README.md"

    assert list(broken(page, "# One\n[a](LICENSE) [b](#one) [c](infra/README.md#use) [d](https://example.com)")) == []
    assert list(broken(page, "# One\n[a](LICENCE) [b](#two) [c](infra/README.md#abuse)")) == ["LICENCE", "#two", "infra/README.md#abuse"]


def test_the_readme_answers_what_is_asked_first():
    text = (ROOT / "README.md").read_text()
    sections = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.S | re.M))

    for asked in ("Install it", "Configure it", "What it costs", "What it can do to production", "How to go back", "How to remove it"):
        assert len(sections[asked].split()) > 40, asked
    assert "cargo local demo" in text and "cargo local test" in text


def test_the_readmes_figures_are_those_of_their_sources():
    readme, infra = (ROOT / "README.md").read_text(), (ROOT / "infra/README.md").read_text()
    (idle,) = re.findall(r"^\| deployer, 0 releases \| (\$[\d.]+)", infra, re.M)
    (whole,) = re.findall(r"costs (\$\d+) while nobody\ndeploys", infra)
    (hour,) = re.findall(r"(\d+) cents an hour\*\*", (ROOT / "infra/examples/trial/README.md").read_text())

    assert f"{idle} a month" in readme and f"{whole} a month" in readme and f"{hour} cents an hour" in readme


@pytest.mark.parametrize("page", MIGRATIONS, ids=lambda page: page.stem)
def test_a_page_on_coming_from_elsewhere_says_how_to_go_back(page):
    text = page.read_text()

    assert len(text.splitlines()) <= 120
    for section in ("What maps to what", "Step by step", "To go back", "Sources"):
        assert f"\n## {section}\n" in text, section


def test_the_pages_on_coming_from_elsewhere_are_there():
    assert [page.stem for page in MIGRATIONS] == ["codepipeline", "copilot", "ecspresso", "github-action"]
