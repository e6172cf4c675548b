"""Everything that infra/ writes for the AWS provider and reads of it, against the schemas of the oldest and the newest provider that it is for:
each type, argument, block and attribute that a .tf file names, and what it leaves out that is required.
"""

import glob
import os
import pathlib
import re

import hcl2

from schemas import providers

MAIN = pathlib.Path(__file__).resolve().parents[2]
# What Terraform itself takes in a block.
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "alias"}
REFERENCE = re.compile(r"(?<![\w.])(data\.)?(aws_\w+)\.\w+")
# What may stand behind one: an attribute, or what chooses of many.
STEP = re.compile(r"\.(\w+)|\.\*|\[(?:[^\[\]]|\[[^\[\]]*\])*\]")


def files():
    return sorted(glob.glob(str(MAIN / "infra/**/*.tf"), recursive=True))


def unquote(value):
    return value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value


def written(body):
    """The arguments and blocks of a block, by name. What `dynamic` makes is a block that knows its name and what it is made for."""
    for name, value in body.items():
        if name == "dynamic":
            for label, it in ((unquote(label), it) for dynamic in value for label, it in dynamic.items()):
                yield label, [{**content, "for_each": it["for_each"], "__label__": label} for content in it["content"]]
        elif not name.startswith("__"):
            yield unquote(name), value


def blocks(parsed):
    """The resources, data sources and providers of a file, as (kind, type, name, body)."""
    for kind in ("resource", "data"):
        for type_, named in (it for block in parsed.get(kind, []) for it in block.items()):
            for name, body in named.items():
                yield kind, unquote(type_), unquote(name), body
    for type_, body in (it for block in parsed.get("provider", []) for it in block.items()):
        yield "provider", unquote(type_), "provider", body


def source(reference):
    return ("data" if reference[1] else "resource", reference[2])


def path_behind(text, at):
    path = []
    while step := STEP.match(text, at):
        path += [step[1]] if step[1] else []
        at = step.end()
    return tuple(path)


def uses(name, text):
    return [path_behind(text, found.end()) for found in re.finditer(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)]


def read_in(text, bound):
    """Each attribute that an expression reads, as (kind, type, path); the path is empty where the expression does not say."""
    for name, of in bound.items():
        yield from ((*of, path) for path in uses(name, text))
    for found in REFERENCE.finditer(text):
        head, at = text[:found.start()], found.end()
        # one(values(aws_x.this)).arn
        while text.startswith(")", at) and (call := re.search(r"\b(one|values)\($", head)):
            head, at = head[:call.start()], at + 1
        # [for it in aws_x.this : it.arn]
        each, path = re.search(r"\bfor (?:\w+, )?(\w+) in $", head), path_behind(text, at)
        yield from ((*source(found), it) for it in (uses(each[1], text[at:]) if each and not path else [path]))


def reads(value, bound):
    """The same of all that is in a value; `bound` says which names stand for a resource there."""
    if isinstance(value, str):
        yield from read_in(value, bound)
    for it in value if isinstance(value, list) else []:
        yield from reads(it, bound)
    if isinstance(value, dict):
        # for_each = aws_x.this
        over = re.fullmatch(rf"\$\{{{REFERENCE.pattern}\}}", str(value.get("for_each")))
        bound = {**bound, f"{value.get('__label__', 'each')}.value": source(over)} if over else bound
        for name, it in written(value):
            yield from read_in(name, bound)
            if name not in ("depends_on", "moved") and not (over and name == "for_each"):
                yield from reads(it, bound)


def deprecated(block, name, path):
    if block.deprecated is None:
        yield f"nobody says what is deprecated in {path or 'it'}"
    elif name in block.deprecated:
        yield f"note: {path}{name} is deprecated ({block.deprecated[name]})"


def check_body(block, body, path=""):
    """What a provider does not take as it is written, and what is left out."""
    names = set()
    for name, value in written(body):
        if name in META:
            continue
        names.add(name)
        inner, inside = block.takes.get(name), [it for it in (value if isinstance(value, list) else [value]) if isinstance(it, dict)]
        is_block = any("__is_block__" in it for it in inside)
        if name not in block.takes:
            yield f"there is no argument {path}{name}"
        elif is_block and inner is None:
            yield f"{path}{name} is no block"
        elif not is_block and name in block.blocks:
            yield f"{path}{name} is a block"
        yield from deprecated(block, name, path)
        for it in inside if inner else []:
            yield from check_body(inner, it, f"{path}{name}.")
    yield from (f"{path}{name} is required" for name in sorted(block.needs - names))


def check_read(block, path):
    """What a provider does not give, on the way to an attribute."""
    for i, name in enumerate(path):
        if name not in block.gives:
            yield f"there is no attribute {'.'.join(path[:i + 1])}"
        yield from deprecated(block, name, "".join(f"{it}." for it in path[:i]))
        block = block.gives.get(name)
        if block is None:
            return


def check(where, text, versions=None):
    """What does not fit in a file, by all providers or by those of these versions, and how much was looked at."""
    parsed, found = hcl2.loads(text), []
    asked = [(kind, type_, name, check_body, body) for kind, type_, name, body in blocks(parsed)]
    read = {*reads(parsed, {})}
    for kind, type_, _, body in blocks(parsed):
        left_alone = [it["ignore_changes"] for it in body.get("lifecycle", []) if isinstance(it.get("ignore_changes"), list)]
        read |= {(kind, type_, (name,)) for names in left_alone for name in names}
    for kind, type_, path in sorted(read):
        if path:
            asked.append((kind, type_, ".".join(path), check_read, path))
        else:
            found.append(f"{where}: {kind} {type_}: what is read of it?")
    for kind, type_, name, ask, of in asked:
        for version, provider in providers().items():
            if versions and version not in versions:
                continue
            block = provider(kind, type_)
            found += [f"{where}: {kind} {type_}, {name}: {version}: {it}" for it in (ask(block, of) if block else ["there is no such type"])]
    return found, len(asked)


def versions_of(file):
    """The versions that the folder of a .tf file asks for, or None."""
    there = pathlib.Path(file).parent / "versions.tf"
    found = re.search(r'source  = "hashicorp/aws"\n +version = "(.*)"', there.read_text()) if there.exists() else None
    return found and found[1]


def problems():
    """What does not fit in infra/, and how much was looked at. What asks for version 6 is held to that alone."""
    found, seen = [], 0
    oldest, newest = providers()
    for file in files():
        wanted = [newest] if (versions_of(file) or "").startswith(">= 6") else [oldest, newest]
        more, looked_at = check(os.path.relpath(file, MAIN), pathlib.Path(file).read_text(), wanted)
        found, seen = found + more, seen + looked_at
    return found, seen
