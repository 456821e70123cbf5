"""What `chat` and `explain` have in common: a question from the command line."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.cli.failures import CannotAsk
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.llm.v1.prompt_pb2 import Prompt
from pointsman.requests import AskOptions, make_prompt


@dataclass(frozen=True, slots=True)
class Labels:
    """What a request says of itself beside its prompt, as typed; entries of `metadata` are KEY=VALUE."""

    session: str = ""
    tenant: str = ""
    tags: Sequence[str] = ()
    metadata: Sequence[str] = ()
    data_class: str = ""
    max_first_token_s: float | None = None
    min_tokens_per_second: float | None = None
    request_id: str = ""

    def options(self) -> AskOptions:
        """Those that were given; raises CannotAsk."""
        options = AskOptions(
            session_key=self.session,
            tenant=self.tenant,
            tags=self.tags,
            metadata=dict(_pair(entry) for entry in self.metadata),
            data_class=self.data_class,
            request_id=self.request_id,
        )
        if self.max_first_token_s is not None:
            options["max_first_token_s"] = self.max_first_token_s
        if self.min_tokens_per_second is not None:
            options["min_tokens_per_second"] = self.min_tokens_per_second
        return options


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
    labels: Labels = Labels()

    def prompt(self) -> Prompt:
        """The prompt; raises CannotAsk where standard input is no text, and InvalidRequest."""
        return make_prompt(_read_stdin() if self.text == "-" else self.text, system=self.system)

    def options(self) -> AskOptions:
        """Everything beside the prompt; raises CannotAsk."""
        options = AskOptions(
            **self.labels.options(),
            policy=self.policy,
            sampling=SamplingOptions(max_output_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed),
        )
        if self.model is not None:
            options["pinned_model"] = self.model
        if self.max_cost_usd is not None:
            options["max_cost_usd"] = self.max_cost_usd
        return options


def _pair(entry: str) -> tuple[str, str]:
    key, equals, value = entry.partition("=")
    if not (key and equals):
        raise CannotAsk(f"--metadata: expected KEY=VALUE, found {entry!r}")
    return key, value


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise CannotAsk(f"standard input: expected text in UTF-8: {error.reason} at byte {error.start}") from error
