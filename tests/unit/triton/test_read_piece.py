"""What a Triton model answers, read from its tensors' bytes."""

import struct

import pytest
from tritonclient.grpc import service_pb2

from pointsman.errors import ProviderProtocol
from services.providers.triton_tensors import Piece, read_piece


def response(*outputs: tuple[str, str, bytes]) -> service_pb2.ModelInferResponse:
    """A response with these tensors: name, type, bytes."""
    answer = service_pb2.ModelInferResponse(model_name="m")
    for name, datatype, raw in outputs:
        answer.outputs.add(name=name, datatype=datatype)
        answer.raw_output_contents.append(raw)
    return answer


def text(words: bytes) -> tuple[str, str, bytes]:
    return ("text_output", "BYTES", struct.pack("<I", len(words)) + words)


def test_text_counts_and_the_reason_are_read() -> None:
    finish = ("finish_reason", "BYTES", struct.pack("<I", 4) + b"stop")
    counts = ("num_output_tokens", "UINT32", struct.pack("<I", 3)), ("num_input_tokens", "INT64", struct.pack("<q", 9))
    assert read_piece(response(text("né".encode()), finish, *counts)) == Piece("né", 9, 3, "stop")


def test_what_is_not_told_is_none() -> None:
    none_yet = ("finish_reason", "BYTES", struct.pack("<I", 4) + b"None")
    assert read_piece(response(text(b"a"), none_yet)) == Piece("a", None, None, None)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (("text_output", "BYTES", b"\x05\x00\x00\x00ab"), "expected 5 bytes of text, found 2"),
        (
            ("num_output_tokens", "INT32", struct.pack("<i", -1)),
            "expected 0 to 1000000000 in num_output_tokens, found -1",
        ),
        (("num_input_tokens", "UINT64", struct.pack("<Q", 2**63)), "in num_input_tokens, found 9223372036854775808"),
        (("num_input_tokens", "INT32", b"\x01"), "cannot be read"),
        (("num_input_tokens", "FP32", struct.pack("<f", 1)), "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_the_providers_fault(output: tuple[str, str, bytes], words: str) -> None:
    with pytest.raises(ProviderProtocol, match=words):
        read_piece(response(output))
