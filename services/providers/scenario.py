"""A scenario file: how each scripted model answers, call by call, and how it fails.

version: 1
models:
  large:
    answer: "Rails bend where the points are set."
    first_token_s: 0.2
    tokens_per_second: 80
    script:                    # one entry a call, the last goes on for ever
      - {error: PROVIDER_RATE_LIMITED, retry_after_s: 2}
      - {cut_after_tokens: 5, calls: 2}
      - {}
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pointsman.config.fields import TokensPerSecond
from pointsman.config.yaml_file import read_yaml
from pointsman.errors import BY_REASON

REASONS = {reason.removeprefix("ERROR_REASON_"): cls for reason, cls in BY_REASON.items()}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ScriptedToolCall(_Section):
    """A tool call that the model makes instead of answering."""

    name: str
    arguments_json: str = "{}"


class Behaviour(_Section):
    """How one call goes; an empty one goes well. At most one of the failures."""

    # A name of pointsman.llm.v1.ErrorReason without its prefix, raised after `after_tokens`.
    error: str | None = None
    after_tokens: Annotated[int, Field(ge=0)] = 0
    retry_after_s: Annotated[float, Field(ge=0, le=86_400)] | None = None
    cut_after_tokens: Annotated[int, Field(ge=0)] | None = None
    # Says nothing more, until it is cancelled.
    stall_after_tokens: Annotated[int, Field(ge=0)] | None = None
    # From here on this slow.
    slow_after_tokens: Annotated[int, Field(ge=0)] | None = None
    slow_tokens_per_second: TokensPerSecond = 1.0
    without_usage: bool = False
    # So many calls go this way.
    calls: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_failure(self) -> Self:
        if self.error is not None and self.error not in REASONS:
            raise ValueError(f"error: expected one of {', '.join(sorted(REASONS))}, found {self.error!r}")
        failures = (self.error, self.cut_after_tokens, self.stall_after_tokens)
        if sum(failure is not None for failure in failures) > 1:
            raise ValueError("expected at most one of error, cut_after_tokens and stall_after_tokens")
        return self


class Chaos(_Section):
    """A share of calls, drawn by a seeded generator, goes one of these ways instead of the script's."""

    share: Annotated[float, Field(ge=0, le=1)]
    seed: int = 0
    behaviours: Annotated[list[Behaviour], Field(min_length=1)]


class ScriptedModel(_Section):
    """One model: its words, its pace and its script. `{prompt}` in the answer is the last turn's text."""

    answer: str = "The points are set and the train goes on. "
    # Repeats the answer until it has so many tokens (a token is a word with its space).
    tokens: Annotated[int, Field(ge=1)] | None = None
    reasoning: str = ""
    tool_call: ScriptedToolCall | None = None
    first_token_s: Annotated[float, Field(ge=0, le=86_400)] = 0.05
    # None plays as fast as the machine can.
    tokens_per_second: TokensPerSecond | None = 100.0
    down: bool = False
    script: Annotated[list[Behaviour], Field(min_length=1)] = [Behaviour()]
    chaos: Chaos | None = None


class Scenario(_Section):
    """The whole file; a model that it does not name answers like the default one."""

    version: Literal[1]
    default: ScriptedModel = ScriptedModel()
    models: dict[str, ScriptedModel] = Field(default_factory=dict)


def load_scenario(path: Path) -> Scenario:
    """Reads and validates a scenario; raises ConfigError."""
    file = read_yaml(path)
    try:
        return Scenario.model_validate(file.content)
    except ValidationError as error:
        raise file.invalid(error) from error
