"""The calls of a run, each with its answer, against AWS's models of its services, as botocore has them: the protocol, the members, their types,
enumerations, patterns, sizes, what is required, and each error.

    python tests/opinions/models.py target/local/cloud/calls.jsonl … [--whole]

The wire of the local cloud writes the file (`tests/local/src/wire/examples.rs`). What AWS does not take is a fault of the function that asked;
what AWS could not answer is one of the local cloud. With `--whole` the files together must have every operation of every function that
the faults' stories (`tests/e2e/src/calls`) know of."""

import base64
import binascii
import collections
import datetime
import functools
import json
import pathlib
import re
import sys
import urllib.parse
import xml.etree.ElementTree

import botocore.exceptions
import botocore.parsers
import botocore.session

from bodies import MOMENT, of_cbor, of_form, of_xml, raw, tag, wire_name

STORIES = pathlib.Path(__file__).parents[1] / "e2e/src/calls"

# Services that botocore names otherwise than IAM does.
NAMES = {"elasticloadbalancing": "elbv2", "states": "stepfunctions"}
# Operations that IAM names otherwise.
OPERATIONS = {"lambda:InvokeFunction": "Invoke"}

# What every service may answer: "Common errors" of the services' references, which the models leave out.
COMMON = {
    "json": {"AccessDeniedException": 400, "ExpiredTokenException": 400, "InternalFailure": 500, "SerializationException": 400,
             "ServiceUnavailable": 503, "ThrottlingException": 400, "UnrecognizedClientException": 400, "ValidationException": 400},
    "query": {"AccessDenied": 403, "ExpiredToken": 403, "InternalFailure": 500, "InvalidClientTokenId": 403, "ServiceUnavailable": 503,
              "Throttling": 400, "ValidationError": 400}}
# CloudWatch's in the query protocol are reported with 403; which name a denial has in CBOR is not known here.
COMMON["rest-json"] = {**COMMON["json"], "AccessDeniedException": 403}
COMMON["smithy-rpc-v2-cbor"] = {**COMMON["json"], "AccessDenied": 403, "AccessDeniedException": 403}

# Words that an enumeration leaves out, and the documentation of the member that has it gives a meaning: `lifecycleStage` of
# DescribeServiceDeployments "is invoked before every traffic shift step" at this one (botocore 1.44.8).
DOCUMENTED = {"ServiceDeploymentLifecycleStage": ["PRE_PRODUCTION_TRAFFIC_SHIFT"]}
# What an answer has though it is smaller than its shape may be: "If there are no unprocessed keys remaining, the response contains
# an empty UnprocessedKeys map" (BatchGetItem, Amazon DynamoDB API reference).
EMPTY = {"BatchGetRequestMap"}

# Python's `re` knows no Unicode categories; these are as near as it comes.
CATEGORIES = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{ASCII}": r"[\x00-\x7f]"}
TYPES = {"string": str, "character": str, "integer": int, "long": int, "float": (int, float), "double": (int, float), "boolean": bool}


@functools.cache
def model(service):
    return botocore.session.get_session().get_service_model(NAMES.get(service, service))


@functools.cache
def compiled(pattern):
    for category, ours in CATEGORIES.items():
        pattern = pattern.replace(category, ours)
    return re.compile(pattern)


def differences(value, shape, place, protocol):
    """What a value has that its shape has not, and the other way round."""
    kind, limits = shape.type_name, shape.metadata
    said = f"{place} is {json.dumps(value, default=str)[:80]}"
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return
        if not isinstance(value, dict):
            yield f"{said}, no {shape.name}"
            return
        members = {wire_name(name, it): it for name, it in shape.members.items()}
        yield from (f"{place}.{name} is missing" for name in shape.required_members if wire_name(name, shape.members[name]) not in value)
        if shape.is_tagged_union and len(value) != 1:
            yield f"{place} has {len(value)} members of the union {shape.name}"
        for name, one in value.items():
            if name not in members:
                yield f"{place}.{name} is unknown to {shape.name}"
            else:
                yield from differences(one, members[name], f"{place}.{name}", protocol)
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{said}, no list"
            return
        for one in value:
            yield from differences(one, shape.member, f"{place}[]", protocol)
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"{said}, no map"
            return
        for key, one in value.items():
            yield from differences(key, shape.key, f"{place}{{key}}", protocol)
            yield from differences(one, shape.value, f"{place}{{}}", protocol)
    elif kind == "timestamp":
        if not is_timestamp(value, shape, protocol):
            yield f"{said}, no timestamp"
        return
    elif kind == "blob":
        if not (isinstance(value, bytes) if protocol.endswith("cbor") else is_base64(value)):
            yield f"{said}, no blob"
        return
    elif not isinstance(value, TYPES[kind]) or isinstance(value, bool) != (kind == "boolean"):
        yield f"{said}, no {kind}"
        return
    if limits.get("enum") and value not in [*limits["enum"], *DOCUMENTED.get(shape.name, [])]:
        yield f"{said}, none of {shape.name}"
    if limits.get("pattern") and not compiled(limits["pattern"]).fullmatch(value):
        yield f"{said}, not like {shape.name}: {limits['pattern']}"
    if kind not in ("structure", "boolean"):
        size = value if isinstance(value, (int, float)) else len(value)
        least = 0 if shape.name in EMPTY and said.startswith("answer") else limits.get("min", size)
        if not least <= size <= limits.get("max", size):
            yield f"{said}, not between {limits.get('min')} and {limits.get('max')} as {shape.name}"


def is_timestamp(value, shape, protocol):
    if protocol != "json":
        return isinstance(value, datetime.datetime)
    # Seconds, unless the model says otherwise.
    if shape.serialization.get("timestampFormat") == "iso8601":
        return isinstance(value, str) and MOMENT.fullmatch(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_base64(value):
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except binascii.Error:
        return False


def judge(call):
    """What AWS's model says against a call: `request …` of the function that made it, `answer …` of the local cloud."""
    service, _, name = call["operation"].partition(":")
    try:
        operation = model(service).operation_model(OPERATIONS.get(call["operation"], name))
    except (botocore.exceptions.UnknownServiceError, botocore.model.OperationNotFoundError):
        return [f"request: AWS has no operation {call['operation']}"]
    protocol = "rest-json" if model(service).metadata["protocol"] == "rest-json" else protocol_of(call["request"]["headers"])
    if protocol not in operation.metadata["protocols"]:
        return [f"request: {service} does not speak {protocol}"]
    found = []
    for side, ours in (("request", asked), ("answer", answered)):
        try:
            found += ours(call[side], operation, protocol)
        except (ValueError, KeyError, UnicodeDecodeError, xml.etree.ElementTree.ParseError, botocore.parsers.ResponseParserError) as error:
            found.append(f"{side} is no {protocol}: {error}")
    return list(dict.fromkeys(found))


def protocol_of(headers):
    """As a service with several tells them from each other."""
    return "smithy-rpc-v2-cbor" if "smithy-protocol" in headers else "json" if "x-amz-target" in headers else "query"


def asked(request, operation, protocol):
    if request["method"] != "POST":
        yield f"request.method is {request['method']}"
    value, said = REQUESTS[protocol](request, operation)
    yield from said
    if operation.input_shape is None:
        yield from [f"request has {value}"] if value else []
    else:
        yield from differences(value, operation.input_shape, "request", protocol)


def json_request(request, operation):
    service = operation.metadata
    said = [*header(request, "request", "x-amz-target", f"{service['targetPrefix']}.{operation.name}"),
            *header(request, "request", "content-type", f"application/x-amz-json-{service['jsonVersion']}"), *path(request, "/")]
    return json.loads(raw(request["body"])), said


def query_request(request, operation):
    fields = dict(urllib.parse.parse_qsl(raw(request["body"]).decode(), keep_blank_values=True, strict_parsing=True))
    named = {"Action": operation.name, "Version": operation.metadata["apiVersion"]}
    said = [f"request.{name} is {ours}, not {it}" for name, it in named.items() if (ours := fields.pop(name, None)) != it]
    value = of_form(fields, operation.input_shape) if operation.input_shape else {}
    return value, [*said, *path(request, "/"), *(f"request.{field} is unknown" for field in fields)]


def cbor_request(request, operation):
    said = [*path(request, f"/service/{operation.metadata['targetPrefix']}/operation/{operation.name}"),
            *header(request, "request", "smithy-protocol", "rpc-v2-cbor"), *header(request, "request", "content-type", "application/cbor")]
    return of_cbor(raw(request["body"])), said


def rest_request(request, operation):
    """Of the one operation that is called so: the function's name is in the path, the event is the body."""
    before, after = operation.http["requestUri"].split("{FunctionName}")
    named = re.fullmatch(f"{re.escape(before)}([^/]+){re.escape(after)}", request["path"])
    json.loads(raw(request["body"]) or "{}")
    value = {"FunctionName": urllib.parse.unquote(named[1])} if named else {}
    if kind := request["headers"].get("x-amz-invocation-type"):
        value["X-Amz-Invocation-Type"] = kind
    return value, [] if named else [f"request.path is {request['path']}, not {operation.http['requestUri']}"]


REQUESTS = {"json": json_request, "query": query_request, "rest-json": rest_request, "smithy-rpc-v2-cbor": cbor_request}


def path(request, expected):
    return [] if request["path"] == expected else [f"request.path is {request['path']}, not {expected}"]


def header(message, place, name, expected):
    value = message["headers"].get(name)
    return [] if value == expected else [f"{place}: the header {name} is {value}, not {expected}"]


def answered(answer, operation, protocol):
    failed = answer["status"] >= 300
    if protocol == "query":
        yield from header(answer, "answer", "content-type", "text/xml")
        root = xml.etree.ElementTree.fromstring(raw(answer["body"]))
        namespace = root.tag.rpartition("}")[0].lstrip("{")
        if namespace != operation.metadata["xmlNamespace"]:
            yield f"answer has the namespace {namespace}, not {operation.metadata['xmlNamespace']}"
        yield from in_xml(root, answer, operation)
        return
    if protocol == "rest-json":
        yield from in_rest(answer, operation)
        return
    if protocol == "json":
        yield from header(answer, "answer", "content-type", f"application/x-amz-json-{operation.metadata['jsonVersion']}")
        # Where AWS has nothing to say it says nothing, or `{}`.
        value = json.loads(raw(answer["body"]) or "{}")
    else:
        yield from header(answer, "answer", "smithy-protocol", "rpc-v2-cbor")
        yield from header(answer, "answer", "content-type", "application/cbor")
        value = of_cbor(raw(answer["body"]))
    if not isinstance(value, dict):
        yield "answer is no structure"
        return
    if "x-amzn-requestid" not in answer["headers"]:
        yield "answer: the header x-amzn-requestid is missing"
    if failed:
        code = value.pop("__type", None)
        yield from of_error(code.rpartition("#")[2] if isinstance(code, str) else None, value, answer["status"], operation, protocol)
    else:
        yield from said_of_output(value, operation, protocol)


def in_rest(answer, operation):
    if "x-amzn-requestid" not in answer["headers"]:
        yield "answer: the header x-amzn-requestid is missing"
    if answer["status"] >= 300:
        code = answer["headers"].get("x-amzn-errortype", "").partition(":")[0]
        value = {name: one for name, one in json.loads(raw(answer["body"])).items() if name != "__type"}
        yield from of_error(code, value, answer["status"], operation, "rest-json")
    # An event that Lambda keeps is answered with nothing ("Invoke", AWS Lambda API reference).
    elif (answer["status"], raw(answer["body"])) != (202, b""):
        yield f"answer is {answer['status']} with {raw(answer['body'])[:80]}, not 202 with nothing"


def in_xml(root, answer, operation):
    failed = answer["status"] >= 300
    if tag(root) != ("ErrorResponse" if failed else f"{operation.name}Response"):
        yield f"answer is a {tag(root)}"
        return
    parts = {tag(part): part for part in root}
    if failed:
        error = {tag(part): part.text or "" for part in parts["Error"]}
        if error.pop("Type", None) != ("Receiver" if answer["status"] >= 500 else "Sender"):
            yield "answer: the type of the error is not whose fault it is"
        yield from of_error(error.pop("Code", None), error, answer["status"], operation, "query")
        expected = {"Error", "RequestId"}
    else:
        expected = {"ResponseMetadata"}
        if operation.output_shape is not None:
            wrapper = operation.output_shape.serialization.get("resultWrapper")
            yield from said_of_output(of_xml([parts[wrapper]], operation.output_shape), operation, "query")
            expected.add(wrapper)
        if [tag(part) for part in parts.get("ResponseMetadata", [])] != ["RequestId"]:
            yield "answer.ResponseMetadata has not the RequestId alone"
    if set(parts) != expected:
        yield f"answer has {', '.join(sorted(parts))}, not {', '.join(sorted(expected))}"


def said_of_output(value, operation, protocol):
    if operation.output_shape is None:
        yield from [f"answer has {value}"] if value else []
    else:
        yield from differences(value, operation.output_shape, "answer", protocol)


def of_error(code, value, status, operation, protocol):
    """Whether an operation can fail so."""
    shape = next((it for it in operation.error_shapes if code in (it.error_code, it.name)), None)
    if shape is not None:
        expected = shape.metadata.get("error", {}).get("httpStatusCode") or (500 if shape._shape_model.get("fault") else 400)
    else:
        expected = COMMON[protocol].get(code)
    if expected is None:
        yield f"answer: {operation.name} has no error {code}"
        return
    if status != expected:
        yield f"answer: {code} has the status {status}, not {expected}"
    # Every error has a message, in the one writing or the other, whether the model has it or not.
    if [type(one) for name, one in value.items() if name.lower() == "message"] != [str]:
        yield f"answer: {code} has no message, or none that is a text"
    members = shape.members if shape is not None else {}
    for name, one in value.items():
        if name.lower() == "message":
            continue
        if name in members:
            yield from differences(one, members[name], f"answer.{name}", protocol)
        else:
            yield f"answer.{name} is unknown to {code}"


def read(file):
    with open(file) as lines:
        return [json.loads(line) for line in lines]


def of_stories():
    """The operations of each function, as the faults' stories know them."""
    lines = [line.split() for file in sorted(STORIES.glob("*.txt")) for line in file.read_text().splitlines()]
    return {(line[0], line[1]) for line in lines if line}


def missing(calls):
    """Which operations of which functions nobody would judge."""
    return sorted(of_stories() - {(call["caller"], call["operation"]) for call in calls})


def main(arguments):
    files = [one for one in arguments if one != "--whole"]
    calls = [call for file in files for call in read(file)]
    found = collections.defaultdict(list)
    for call in calls:
        for said in judge(call):
            found[call["operation"], said].append(call)
    for (operation, said), those in sorted(found.items()):
        print(f"{operation} ({', '.join(sorted({call['caller'] for call in those}))}, {len(those)} calls): {said}")
    untold = missing(calls) if "--whole" in arguments else []
    for function, operation in untold:
        print(f"{operation} of {function} is not in the file")
    callers = {call["caller"] for call in calls}
    operations = {call["operation"] for call in calls}
    print(f"{len(calls)} calls, one of each kind, of {len(operations)} operations by {len(callers)} functions judged by AWS's models: {len(found)} faults")
    return 1 if found or untold or not calls else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
