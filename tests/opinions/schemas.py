"""What the oldest and the newest AWS provider that infra/ is for take and give: 5.100 by the schema that Terraform has of it, 6 by two packages
that are made from it and are read as they are packed, not run. CDK Terrain's bindings (cdktn-provider-aws) have every name, Pulumi's provider
(pulumi-aws) says what is deprecated; the little that it leaves out, such as an IAM role's managed_policy_arns, 5.100 says already.

    providers()["5.100.0"]("resource", "aws_sqs_queue").takes
"""

import ast
import dataclasses
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import zipfile

FOLDER = pathlib.Path(os.environ["SLIPWAY_OPINIONS"])
OLDEST = "5.100.0"
# Files of Pulumi's provider that are not called like the type.
PULUMI = {
    "aws": "provider",
    "aws_db_instance": "rds/instance",
    "aws_db_parameter_group": "rds/parameter_group",
    "aws_db_subnet_group": "rds/subnet_group",
    "aws_iam_openid_connect_provider": "iam/open_id_connect_provider",
    "aws_lb": "lb/load_balancer",
}


@dataclasses.dataclass
class Block:
    """A resource, a data source, or a block of one."""
    takes: dict = dataclasses.field(default_factory=dict)  # its arguments and blocks: {name: the Block of what has fields, else None}
    gives: dict = dataclasses.field(default_factory=dict)  # its attributes, in the same way
    needs: set = dataclasses.field(default_factory=set)  # which of those that it takes are required
    blocks: set = dataclasses.field(default_factory=set)  # which of them are written without `=`
    deprecated: dict | None = dataclasses.field(default_factory=dict)  # {name: why}; None where nobody says


def terraform(folder, *command):
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_DATA_DIR": str(folder / "data")}
    if not pathlib.Path(environment.get("TF_CLI_CONFIG_FILE", "")).is_file():
        # Terraform would warn among its JSON.
        environment.pop("TF_CLI_CONFIG_FILE", None)
    made = subprocess.run([os.environ.get("TERRAFORM", "terraform"), *command], cwd=folder, env=environment, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"there is no schema of the AWS provider {OLDEST}: Terraform gets the provider once, from its registry or from a mirror "
                           f"that TF_CLI_CONFIG_FILE names (`terraform providers mirror` makes one)\n{made.stdout}{made.stderr}")
    return made.stdout


@functools.cache
def schema():
    """The oldest provider's, as Terraform prints it. It is kept beside what is installed."""
    kept = FOLDER / f"schema-{OLDEST}.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            wanted = {"aws": {"source": "hashicorp/aws", "version": OLDEST}}
            (folder / "main.tf.json").write_text(json.dumps({"terraform": {"required_providers": wanted}}))
            terraform(folder, "init", "-no-color", "-input=false")
            draft = kept.with_suffix(".draft")
            draft.write_text(terraform(folder, "providers", "schema", "-json"))
            draft.rename(kept)
    (found,) = json.loads(kept.read_text())["provider_schemas"].values()
    return found


def of_type(type_):
    """The fields of an object, or of a list or a set of objects."""
    while isinstance(type_, list) and type_[0] in ("list", "set"):
        type_ = type_[1]
    if isinstance(type_, list) and type_[0] == "object":
        fields = {name: of_type(it) for name, it in type_[1].items()}
        return Block(takes=fields, gives=fields)
    return None


def of_schema(block):
    made = Block()
    for name, it in block.get("attributes", {}).items():
        made.gives[name] = of_type(it.get("type"))
        if it.get("required") or it.get("optional"):
            made.takes[name] = made.gives[name]
        if it.get("required"):
            made.needs.add(name)
        if it.get("deprecated"):
            made.deprecated[name] = "its schema says so"
    for name, it in block.get("block_types", {}).items():
        made.takes[name] = made.gives[name] = of_schema(it["block"])
        made.blocks.add(name)
        if it.get("min_items"):
            made.needs.add(name)
        if it["block"].get("deprecated"):
            made.deprecated[name] = "its schema says so"
    return made


@functools.cache
def oldest(kind, type_):
    types = {"resource": schema()["resource_schemas"], "data": schema()["data_source_schemas"], "provider": {"aws": schema()["provider"]}}[kind]
    return of_schema(types[type_]["block"]) if type_ in types else None


@functools.cache
def packed(package):
    (file,) = FOLDER.glob(f"{package}-*.whl")
    return zipfile.ZipFile(file)


def read(package, path):
    """A file of a package, or None."""
    try:
        return packed(package).read(f"{package}/{path}").decode()
    except KeyError:
        return None


def class_of(annotation, classes, ending=""):
    """The class of the same file that a type names; a list of blocks has their class."""
    for name in re.findall(r"'(\w+)'", ast.unparse(annotation)):
        name = re.sub("List$", ending, name) if ending else name
        if name in classes and name.endswith(ending):
            return classes[name]
    return None


def of_bindings(classes, taken=None, given=None):
    """From the class whose constructor has the arguments, and from the one whose properties are the attributes."""
    made = Block()
    if taken:
        (init,) = (it for it in taken.body if getattr(it, "name", "") == "__init__")
        for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults):
            name, inner = argument.arg, class_of(argument.annotation, classes)
            made.takes[name] = of_bindings(classes, taken=inner) if inner else None
            if default is None:
                made.needs.add(name)
            if f":param {name}: {name} block." in (ast.get_docstring(init) or ""):
                made.blocks.add(name)
    for it in given.body if given else ():
        if isinstance(it, ast.FunctionDef) and "builtins.property" in map(ast.unparse, it.decorator_list):
            inner = class_of(it.returns, classes, "OutputReference")
            made.gives[it.name] = of_bindings(classes, given=inner) if inner else None
    return made


def deprecations(kind, type_):
    """A function that says what is deprecated in a type, or in the block of it that a path leads to, as {property: why}."""
    get = "get_" if kind == "data" else ""
    service, _, rest = type_.removeprefix("aws_").partition("_")
    whole = type_.removeprefix("aws_")
    files = [PULUMI.get(type_), f"{service}/{get}{rest}", f"{service}_/{get}{rest}", f"ec2/{get}{whole}", f"{get}{whole}"]
    file = next((it for it in files if it and read("pulumi_aws", f"{it}.py")), None)
    if file is None:
        return lambda path: None
    own, beside = read("pulumi_aws", f"{file}.py"), read("pulumi_aws", str(pathlib.PurePath(file).with_name("_inputs.py"))) or ""
    (name,) = re.findall(r"^class (Get\w+)Result:" if kind == "data" else r"^class (\w+)\(pulumi\.(?:Custom|Provider)Resource\)", own, re.M)
    classes = dict(re.findall(r"^class (\w+)Args:\n(.*?)(?=^\S|\Z)", beside, re.S | re.M))

    def said(path):
        # Where the block is called `rules`, its class is called `Rule`.
        wanted = re.compile(name + "".join(step.replace("_", "").removesuffix("s") + "s?" for step in path), re.I)
        text = next((text for it, text in classes.items() if wanted.fullmatch(it)), None) if path else own
        return None if text is None else {it: why for why, it in re.findall(r'deprecated\("""(.*?)"""\)\s+def (\w+)', text, re.S)}

    return said


def mark(block, said, path=()):
    """Notes what is deprecated in a block, and in those in it."""
    known = said(path)
    # Where there can be more than one block `rule`, the property is called `rules`.
    block.deprecated = None if known is None else {name: known[it] for name in {*block.takes, *block.gives}
                                                   for it in (name, f"{name}s", f"{name}es", f"{name[:-1]}ies") if it in known}
    for name, inner in (*block.takes.items(), *block.gives.items()):
        if inner:
            mark(inner, said, (*path, name))


@functools.cache
def newest(kind, type_):
    module = {"resource": "", "data": "data_aws_", "provider": "provider"}[kind] + type_.removeprefix("aws").removeprefix("_")
    text = read("cdktn_provider_aws", f"{module}/__init__.py")
    if text is None:
        return None
    classes = {it.name: it for it in ast.parse(text).body if isinstance(it, ast.ClassDef)}
    (top,) = (it for it in classes.values() if re.search(r"\.Terraform(Resource|DataSource|Provider)$", " ".join(map(ast.unparse, it.bases))))
    made = of_bindings(classes, top, top)
    mark(made, deprecations(kind, type_))
    return made


@functools.cache
def providers():
    """What finds the Block of a kind and a type, or None, by the provider's version."""
    version = re.search(r"/aws/([\d.]+)/docs", read("cdktn_provider_aws", "provider/__init__.py"))[1]
    return {OLDEST: oldest, version: newest}
