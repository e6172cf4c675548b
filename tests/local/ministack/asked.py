"""Requests that are held to AWS's model of ECS, as botocore 1.43.106 has it: the first one of ours with `ContinueServiceDeployment` and
`DeploymentLifecycleHookTargetType`."""

import functools

import botocore.session
import botocore.validate
from ministack.core.responses import error_response_json


@functools.cache
def model():
    return botocore.session.get_session().get_service_model("ecs")


def problem_of(operation, request):
    """What AWS's model does not take of a request, in words; None where it takes all."""
    shape = model().operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(request, shape)
    return report.generate_report() if report.has_errors() else next(unknown_words(request, shape, ""), None)


def problem_of_member(name, value):
    """The first word of a structure that is none of its enumeration, in words; None where there is none."""
    return next(unknown_words(value, model().shape_for(name[0].upper() + name[1:]), name), None)


def unknown_words(value, shape, place):
    """The words that are none of their enumeration; botocore itself lets them pass."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, one in value.items():
            if name in shape.members:
                yield from unknown_words(one, shape.members[name], f"{place}.{name}".lstrip("."))
    elif shape.type_name == "list" and isinstance(value, list):
        for one in value:
            yield from unknown_words(one, shape.member, place)
    elif shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        yield f"{place} is {value}: write one of {', '.join(shape.metadata['enum'])}"


def refused(reason, name="InvalidParameterException"):
    return error_response_json(name, reason, 400)


def held_to_the_model(operation):
    """Has a handler see only what the model takes."""
    def decorate(handler):
        @functools.wraps(handler)
        def held(request):
            problem = problem_of(operation, request)
            return refused(problem) if problem else handler(request)
        return held
    return decorate
