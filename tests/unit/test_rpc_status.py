"""Errors travel as gRPC status and come back as they were, whatever their size."""

import math

import grpc
import pytest
from google.rpc import status_pb2
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from pointsman import errors, rpc_status
from pointsman.errors import BY_REASON, FieldViolation
from pointsman.llm.v1.error_reason_pb2 import ErrorReason

# gRPC's soft limit for all trailing metadata.
METADATA_LIMIT = 8_192


def travelled(error: errors.PointsmanError) -> errors.PointsmanError:
    """The error as a client rebuilds it."""
    status = rpc_status.to_status(error)
    details = aio.Metadata((rpc_status.DETAILS_KEY, status.SerializeToString()))
    return rpc_status.from_rpc_error(
        aio.AioRpcError(grpc.StatusCode[error.code], aio.Metadata(), details, status.message)
    )


def foreign(code: grpc.StatusCode, details: bytes | None = None) -> errors.PointsmanError:
    """What becomes of a status that no service of ours made."""
    trailing = aio.Metadata(*([(rpc_status.DETAILS_KEY, details)] if details is not None else []))
    return rpc_status.from_rpc_error(aio.AioRpcError(code, aio.Metadata(), trailing, "words"))


def test_every_reason_of_the_contract_has_its_error() -> None:
    assert set(BY_REASON) == set(ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_an_error_comes_back_as_it_was(reason: str) -> None:
    sent = BY_REASON[reason](
        "as told",
        retry_after_s=1.5,
        metadata={"attempt_1": "a/m"},
        violations=[FieldViolation("prompt", "expected some")],
    )
    got = travelled(sent)
    assert type(got) is type(sent)
    assert (got.message, got.retry_after_s, got.metadata, got.violations) == (
        "as told", 1.5, {"attempt_1": "a/m"}, sent.violations,
    )  # fmt: skip


TEXTS = st.text(max_size=50).flatmap(lambda text: st.integers(0, 60).map(lambda times: text * times))


@given(
    TEXTS, st.dictionaries(st.sampled_from([f"attempt_{n}" for n in range(20)]), TEXTS), st.lists(TEXTS, max_size=50)
)
def test_whatever_is_told_fits_into_what_grpc_carries(
    message: str, metadata: dict[str, str], descriptions: list[str]
) -> None:
    violations = [FieldViolation(f"prompt.turns[{n}]", words) for n, words in enumerate(descriptions)]
    status = rpc_status.to_status(
        errors.AllCandidatesUnavailable(message, retry_after_s=1, metadata=metadata, violations=violations)
    )
    encoded = sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in status.message.encode())
    in_base64 = 4 * math.ceil(status.ByteSize() / 3)
    assert encoded + in_base64 < METADATA_LIMIT - 200
    assert message.startswith(status.message)


def test_every_attempt_is_told_even_where_each_must_be_short() -> None:
    metadata = {f"attempt_{n}": f"provider/{n}: " + "long " * 200 for n in range(1, 21)}
    got = travelled(errors.AllCandidatesUnavailable("all 20 attempts failed", metadata=metadata))
    assert set(got.metadata) == set(metadata)
    assert all(words.startswith(f"provider/{key[8:]}: long") for key, words in got.metadata.items())


def test_at_least_the_first_violation_is_told() -> None:
    violations = [FieldViolation("f" * 5_000, "d" * 5_000)] * 3
    assert travelled(errors.InvalidRequest("no", violations=violations)).violations


@pytest.mark.parametrize("text", ["half of a pair: \ud83d", "null: \x00", "line\nbreak"])
def test_text_that_is_no_utf8_does_not_stop_an_error(text: str) -> None:
    got = travelled(errors.ProviderUnavailable(text, metadata={"said": text}))
    assert got.message == got.metadata["said"] == text.replace("\ud83d", "?")


@pytest.mark.parametrize(
    ("wait_s", "told_s"), [(-1.0, 0.0), (math.nan, 0.0), (math.inf, 86_400.0), (1e300, 86_400.0), (0.25, 0.25)]
)
def test_a_senseless_wait_becomes_a_sensible_one(wait_s: float, told_s: float) -> None:
    assert travelled(errors.ProviderRateLimited("later", retry_after_s=wait_s)).retry_after_s == told_s


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_foreign_code_becomes_an_error_of_the_tree(code: grpc.StatusCode) -> None:
    error = foreign(code)
    assert type(error) in BY_REASON.values()
    assert rpc_status.is_foreign(error)


@pytest.mark.parametrize(
    "details",
    [
        b"\xff\xff\xff",
        status_pb2.Status(code=14, message="of another project").SerializeToString(),
        b"\x1a\x32\x0a\x2atype.googleapis.com/google.rpc.ErrorInfo\x12\x04\xff\xff\xff\xff",
    ],
)
def test_details_that_are_not_ours_or_not_whole_leave_the_code(details: bytes) -> None:
    error = foreign(grpc.StatusCode.UNAVAILABLE, details)
    assert type(error) is errors.ProviderUnreachable
    assert error.message == "words"
