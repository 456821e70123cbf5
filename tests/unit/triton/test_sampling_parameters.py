"""Sampling parameters as clients of the vLLM backend send them, good and bad."""

import json

import pytest
from tiny_chat.parameters import ParameterError, SamplingParameters, parse


def test_nothing_given_means_the_backends_defaults() -> None:
    assert parse("") == parse("{}") == SamplingParameters(1.0, 1.0, 0, None, 16, (), False)


def test_every_field_is_read() -> None:
    text = '{"temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 7, "max_tokens": 100, "stop": ["a", "b"], "ignore_eos": true}'
    assert parse(text) == SamplingParameters(0.5, 0.9, 40, 7, 100, ("a", "b"), True)


def test_numbers_may_come_as_text_and_nulls_are_left_out() -> None:
    assert parse(
        '{"temperature": "0.1", "max_tokens": "5", "seed": null, "top_k": -1, "stop": "x"}'
    ) == SamplingParameters(temperature=0.1, max_tokens=5, top_k=0, stop=("x",))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"top_k": -2}, "top_k"),
        ({"seed": 2**63}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": []}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"ignore_eos": 1}, "ignore_eos"),
        ({"n": 2}, "n"),
        ({"best_of": 3}, "best_of"),
    ],
)
def test_a_bad_field_is_named_with_what_was_expected(given: dict[str, object], field: str) -> None:
    with pytest.raises(ParameterError, match=rf"^sampling_parameters\.{field}: .*expected"):
        parse(json.dumps(given))


@pytest.mark.parametrize("text", ["{", "[]", "7", '"text"', "[" * 100_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"^sampling_parameters: expected a JSON object"):
        parse(text)
