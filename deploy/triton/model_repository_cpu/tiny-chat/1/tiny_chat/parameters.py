"""The sampling parameters of one request, read from the JSON text that Triton's vLLM backend takes.

Numbers may come as text ("0.7"), as that backend's own clients send them.
"""

import json
from dataclasses import dataclass

MAX_STOP_STRINGS = 16


class ParameterError(ValueError):
    """The caller's parameters are wrong; the message names the field and what was expected."""


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How to choose tokens and when to end.

    `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 leave all tokens in; without `seed` each run differs.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    max_tokens: int = 16
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


def _number(name: str, value: object, low: float, high: float, expected: str) -> float:
    """Raises ParameterError unless low <= value <= high."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ParameterError(f"sampling_parameters.{name}: expected {expected}, got text") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ParameterError(f"sampling_parameters.{name}: expected {expected}, got {value!r}")
    return value


def _integer(name: str, value: object, low: int, high: int, expected: str) -> int:
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ParameterError(f"sampling_parameters.{name}: expected {expected}, got {type(value).__name__}")
    return int(_number(name, value, low, high, expected))


def _stop(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise ParameterError("sampling_parameters.stop: expected a text or a list of texts, none of them empty")
    if len(texts) > MAX_STOP_STRINGS:
        raise ParameterError(f"sampling_parameters.stop: expected at most {MAX_STOP_STRINGS} texts, got {len(texts)}")
    return tuple(texts)


def parse(text: str) -> SamplingParameters:
    """Reads a JSON object; raises ParameterError for anything that cannot be honoured as it stands."""
    try:
        fields = json.loads(text or "{}")
    except (json.JSONDecodeError, RecursionError):
        raise ParameterError("sampling_parameters: expected a JSON object as text") from None
    if not isinstance(fields, dict):
        raise ParameterError(f"sampling_parameters: expected a JSON object, got {type(fields).__name__}")
    read: dict[str, object] = {}
    for name, value in fields.items():
        if value is None:
            continue
        match name:
            case "temperature":
                read[name] = float(_number(name, value, 0.0, 100.0, "a number from 0 to 100"))
            case "top_p":
                read[name] = float(_number(name, value, 1e-9, 1.0, "a number above 0 and up to 1"))
            case "top_k":
                read[name] = max(0, _integer(name, value, -1, 2**31, "an integer, 0 or -1 for all tokens"))
            case "seed":
                read[name] = _integer(name, value, -(2**63), 2**63 - 1, "a 64-bit integer")
            case "max_tokens":
                read[name] = _integer(name, value, 1, 2**31, "an integer of 1 or more")
            case "stop":
                read[name] = _stop(value)
            case "ignore_eos":
                if not isinstance(value, bool):
                    raise ParameterError("sampling_parameters.ignore_eos: expected true or false")
                read[name] = value
            case "n":
                _integer(name, value, 1, 1, "1: this model writes one answer")
            case _:
                known = "temperature, top_p, top_k, seed, max_tokens, stop, ignore_eos, n"
                raise ParameterError(f"sampling_parameters.{name}: not known to this model; expected one of {known}")
    return SamplingParameters(**read)  # type: ignore[arg-type]
