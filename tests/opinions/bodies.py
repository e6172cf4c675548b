"""The bodies of calls in the protocols of AWS but JSON, read by the shapes of its models: what is written there as a text becomes the number, the
list and so on that its shape has. What no shape knows stays, for `models.py` to name."""

import collections
import datetime
import re

import botocore.parsers

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def wire_name(member, shape):
    return shape.serialization.get("name", member)


def scalar(text, kind):
    """A value as XML and forms write it; as it stands where it is none."""
    if kind in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if kind in ("float", "double"):
        return float(text) if re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", text) else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "timestamp" and MOMENT.fullmatch(text):
        return datetime.datetime.fromisoformat(text.split(".")[0].removesuffix("Z"))
    return text


def of_form(fields, shape, prefix=""):
    """The value that the fields of a form below a prefix are; what is read is taken out of them."""
    if shape.type_name == "structure":
        inner = {wire_name(name, it): (it, f"{prefix}.{wire_name(name, it)}".lstrip(".")) for name, it in shape.members.items()}
        return {name: of_form(fields, it, place) for name, (it, place) in inner.items() if any(f == place or f.startswith(f"{place}.") for f in fields)}
    if shape.type_name == "list":
        if fields.pop(prefix, None) == "":
            return []
        name = shape.member.serialization.get("name")
        if shape.serialization.get("flattened"):
            place = ".".join([*prefix.split(".")[:-1], name]) if name else prefix
        else:
            place = f"{prefix}.{name or 'member'}"
        return [of_form(fields, shape.member, f"{place}.{number}") for number in numbers(fields, place)]
    if shape.type_name == "map":
        place = prefix if shape.serialization.get("flattened") else f"{prefix}.entry"
        key, value = wire_name("key", shape.key), wire_name("value", shape.value)
        return {of_form(fields, shape.key, f"{place}.{number}.{key}"): of_form(fields, shape.value, f"{place}.{number}.{value}")
                for number in numbers(fields, place)}
    return scalar(fields.pop(prefix, ""), shape.type_name)


def numbers(fields, place):
    """1, 2, 3 … as far as there are any."""
    count = 0
    while any(f"{field}.".startswith(f"{place}.{count + 1}.") for field in fields):
        count += 1
    return range(1, count + 1)


def tag(element):
    return element.tag.rpartition("}")[2]


def of_xml(elements, shape):
    """The value that some elements of one name are; only a flattened list or map has several."""
    first = elements[0]
    if shape.type_name == "structure":
        found = collections.defaultdict(list)
        for child in first:
            found[tag(child)].append(child)
        value = {}
        for name, it in shape.members.items():
            own = wire_name(name, it)
            place = it.member.serialization.get("name", own) if it.type_name == "list" and it.serialization.get("flattened") else own
            if place in found:
                inner = found.pop(place)
                several = len(inner) > 1 and not it.serialization.get("flattened")
                value[own] = f"{len(inner)} elements" if several else of_xml(inner, it)
        return {**value, **{name: "an element" for name in found}}
    if shape.type_name == "list":
        if shape.serialization.get("flattened"):
            return [of_xml([one], shape.member) for one in elements]
        name = shape.member.serialization.get("name", "member")
        return [of_xml([one], shape.member) if tag(one) == name else {tag(one): "an element"} for one in first]
    if shape.type_name == "map":
        pairs = elements if shape.serialization.get("flattened") else list(first)
        key, value = wire_name("key", shape.key), wire_name("value", shape.value)
        parts = [{tag(part): part for part in pair} for pair in pairs]
        return {part[key].text or "": of_xml([part[value]], shape.value) for part in parts}
    return f"<{tag(first[0])}>" if len(first) else scalar(first.text or "", shape.type_name)


def of_cbor(body):
    parser = botocore.parsers.RpcV2CBORParser()
    stream = parser.get_peekable_stream_from_bytes(body)
    value = parser.parse_data_item(stream) if body else {}
    if stream.read():
        raise ValueError("there is more behind the value")
    return value


def raw(body):
    return bytes.fromhex(body["hex"]) if isinstance(body, dict) else body.encode()
