"""Turns a reported record into our own, or says which field is wrong. Texts of a record are never quoted: they may be a caller's."""

import math
import re

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pointsman.llm.v1.error_reason_pb2 import ErrorReason
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.telemetry.malformed import Malformed
from services.telemetry.records import Attempt, Outcome, Record
from services.telemetry.validate_decision import to_decided, to_key

__all__ = ["Malformed", "to_record"]

MAX_ATTEMPTS = 64
MAX_SECONDS = 86_400.0
LAST_SECOND = 253_402_300_799
MAX_TOKENS_PER_SECOND = 1e6
# Ten thousand dollars; also keeps the sum over any window within a uint64.
MAX_COST_MICROS = 10**10
TEXT_LIMITS = {
    "request_id": 128,
    "policy": 63,
    "intent": 200,
    "decision_reason": 2_000,
    "config_revision": 64,
    "retry_of": 128,
}
TRACE_ID = re.compile(r"^([0-9a-f]{32})?$")
OUTCOMES = {
    pb.Attempt.OUTCOME_SUCCEEDED: Outcome.SUCCEEDED,
    pb.Attempt.OUTCOME_FAILED: Outcome.FAILED,
    pb.Attempt.OUTCOME_CANCELLED: Outcome.CANCELLED,
}
REASONS = frozenset(ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}


def to_record(record: pb.RequestRecord, sent_at: Timestamp | None) -> Record:
    """Checks all of a record and keeps what the windows need; `sent_at` is when its reporter sent it. Raises Malformed."""
    for field, limit in TEXT_LIMITS.items():
        if len(getattr(record, field)) > limit:
            raise Malformed(field, f"expected at most {limit} characters, found {len(getattr(record, field))}")
    if not record.request_id:
        raise Malformed("request_id", "expected a name, found nothing")
    if not TRACE_ID.match(record.trace_id):
        raise Malformed("trace_id", "expected 32 hexadecimal digits or nothing")
    if not (record.HasField("start_time") and 0 < record.start_time.seconds <= LAST_SECOND):
        raise Malformed("start_time", "expected a time from 1970 to 9999")
    if not 0.0 <= record.complexity <= 1.0:
        raise Malformed("complexity", f"expected a number from 0 to 1, found {record.complexity}")
    if record.error_reason and record.error_reason not in REASONS:
        raise Malformed("error_reason", "expected the name of an ErrorReason or nothing")
    _check_cost("cost_micros", record.cost_micros)
    _seconds("decision_time", record.decision_time)
    for calls in ("attempts", "shadows"):
        if len(getattr(record, calls)) > MAX_ATTEMPTS:
            raise Malformed(calls, f"expected at most {MAX_ATTEMPTS}, found {len(getattr(record, calls))}")
    start = record.start_time
    ended_s = start.seconds + start.nanos / 1e9 + _seconds("total_time", record.total_time)
    return Record(
        identity=hash((record.request_id, start.seconds, start.nanos)),
        age_s=max(0.0, sent_at.seconds + sent_at.nanos / 1e9 - ended_s) if sent_at else 0.0,
        attempts=tuple(_attempt(f"attempts[{index}]", attempt) for index, attempt in enumerate(record.attempts)),
        failure=record.error_reason,
        retry_of=record.retry_of,
        decided=to_decided(record) if record.HasField("decision") else None,
        shadows=tuple(_attempt(f"shadows[{index}]", shadow) for index, shadow in enumerate(record.shadows)),
    )


def _attempt(where: str, attempt: pb.Attempt) -> Attempt:
    usage = attempt.usage
    model = to_key(f"{where}.model", attempt.model)
    outcome = OUTCOMES.get(attempt.outcome)
    if outcome is None:
        raise Malformed(f"{where}.outcome", f"expected SUCCEEDED, FAILED or CANCELLED, found {attempt.outcome}")
    failed = outcome is Outcome.FAILED
    if failed and attempt.error_reason not in REASONS:
        raise Malformed(f"{where}.error_reason", "expected the name of an ErrorReason, since the attempt FAILED")
    if attempt.error_reason and not failed:
        raise Malformed(f"{where}.error_reason", f"expected nothing, since the attempt was {outcome.value}")
    speed = attempt.tokens_per_second
    if not (math.isfinite(speed) and 0.0 <= speed <= MAX_TOKENS_PER_SECOND):
        raise Malformed(f"{where}.tokens_per_second", f"expected 0 to {MAX_TOKENS_PER_SECOND:g}, found {speed}")
    _check_cost(f"{where}.usage.cost_micros", usage.cost_micros)
    _seconds(f"{where}.start_offset", attempt.start_offset)
    first_token_s = _seconds(f"{where}.usage.time_to_first_token", usage.time_to_first_token)
    total_s = _seconds(f"{where}.usage.total_time", usage.total_time)
    return Attempt(
        model=model,
        outcome=outcome,
        failure=attempt.error_reason,
        first_token_s=first_token_s if usage.HasField("time_to_first_token") else None,
        tokens_per_second=speed or None,
        total_s=total_s if outcome is Outcome.SUCCEEDED and usage.HasField("total_time") else None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_micros=usage.cost_micros,
        hedge=attempt.hedge,
    )


def _seconds(field: str, duration: Duration) -> float:
    seconds = duration.seconds + duration.nanos / 1e9
    if not 0.0 <= seconds <= MAX_SECONDS:
        raise Malformed(field, f"expected 0 to {MAX_SECONDS:g} seconds, found {seconds:g}")
    return float(seconds)


def _check_cost(field: str, micros: int) -> None:
    if micros > MAX_COST_MICROS:
        raise Malformed(field, f"expected at most {MAX_COST_MICROS}, found {micros}")
