"""What both HTTP adapters need to turn a prompt into JSON: JSON texts of the caller checked, numbers as they were written."""

from base64 import b64encode

from pydantic_core import from_json

from pointsman.errors import FieldViolation, InvalidRequest, NoCapableModel
from pointsman.llm.v1.prompt_pb2 import Media

JsonObject = dict[str, object]


def part_field(turn: int, part: int) -> str:
    """The path of one part of the prompt, as errors name it."""
    return f"prompt.turns[{turn}].parts[{part}]"


def parse_object(field: str, text: str) -> JsonObject:
    """The JSON object in `text`; raises InvalidRequest that names `field`."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest.of(field, f"expected a JSON object: {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest.of(field, f"expected a JSON object, found {_kind(value)}")
    return value


def unable(field: str, description: str) -> NoCapableModel:
    """The error for what this API or model cannot do and another may, so that a router goes on to the next."""
    return NoCapableModel(f"{field}: {description}", violations=(FieldViolation(field, description),))


def written(number: float) -> float:
    """The shortest decimal that a 32-bit float stands for: 0.7, not 0.699999988079071."""
    return float(f"{number:.7g}")


def data_url(media: Media) -> str:
    """The bytes of `media` as a data: URL (RFC 2397)."""
    return f"data:{media.mime_type};base64,{b64encode(media.data).decode()}"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"
