"""The twin of a function in Python: it makes the calls that the function made for the same event, and does nothing else. So
it is the least that such a function in Python can do.

`SLIPWAY_BENCH_CALLS` names a file with the calls as they were recorded. What init may prepare is prepared in init: the
clients are made, and the requests are read.
"""

import base64
import json
import os
import struct
import urllib.parse

import boto3
import botocore.model

# CloudWatch speaks two protocols: the answers are those that the function asked for, in CBOR.
botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS = (
    "smithy-rpc-v2-cbor",
    *(name for name in botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS if name != "smithy-rpc-v2-cbor"),
)

# The name of an AWS service in boto3, by the name that IAM has for it.
NAMES = {
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "ecr": "ecr",
    "ecs": "ecs",
    "elasticloadbalancing": "elbv2",
    "events": "events",
    "lambda": "lambda",
    "logs": "logs",
    "rds": "rds",
    "scheduler": "scheduler",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "states": "stepfunctions",
}


def _cbor(data, at=0):
    """One value of CBOR (RFC 8949) as the SDK writes it, and where the next one begins."""
    kind, size = data[at] >> 5, data[at] & 31
    at += 1
    endless = size == 31
    if kind == 7:
        width = {25: 2, 26: 4, 27: 8}.get(size)
        if width:
            return struct.unpack({2: ">e", 4: ">f", 8: ">d"}[width], data[at:at + width])[0], at + width
        return {20: False, 21: True, 22: None, 23: None}[size], at
    if size in (24, 25, 26, 27):
        width = 1 << (size - 24)
        size = int.from_bytes(data[at:at + width], "big")
        at += width
    if kind in (0, 1):
        return (size if kind == 0 else -1 - size), at
    if kind in (2, 3):
        text = data[at:at + size]
        return (text if kind == 2 else text.decode()), at + size
    if kind == 6:
        return _cbor(data, at)
    items = []
    while not (endless and data[at] == 0xFF) and (endless or len(items) < size * (1 if kind == 4 else 2)):
        item, at = _cbor(data, at)
        items.append(item)
    at += endless
    return (items if kind == 4 else dict(zip(items[::2], items[1::2], strict=True))), at


def _form(body, shape):
    """The parameters of a request of the query protocol, by the model of its operation."""
    members = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))

    def read(shape, prefix):
        if shape.type_name == "structure":
            parts = {name: read(member, f"{prefix}.{_wire_name(name, member)}" if prefix else _wire_name(name, member))
                     for name, member in shape.members.items()}
            return {name: part for name, part in parts.items() if part is not None} or None
        if shape.type_name == "list":
            named = "member" if not shape.serialization.get("flattened") else None
            named = shape.member.serialization.get("name", named) or named
            items, number = [], 1
            while (item := read(shape.member, f"{prefix}.{named}.{number}")) is not None:
                items.append(item)
                number += 1
            return items or None
        if shape.type_name == "map":
            entries, number = {}, 1
            while (key := members.get(f"{prefix}.entry.{number}.{shape.key.serialization.get('name', 'key')}")) is not None:
                entries[key] = read(shape.value, f"{prefix}.entry.{number}.{shape.value.serialization.get('name', 'value')}")
                number += 1
            return entries or None
        value = members.get(prefix)
        if value is None:
            return None
        if shape.type_name in ("integer", "long"):
            return int(value)
        return value == "true" if shape.type_name == "boolean" else value

    return read(shape, "") or {}


def _wire_name(name, shape):
    return shape.serialization.get("name", name)


def _parameters(client, service, operation, request):
    body = request["body"]
    data = bytes.fromhex(body["hex"]) if isinstance(body, dict) else body.encode()
    if service == "lambda":
        name = urllib.parse.unquote(request["path"].split("/functions/")[1].split("/")[0])
        return {"FunctionName": name, "Payload": data} if operation == "Invoke" else {"FunctionName": name}
    if "/operation/" in request["path"]:
        return _cbor(data)[0] if data else {}
    if data.startswith(b"Action="):
        return _form(data.decode(), client.meta.service_model.operation_model(operation).input_shape)
    return _blobs(json.loads(data or b"{}"), client.meta.service_model.operation_model(operation).input_shape)


def _blobs(value, shape):
    """JSON has bytes as base64, and boto3 takes them as they are."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure":
        return {name: _blobs(part, shape.members.get(name)) for name, part in value.items()}
    if shape.type_name == "list":
        return [_blobs(part, shape.member) for part in value]
    if shape.type_name == "map":
        return {name: _blobs(part, shape.value) for name, part in value.items()}
    return base64.b64decode(value) if shape.type_name == "blob" else value


def _prepared():
    with open(os.environ["SLIPWAY_BENCH_CALLS"]) as file:
        recorded = json.load(file)
    clients, calls = {}, []
    for call in recorded:
        service, operation = call["operation"].split(":")
        name = NAMES[service]
        if name not in clients:
            clients[name] = boto3.client(name)
        client = clients[name]
        operation = "Invoke" if operation == "InvokeFunction" else operation
        calls.append((client, operation, _parameters(client, service, operation, call["request"])))
    return calls


CALLS = _prepared()


def handler(_event, _context):
    for client, operation, parameters in CALLS:
        try:
            client._make_api_call(operation, dict(parameters))
        except client.exceptions.ClientError:
            # A condition that did not hold, for one: the function was answered so, too.
            pass
    return {"calls": len(CALLS)}
