"""A table's stream and the function that reads it. AWS goes on after the first record that the function names as failed
(`ReportBatchItemFailures`), halves a batch that fails as a whole where it is asked to, tries as often as it is asked to, and then
sends a note about what it gives up. MiniStack takes a partial failure for success, and tries a failing batch for ever."""

import time

import pace
from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb, lambda_svc

PAUSE = pace.of(0.5, 0.1)

# Of each mapping whose last batch failed: how often, how many records are tried at once, and not before when.
_failing: dict = {}


def apply() -> None:
    lambda_svc._poll_dynamodb_streams = _poll


def _poll() -> bool:
    worked = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        with request_scope(account, region):
            if mapping.get("Enabled", True) and (table := _table(mapping)):
                worked = _serve(mapping, table) or worked
    return worked


def _table(mapping) -> str | None:
    arn = mapping.get("EventSourceArn", "")
    try:
        spec = parse_arn(arn)
    except ArnParseError:
        return None
    if spec.service != "dynamodb" or (spec.account_id, spec.region) != (get_account_id(), get_region()):
        return None
    name, *_ = lambda_svc._dynamodb_stream_table_from_arn_spec(spec) or (None,)
    return name if (dynamodb._tables.get(name) or {}).get("LatestStreamArn") == arn else None


def _serve(mapping, table) -> bool:
    """Runs the function with the next records; whether there may be more to do at once."""
    function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    identifier = mapping["UUID"]
    failing = _failing.get(identifier, {"times": 0, "size": mapping.get("BatchSize", 100), "until": 0})
    if function is None or failing["until"] > time.time():
        return False
    position = _position(mapping, table)
    records = dynamodb.stream_records_since(table, position, failing["size"])
    if not records:
        return False
    wanted = lambda_svc._apply_filter_criteria(records, mapping)
    result = lambda_svc._execute_function(function, {"Records": wanted}) if wanted else {}
    failed = _first_failed(mapping, wanted, result)
    if failed is None:
        _failing.pop(identifier, None)
        _go_on(identifier, position + len(records))
        mapping["LastProcessingResult"] = f"OK - {len(wanted)} records"
        return True

    mapping["LastProcessingResult"] = "FAILED"
    before = _index(records, wanted[failed])
    if before:
        # What comes before it is done, and the rest counts from here.
        failing = {"times": 0, "size": mapping.get("BatchSize", 100), "until": 0}
        _go_on(identifier, position + before)
    failing["times"] += 1
    most = mapping.get("MaximumRetryAttempts", -1)
    if 0 <= most < failing["times"] or _is_too_old(mapping, wanted[failed]):
        condition = "RetryAttemptsExhausted" if 0 <= most < failing["times"] else "MaxRecordAgeExceeded"
        lambda_svc._send_ddb_stream_failure_record(
            mapping, function, wanted[failed:], mapping["EventSourceArn"], result, condition)
        _failing.pop(identifier, None)
        _go_on(identifier, position + len(records))
        return True
    if mapping.get("BisectBatchOnFunctionError") and failed == 0 and len(records) > 1:
        failing["size"] = max(1, len(records) // 2)
    failing["until"] = time.time() + PAUSE
    _failing[identifier] = failing
    return False


def _position(mapping, table) -> int:
    positions, identifier = lambda_svc._dynamodb_stream_positions, mapping["UUID"]
    horizon = dynamodb.stream_start_position(table)
    with lambda_svc._dynamodb_stream_positions_lock:
        if identifier not in positions:
            first = mapping.get("StartingPosition", "LATEST") == "TRIM_HORIZON"
            positions[identifier] = horizon if first else dynamodb.stream_end_position(table)
        positions[identifier] = max(positions[identifier], horizon)
        return positions[identifier]


def _go_on(identifier, position) -> None:
    with lambda_svc._dynamodb_stream_positions_lock:
        lambda_svc._dynamodb_stream_positions[identifier] = position


def _number(record) -> str:
    return record["dynamodb"]["SequenceNumber"]


def _index(records, wanted) -> int:
    return next(index for index, record in enumerate(records) if _number(record) == _number(wanted))


def _first_failed(mapping, records, result) -> int | None:
    """The place of the first record that failed. One that is named by a wrong number stands for all of them."""
    if result.get("error"):
        return 0
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []) or not isinstance(result.get("body"), dict):
        return None
    named = [failure.get("itemIdentifier") for failure in result["body"].get("batchItemFailures") or []]
    if not named:
        return None
    numbers = [_number(record) for record in records]
    return min(numbers.index(name) if name in numbers else 0 for name in named)


def _is_too_old(mapping, record) -> bool:
    most = int(mapping.get("MaximumRecordAgeInSeconds") or -1)
    return 0 < most < time.time() - float(record["dynamodb"].get("ApproximateCreationDateTime", time.time()))
