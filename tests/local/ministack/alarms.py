"""CloudWatch alarms. AWS keeps all of an alarm and gives it back, also one over several metrics; MiniStack leaves most of
it out, so Terraform would set it again and again. On AWS an alarm for which missing measurements are not
breaching is OK as long as there are none; MiniStack's never gets that far. AWS tells of each change of an alarm by an event.

Shape: Amazon CloudWatch user guide, "Alarm events and EventBridge"."""

import functools
from xml.sax.saxutils import escape

import events
from ministack.services import cloudwatch

# Of one metric; an alarm over several has Metrics instead.
OF_ONE = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")
SCALARS = ("AlarmName", "AlarmArn", "AlarmDescription", "ActionsEnabled", "MetricName", "Namespace", "Statistic",
           "ExtendedStatistic", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator",
           "TreatMissingData", "Unit", "StateValue", "StateReason")
LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")

# The state that an alarm was last known in, as its next event tells it, by the alarm's ARN.
_told: dict = {}


def apply() -> None:
    put, evaluate, describe = cloudwatch._put_metric_alarm, cloudwatch._evaluate_alarm, cloudwatch._describe_alarms
    record = cloudwatch._record_history

    @functools.wraps(put)
    def keeping(params, cbor_data, is_cbor, is_json=False):
        answer = put(params, cbor_data, is_cbor, is_json)
        document = cbor_data if is_cbor or is_json else None
        name = document.get("AlarmName") if document else cloudwatch._p(params, "AlarmName")
        alarm = cloudwatch._alarms.get(name)
        if answer[0] < 300 and alarm:
            metrics = document.get("Metrics") if document else metrics_of(params)
            if metrics:
                alarm["Metrics"] = metrics
                for field in OF_ONE:
                    alarm.pop(field, None)
            elif alarm.get("ExtendedStatistic"):
                alarm.pop("Statistic", None)
            ok_without_data(alarm)
        return answer

    @functools.wraps(evaluate)
    def evaluating(alarm):
        evaluate(alarm)
        ok_without_data(alarm)

    @functools.wraps(describe)
    def whole(params, cbor_data, is_cbor, is_json=False):
        if is_cbor or is_json:
            return describe(params, cbor_data, is_cbor, is_json)
        return whole_answer(describe, params)

    @functools.wraps(record)
    def recording(name, before, after, *arguments, **named):
        record(name, before, after, *arguments, **named)
        tell(cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name), before, after)

    cloudwatch._put_metric_alarm, cloudwatch._evaluate_alarm, cloudwatch._describe_alarms = keeping, evaluating, whole
    cloudwatch._record_history = recording


def tell(alarm, before, after) -> None:
    """Sends the event of a change; MiniStack records each of them, once the alarm has its new state."""
    state = {"value": after, "reason": alarm.get("StateReason", ""), "timestamp": events.written()[:-1] + "+0000"}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    previous = _told.get(alarm["AlarmArn"]) or {"value": before, "timestamp": state["timestamp"]}
    _told[alarm["AlarmArn"]] = state
    if before == after:  # It was created.
        return
    events.happened("aws.cloudwatch", "CloudWatch Alarm State Change", [alarm["AlarmArn"]], {
        "alarmName": alarm["AlarmName"], "configuration": configuration(alarm), "previousState": previous, "state": state})


def configuration(alarm) -> dict:
    if "AlarmRule" in alarm:
        return {"description": alarm.get("AlarmDescription", ""), "alarmRule": alarm["AlarmRule"]}
    metric = {"namespace": alarm.get("Namespace"), "name": alarm.get("MetricName"),
              "dimensions": {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or []}}
    of_one = [{"id": "m1", "returnData": True, "metricStat": {
        "metric": metric, "period": alarm.get("Period"), "stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic")}}]
    return {"description": alarm.get("AlarmDescription", ""),
            "metrics": [of_several(query) for query in alarm["Metrics"]] if alarm.get("Metrics") else of_one}


def of_several(query) -> dict:
    """A query of an alarm over several metrics, as an event has it."""
    told = {small: query[field] for field, small in (("Id", "id"), ("Expression", "expression"), ("Label", "label")) if query.get(field)}
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        told["metricStat"] = {"period": stat.get("Period"), "stat": stat.get("Stat"), "metric": {
            "namespace": metric.get("Namespace"), "name": metric.get("MetricName"),
            "dimensions": {one["Name"]: one["Value"] for one in metric.get("Dimensions") or []}}}
    return {**told, "returnData": query.get("ReturnData", True)}


def ok_without_data(alarm) -> None:
    """An alarm that does not treat missing data as breaching is OK without any."""
    if alarm["StateValue"] == "INSUFFICIENT_DATA" and alarm.get("TreatMissingData") == "notBreaching":
        alarm["StateValue"] = "OK"
        alarm["StateReason"] = "Threshold Crossed: no datapoints were received and missing datapoints were treated as [NonBreaching]."
        cloudwatch._record_history(alarm["AlarmName"], "INSUFFICIENT_DATA", "OK", alarm["StateReason"])


def members(params, prefix) -> list:
    """The numbered members of a list in a form, each as its own form."""
    found = []
    while inner := {name.removeprefix(f"{prefix}.member.{len(found) + 1}."): value for name, value in params.items()
                    if name.startswith(f"{prefix}.member.{len(found) + 1}.")}:
        found.append(inner)
    return found


def metrics_of(params) -> list:
    text = cloudwatch._p
    queries = []
    for form in members(params, "Metrics"):
        query = {field: text(form, field) for field in ("Id", "Expression", "Label") if text(form, field)}
        query["ReturnData"] = text(form, "ReturnData") != "false"
        if text(form, "MetricStat.Stat"):
            dimensions = [{"Name": text(one, "Name"), "Value": text(one, "Value")}
                          for one in members(form, "MetricStat.Metric.Dimensions")]
            query["MetricStat"] = {
                "Metric": {"Namespace": text(form, "MetricStat.Metric.Namespace"),
                           "MetricName": text(form, "MetricStat.Metric.MetricName"), "Dimensions": dimensions},
                "Period": int(text(form, "MetricStat.Period")), "Stat": text(form, "MetricStat.Stat")}
        queries.append(query)
    return queries


def xml(value) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(inner)}</{name}>" for name, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return "".join(f"<member>{xml(inner)}</member>" for inner in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def whole_answer(describe, params):
    """The answer, with each metric alarm as a whole."""
    status, headers, body = describe(params, {}, False)
    text = body.decode() if isinstance(body, bytes) else body
    start, end = text.find("<MetricAlarms>"), text.find("</MetricAlarms>")
    if start < 0:
        return status, headers, body
    names = [part.split("</AlarmName>")[0] for part in text[start:end].split("<AlarmName>")[1:]]
    shown = [{**{field: alarm[field] for field in SCALARS if alarm.get(field) not in (None, "")},
              **{field: alarm.get(field) or [] for field in LISTS},
              "Dimensions": alarm.get("Dimensions") or [], "Metrics": alarm.get("Metrics") or []}
             for alarm in (cloudwatch._alarms[name] for name in names)]
    return status, headers, (text[:start] + f"<MetricAlarms>{xml(shown)}" + text[end:]).encode()
