"""The tree of errors, its drawing and the contract's comments say the same."""

import re
from pathlib import Path

import grpc
import pytest

from pointsman import errors
from pointsman.errors import BY_REASON, PointsmanError, Reason
from pointsman.llm.v1 import error_reason_pb2

PROTO = Path(error_reason_pb2.DESCRIPTOR.name)
COMMENTED = re.compile(r"// ([A-Z_]+)[:,. ].*\n(?:\s*//.*\n)*\s*(ERROR_REASON_\w+) = \d+;")
DRAWN = re.compile(r"[├└]── (\w+) +(.+)")


def documented_codes() -> dict[str, str]:
    """The gRPC code that the contract's comment gives for each reason."""
    text = (Path(__file__).parents[2] / "protos" / PROTO).read_text()
    return {reason: code for code, reason in COMMENTED.findall(text)}


def test_each_reason_has_the_code_that_the_contract_documents() -> None:
    assert {reason: cls.code for reason, cls in BY_REASON.items()} == documented_codes()


def test_each_reason_is_raised_by_exactly_one_class() -> None:
    assert set(BY_REASON) == {reason.value for reason in Reason}
    assert len(set(BY_REASON.values())) == len(Reason)


@pytest.mark.parametrize("cls", BY_REASON.values())
def test_each_class_has_a_code_of_grpc_and_one_who_can_act(cls: type[PointsmanError]) -> None:
    assert cls.code in grpc.StatusCode.__members__
    actors = errors.CallerError, errors.OperatorError, errors.ProviderError, errors.MeshError
    assert sum(issubclass(cls, actor) for actor in actors) == 1


def test_the_drawing_of_the_tree_is_true() -> None:
    drawn = {name: words for name, words in DRAWN.findall(errors.__doc__ or "") if not name.endswith("Error")}
    drawn |= {"InternalError": "INTERNAL"}
    assert set(drawn) == {cls.__name__ for cls in BY_REASON.values()}
    for cls in BY_REASON.values():
        assert re.match(rf"{cls.code}\b", drawn[cls.__name__])


def test_a_violation_is_told_in_words_too() -> None:
    error = errors.InvalidRequest.of("sampling.top_p", "expected 0 to 1, found 7")
    assert str(error) == error.message == "sampling.top_p: expected 0 to 1, found 7"
    assert error.violations == (errors.FieldViolation("sampling.top_p", "expected 0 to 1, found 7"),)
