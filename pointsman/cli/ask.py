"""What `chat` and `explain` have in common: a question from the command line."""

import sys
from dataclasses import dataclass

from pointsman.cli.failures import CannotAsk
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.llm.v1.prompt_pb2 import Prompt
from pointsman.requests import AskOptions, make_prompt


@dataclass(frozen=True, slots=True)
class Question:
    """The options as typed; `text` of `-` stands for standard input."""

    text: str
    policy: str = ""
    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    max_cost_usd: float | None = None
    timeout_s: float | None = None

    def prompt(self) -> Prompt:
        """The prompt; raises CannotAsk where standard input is no text, and InvalidRequest."""
        return make_prompt(_read_stdin() if self.text == "-" else self.text, system=self.system)

    def options(self) -> AskOptions:
        """Everything beside the prompt."""
        options = AskOptions(
            policy=self.policy,
            sampling=SamplingOptions(max_output_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed),
        )
        if self.model is not None:
            options["pinned_model"] = self.model
        if self.max_cost_usd is not None:
            options["max_cost_usd"] = self.max_cost_usd
        return options


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise CannotAsk(f"standard input: expected text in UTF-8: {error.reason} at byte {error.start}") from error
