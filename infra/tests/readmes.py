"""Writes the tables of inputs and outputs at the end of each README.md from variables.tf and outputs.tf beside it.

    python infra/tests/readmes.py            writes them
    python infra/tests/readmes.py --check    changes nothing, and fails when one is not current
"""

import pathlib
import re
import sys

INFRA = pathlib.Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.S | re.M)


def attribute(block, name):
    """The value of an attribute of a block as it is written; whole, when it goes on over lines."""
    found = re.search(rf"^  {name}\s*= (.*)$", block, re.M)
    if not found:
        return None
    value = found[1]
    if value.endswith(("(", "{", "[")):
        value += block[found.end():].split("\n  }", 1)[0] + "\n  }" + block[found.end():].split("\n  }", 1)[1].split("\n", 1)[0]
    return value


def text(value):
    """A string as HCL means it, fit for a cell."""
    return value.strip('"').replace('\\"', '"').replace("$${", "${").replace("|", "\\|")


def short(kind):
    """A type in one line: an object's fields are in variables.tf."""
    kind = re.sub(r"\s+", " ", kind)
    return re.sub(r"object\(\{.*\}\)", "object", kind) if "object" in kind else kind


def tables(folder):
    blocks = [(kind, name, block) for file in ("variables.tf", "outputs.tf") if (folder / file).exists()
              for kind, name, block in BLOCK.findall((folder / file).read_text())]
    inputs, outputs = [], []
    for kind, name, block in blocks:
        description = attribute(block, "description")
        if description is None:
            sys.exit(f"{folder.relative_to(INFRA.parent)}: {kind} {name} has no description")
        if kind == "variable":
            default = attribute(block, "default")
            default = "required" if default is None else "`" + " ".join(default.split()) + "`"
            inputs.append(f"| `{name}` | {text(description)} | `{short(attribute(block, 'type'))}` | {default} |")
        else:
            outputs.append(f"| `{name}` | {text(description)} |")
    parts = []
    if inputs:
        parts += ["## Inputs", "", "| name | what | type | default |", "| --- | --- | --- | --- |", *inputs, ""]
    if outputs:
        parts += ["## Outputs", "", "| name | what |", "| --- | --- |", *outputs, ""]
    return "\n".join(parts)


def main():
    check = sys.argv[1:] == ["--check"]
    stale = []
    for readme in sorted(INFRA.rglob("README.md")):
        if ".terraform" in readme.parts or not (readme.parent / "variables.tf").exists():
            continue
        old = readme.read_text()
        new = re.split(r"^## (?:Inputs|Outputs)$", old, maxsplit=1, flags=re.M)[0].rstrip() + "\n\n" + tables(readme.parent)
        if new != old:
            stale.append(str(readme.relative_to(INFRA.parent)))
            if not check:
                readme.write_text(new)
    if stale:
        print("\n".join(stale))
        if check:
            sys.exit("not current: run python infra/tests/readmes.py")


main()
