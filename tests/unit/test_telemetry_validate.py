"""A record that breaks the contract is told by its field; a good one keeps what the windows need."""

import math
from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from pointsman.response import Chances
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.telemetry.records import Decided, Outcome
from services.telemetry.validate import MAX_ATTEMPTS, MAX_COST_MICROS, Malformed, to_record
from tests.inprocess.telemetry import START_S, decided, duration, failed, record, succeeded

Change = Callable[[pb.RequestRecord], object]


def good() -> pb.RequestRecord:
    return record("r-1", [failed("ERROR_REASON_PROVIDER_SILENT"), succeeded()])


BAD: dict[str, Change] = {
    "request_id: expected a name, found nothing": lambda r: r.ClearField("request_id"),
    "request_id: expected at most 128 characters, found 129": lambda r: setattr(r, "request_id", "x" * 129),
    "trace_id: expected 32 hexadecimal digits or nothing": lambda r: setattr(r, "trace_id", "0af7"),
    "start_time: expected a time": lambda r: r.ClearField("start_time"),
    "start_time: expected a time from 1970": lambda r: setattr(r.start_time, "seconds", -1),
    "total_time: expected 0 to 86400 seconds, found -1": lambda r: r.total_time.CopyFrom(duration(-1)),
    "policy: expected at most 63": lambda r: setattr(r, "policy", "p" * 64),
    "intent: expected at most 200": lambda r: setattr(r, "intent", "i" * 201),
    "complexity: expected a number from 0 to 1, found nan": lambda r: setattr(r, "complexity", math.nan),
    "complexity: expected a number from 0 to 1, found 2": lambda r: setattr(r, "complexity", 2.0),
    "cost_micros: expected at most": lambda r: setattr(r, "cost_micros", MAX_COST_MICROS + 1),
    "decision_time: expected 0 to 86400 seconds": lambda r: r.decision_time.CopyFrom(duration(1e6)),
    "decision_reason: expected at most 2000": lambda r: setattr(r, "decision_reason", "x" * 2_001),
    "error_reason: expected the name of an ErrorReason": lambda r: setattr(r, "error_reason", "LATE"),
    "config_revision: expected at most 64": lambda r: setattr(r, "config_revision", "0" * 65),
    f"attempts: expected at most {MAX_ATTEMPTS}, found {MAX_ATTEMPTS + 2}": lambda r: r.attempts.extend(
        [succeeded()] * MAX_ATTEMPTS
    ),
    "attempts[1].model.provider: expected 1 to 63 characters, found 0": lambda r: r.attempts[1].ClearField("model"),
    "attempts[1].model.model: expected 1 to 200 characters, found 201": lambda r: setattr(
        r.attempts[1].model, "model", "m" * 201
    ),
    "attempts[1].outcome: expected SUCCEEDED, FAILED or CANCELLED, found 0": lambda r: r.attempts[1].ClearField(
        "outcome"
    ),
    "attempts[1].outcome: expected SUCCEEDED, FAILED or CANCELLED, found 77": lambda r: setattr(
        r.attempts[1], "outcome", 77
    ),
    "attempts[0].error_reason: expected the name of an ErrorReason": lambda r: r.attempts[0].ClearField("error_reason"),
    "attempts[1].error_reason: expected nothing": lambda r: setattr(
        r.attempts[1], "error_reason", "ERROR_REASON_STREAM_CUT"
    ),
    "attempts[1].tokens_per_second: expected 0 to 1e+06, found inf": lambda r: setattr(
        r.attempts[1], "tokens_per_second", math.inf
    ),
    "attempts[1].tokens_per_second: expected 0 to 1e+06, found -1": lambda r: setattr(
        r.attempts[1], "tokens_per_second", -1.0
    ),
    "attempts[1].start_offset: expected 0": lambda r: r.attempts[1].start_offset.CopyFrom(duration(-0.001)),
    "attempts[1].usage.cost_micros: expected at most": lambda r: setattr(
        r.attempts[1].usage, "cost_micros", MAX_COST_MICROS + 1
    ),
    "attempts[1].usage.time_to_first_token: expected 0": lambda r: r.attempts[1].usage.time_to_first_token.CopyFrom(
        duration(-1)
    ),
    "attempts[1].usage.total_time: expected 0": lambda r: r.attempts[1].usage.total_time.CopyFrom(duration(1e6)),
}


@pytest.mark.parametrize("told", BAD)
def test_a_bad_record_is_told_by_its_field(told: str) -> None:
    message = good()
    BAD[told](message)
    with pytest.raises(Malformed) as raised:
        to_record(message, None)
    assert str(raised.value).startswith(told)


def test_no_text_of_a_record_is_quoted() -> None:
    message = good()
    message.trace_id = message.error_reason = "the prompt of a person"
    with pytest.raises(Malformed) as raised:
        to_record(message, None)
    assert "person" not in str(raised.value)


def test_a_good_record_keeps_what_the_windows_need() -> None:
    first, second = to_record(good(), None).attempts
    assert (first.outcome, first.failure) == (Outcome.FAILED, "ERROR_REASON_PROVIDER_SILENT")
    assert (first.first_token_s, first.tokens_per_second, first.total_s) == (None, None, None)
    assert (second.model, second.outcome, second.failure) == (("p", "m"), Outcome.SUCCEEDED, "")
    assert (second.first_token_s, second.tokens_per_second, second.total_s) == (0.25, 80.0, 1.5)
    assert (second.input_tokens, second.output_tokens, second.cost_micros) == (100, 50, 7)


def test_a_request_that_no_model_took_is_a_good_record() -> None:
    message = record("r-1")
    message.error_reason = "ERROR_REASON_NO_CAPABLE_MODEL"
    assert to_record(message, None).attempts == ()


@given(st.floats(0, 100), st.floats(-100, 100))
def test_its_age_is_by_the_reporters_own_clock(total_s: float, waited_s: float) -> None:
    sent = Timestamp()
    sent.FromNanoseconds(round((START_S + total_s + waited_s) * 1e9))
    age_s = to_record(record("r-1", total_s=total_s), sent).age_s
    assert age_s == pytest.approx(max(0.0, waited_s), abs=1e-5)


def test_a_client_that_retries_under_the_same_id_makes_two_records() -> None:
    first, again, retried = good(), good(), good()
    retried.start_time.nanos = 1
    assert to_record(first, None).identity == to_record(again, None).identity
    assert to_record(first, None).identity != to_record(retried, None).identity


BAD_DECISIONS: dict[str, Change] = {
    "decision.snapshot_id: expected an id, found nothing": lambda r: r.decision.ClearField("snapshot_id"),
    "decision.right.small: expected 0 to 1, found nan": lambda r: setattr(r.decision.right, "small", math.nan),
    "decision.confidence: expected 0 to 1, found 2": lambda r: setattr(r.decision, "confidence", 2.0),
    "decision.propensity: expected 0 to 1, found -1": lambda r: setattr(r.decision, "propensity", -1.0),
    "decision.tenant: expected at most 128": lambda r: setattr(r.decision, "tenant", "t" * 129),
    "decision.tags[1]: expected at most 128": lambda r: r.decision.tags.extend(["a", "t" * 129]),
    "decision.metadata: expected at most 512": lambda r: r.decision.metadata.update({"a": "x" * 513}),
    "decision.chosen.model: expected 1 to 200": lambda r: r.decision.chosen.ClearField("model"),
    "decision.max_first_token_seconds: expected 0 or more, found inf": lambda r: setattr(
        r.decision, "max_first_token_seconds", math.inf
    ),
    "retry_of: expected at most 128": lambda r: setattr(r, "retry_of", "x" * 129),
    "shadows[0].outcome: expected SUCCEEDED": lambda r: r.shadows.add(model={"provider": "p", "model": "m"}),
}


@pytest.mark.parametrize("told", BAD_DECISIONS)
def test_a_bad_decision_is_told_by_its_field(told: str) -> None:
    message = decided("r-1")
    BAD_DECISIONS[told](message)
    with pytest.raises(Malformed) as raised:
        to_record(message, None)
    assert str(raised.value).startswith(told)


def test_a_classification_that_the_decision_did_without_teaches_no_lengths_and_no_chances() -> None:
    message = decided("r-1")
    known = to_record(message, None).decided
    assert known is not None
    assert (known.chances, known.expected_tokens) == (Chances(0.25, 0.5, 0.875), 50)
    message.decision.fallback = "late"
    assert to_record(message, None).decided == Decided("question", 0.5, None, None, None)
