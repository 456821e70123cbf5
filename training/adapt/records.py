"""What an operator recorded of their own requests: a file of JSON lines, read strictly."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pointsman.llm.v1 import prompt_pb2 as pb
from services.classifier.prompt_text import PromptText, read_prompt

CAPABILITY_TIERS = ("small", "medium", "frontier")
MOST_ROWS = 100_000
MOST_OUTPUT_TOKENS = 1_000_000
ROLES = {"system": pb.ROLE_SYSTEM, "user": pb.ROLE_USER, "assistant": pb.ROLE_ASSISTANT, "tool": pb.ROLE_TOOL}
EXPECTED = {
    "prompt": "text",
    "messages": 'a list of {"role": "system|user|assistant|tool", "content": "text"}',
    "tier": "small, medium or frontier",
    "right": "true, false or a number from 0 to 1",
    "output_tokens": f"a whole number from 1 to {MOST_OUTPUT_TOKENS:,}",
}


class RecordsError(Exception):
    """The file cannot be used; the message names the line, the field and what was expected."""


def _as_number(value: object) -> object:
    return float(value) if isinstance(value, bool) else value


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: Annotated[list[_Message], Field(min_length=1)] | None = None
    intent: str | None = None
    tier: Literal["small", "medium", "frontier"] | None = None
    right: Annotated[float, BeforeValidator(_as_number), Field(ge=0, le=1)] | None = None
    output_tokens: Annotated[int, Field(ge=1, le=MOST_OUTPUT_TOKENS)] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "_Line":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("expected either `prompt` or `messages`")
        if self.messages is not None and not any(m.role == "user" and m.content for m in self.messages):
            raise ValueError("messages: expected at least one of role user with text")
        if (self.tier is None) != (self.right is None):
            raise ValueError(
                f"{'right' if self.tier else 'tier'}: expected beside `{'tier' if self.tier else 'right'}`"
            )
        if self.intent is None and self.right is None and self.output_tokens is None:
            raise ValueError("expected at least one of `intent`, `tier` with `right`, `output_tokens`")
        return self


@dataclass(frozen=True, slots=True)
class Record:
    """One request and what came of it. `intent` and `tier` are indices; `right` lies in [0, 1] and goes with `tier`."""

    text: PromptText
    intent: int | None
    tier: int | None
    right: float | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class Records:
    """A file that was read: its rows, its digest, and how many lines were left out."""

    rows: tuple[Record, ...]
    sha256: str
    bad_lines: int


def read_records(
    path: Path, taxonomy: Sequence[str], *, skip_bad: bool, on_bad: Callable[[str], None] = lambda _: None
) -> Records:
    """Read all lines; empty ones do not count. With `skip_bad` a bad line is told to `on_bad` and left out.

    Raises RecordsError.
    """
    rows: list[Record] = []
    bad_lines, digest = 0, hashlib.sha256()
    for number, line in enumerate(_lines(path), start=1):
        digest.update(line)
        if not line.strip():
            continue
        try:
            rows.append(_read_line(line, taxonomy))
        except ValueError as error:
            message = f"{path}:{number}: {error}"
            if not skip_bad:
                raise RecordsError(message) from None
            bad_lines += 1
            on_bad(message)
        if len(rows) > MOST_ROWS:
            raise RecordsError(f"{path}: expected at most {MOST_ROWS:,} lines; the latest are the best to keep")
    if not rows:
        raise RecordsError(f"{path}: expected at least one good line")
    return Records(tuple(rows), digest.hexdigest(), bad_lines)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise RecordsError(f"{path}: expected a readable file ({error.strerror})") from error


def _read_line(line: bytes, taxonomy: Sequence[str]) -> Record:
    """Raise ValueError with the field and what was expected; the line's text is never part of it."""
    try:
        found = _Line.model_validate_json(line.strip())
    except ValidationError as error:
        raise ValueError(_describe(error)) from None
    if found.intent is not None and found.intent not in taxonomy:
        raise ValueError(f"intent: expected one of {', '.join(taxonomy)}")
    return Record(
        text=read_prompt(_prompt(found)),
        intent=None if found.intent is None else taxonomy.index(found.intent),
        tier=None if found.tier is None else CAPABILITY_TIERS.index(found.tier),
        right=found.right,
        output_tokens=found.output_tokens,
    )


def _describe(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return "expected one JSON object a line, in UTF-8"
    if first["type"] == "extra_forbidden":
        known = ", ".join(_Message.model_fields if field.startswith("messages.") else _Line.model_fields)
        # The name is the file's own text: it is told only where it is a name.
        return f"{field if field.isprintable() and len(field) < 64 else 'a field'}: unknown; expected {known}"
    if not field:
        return first["msg"].removeprefix("Value error, ").replace("Input should be an object", "expected a JSON object")
    return f"{field}: expected {EXPECTED.get(field.partition('.')[0], 'text')}"


def _prompt(line: _Line) -> pb.Prompt:
    messages = line.messages or [_Message(role="user", content=line.prompt or "")]
    return pb.Prompt(turns=[pb.Turn(role=ROLES[m.role], parts=[pb.Part(text=m.content)]) for m in messages])
