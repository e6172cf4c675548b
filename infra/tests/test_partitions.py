"""Each function may use the partitions of the table that its source names: no more, and none is forgotten."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT / "functions" / "shared"
FUNCTION = re.compile(r"^(?: {4})?(?:pub(?:\(\w+\))? )?(?:const )?(?:async )?fn (\w+)", re.M)


def source(file):
    """A file without its tests and its comments."""
    return re.sub(r"//.*", "", file.read_text().split("#[cfg(test)]", 1)[0])


def functions_of(text):
    """Each Rust function's name and text."""
    starts = list(FUNCTION.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {start[1]: text[start.start():end] for start, end in zip(starts, ends)}


# The partitions that belong to nobody.
FIXED = ("FREEZE", "OPEN", "RUNNING")
PARTITIONS = dict(re.findall(r'const (\w+): &str = "([^"]+)"', source(SHARED / "aws/src/keys/partition.rs")))


def partition_of(name, keys):
    """The fixed beginning of the partition that Key::name is in."""
    text = keys[name].split("{", 1)[1]
    written = re.search(r"partition::(\w+)", text)
    if written:
        return PARTITIONS[written[1]]
    for fixed in FIXED:
        if f"Self::{fixed}" in text:
            return fixed
    if "in_release(" in text:
        return "RELEASE#"
    if "in_approval(" in text:
        return "APPROVAL#"
    return partition_of(re.search(r"Self::(\w+)\((?!\))", text.replace("Self::of(", ""))[1], keys)


def named(text, keys):
    found = {partition_of(name, keys) for name in re.findall(r"\bKey::([a-z_]+)", text)}
    return found | {fixed for fixed in FIXED if f"Key::{fixed}" in text}


def used():
    """The partitions by function, of its own source and of what it calls of the shared crates."""
    keys = functions_of(re.sub(r"//.*", "", (SHARED / "aws/src/keys.rs").read_text()))
    shared = {}
    for crate in ("release", "runtime"):
        for file in (SHARED / crate / "src").rglob("*.rs"):
            for name, text in functions_of(source(file)).items():
                # A call does not say which is meant of two with one name.
                shared[name] = shared.get(name, "") + text

    def through(text, seen):
        found = named(text, keys)
        for name in set(re.findall(r"\b(\w+)\(", text)) & set(shared) - seen:
            found |= through(shared[name], seen | {name})
        return found

    return {folder.parent.name: through("\n".join(source(file) for file in folder.rglob("*.rs") if file.name != "tests.rs"), set())
            for folder in (ROOT / "functions").glob("*/src")}


def allowed(name="partitions"):
    text = (ROOT / "infra/modules/deployer/functions.yaml").read_text()
    functions = re.findall(r"^([a-z-]+):\n((?:  .*\n)+)", text, re.M)
    listed = {function: re.search(rf"^  {name}: \[(.*)\]$", body, re.M) for function, body in functions}
    found = {function: re.findall(r"[A-Z][A-Z#*-]*", match[1]) for function, match in listed.items() if match}
    if name == "partitions":
        for function, body in functions:
            found[function] += ["CALLBACK#*", "WAKE#*"] if "  states:" in body else []
    return found


def test_every_function_may_use_the_partitions_that_its_source_names():
    without = [f"{function}: {partition}" for function, partitions in used().items() for partition in partitions
               if not any(one.removesuffix("*").startswith(partition) for one in allowed()[function])]
    assert not without


def test_no_function_may_use_a_partition_that_its_source_does_not_name():
    beyond = [f"{function}: {one}" for function, partitions in allowed().items() for one in partitions
              if not any(one.removesuffix("*").startswith(partition) for partition in used()[function])]
    assert not beyond


def test_only_steps_resume_release_and_the_reconciler_may_see_task_tokens():
    text = (ROOT / "infra/modules/deployer/functions.yaml").read_text()
    steps = set(re.findall(r"^([a-z-]+):\n  description:.*\n  states:", text, re.M))
    seeing = {function for function, partitions in allowed().items() if any(one.startswith(("CALLBACK", "*")) for one in partitions)}
    assert seeing == steps | {"resume-release", "reconcile"}


def test_what_a_function_may_write_or_remove_is_among_its_partitions():
    beyond = [f"{function}: {one}" for kind in ("written", "removed") for function, partitions in allowed(kind).items()
              for one in partitions if one not in allowed()[function]]
    assert not beyond
