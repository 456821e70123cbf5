"""What the configuration file may say, and what each field means. Pydantic, since untrusted text comes in here.

Money is in US dollars where a person writes it (per million tokens, as providers print it) and in micros of a dollar (1e-6)
everywhere inside.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pointsman.config.fields import (
    Ability,
    Address,
    HttpUrl,
    Name,
    Seconds,
    Section,
    Share,
    TokenLimit,
    TokensPerSecond,
    VariableName,
    Word,
)
from pointsman.config.routing_schema import (
    ExperimentSection,
    PolicySection,
    PriceSection,
    PricesSection,
    RuleSection,
    shipped_policies,
)


class RouterSection(Section):
    """`router:` where it listens, and its defaults."""

    address: Address | None = None
    default_policy: Name = "balanced"
    # A classification that takes longer is done without.
    classifier_timeout_ms: Annotated[int, Field(ge=1, le=10_000)] = 25
    # A classification below this confidence is done without.
    classifier_confidence_bar: Share = 0.2
    # How often to look whether this file has changed; 0 never looks, SIGHUP always does.
    reload_interval_s: Annotated[float, Field(ge=0, le=3_600)] = 2.0
    # Before a changed file is taken, so many of the last decisions are taken again with it and the difference is logged.
    replay_decisions: Annotated[int, Field(ge=0, le=100_000)] = 1_000
    # How long a provider's prompt cache is thought to last after a session's request, and how many sessions are remembered.
    session_s: Seconds = 300.0
    sessions_kept: Annotated[int, Field(ge=1, le=10_000_000)] = 50_000


class ClassifierTierChoice(StrEnum):
    """Which of the classifier's models answers: `auto` asks the encoder where the fast tier is unsure."""

    AUTO = "auto"
    FAST = "fast"
    ENCODER = "encoder"


class ClassifierSection(Section):
    """`classifier:` where it listens and what it loads."""

    address: Address | None = None
    tier: ClassifierTierChoice = ClassifierTierChoice.AUTO
    # Folder with a manifest.json; the shipped model where unset.
    models_dir: Path | None = None
    # The operator's own routes by example, see docs/routes.md.
    routes_file: Path | None = None
    # Of the encoder; unset, one less than the cores the process was given, at least 1 and at most 4.
    threads: Annotated[int, Field(ge=1, le=64)] | None = None
    max_batch: Annotated[int, Field(ge=1, le=256)] = 16
    queue_size: Annotated[int, Field(ge=1, le=100_000)] = 256
    # Longest wait for the encoder, its own work not counted; past it the fast tier answers.
    encoder_wait_ms: Annotated[float, Field(gt=0, le=10_000)] = 15.0
    # Answers remembered by a prompt's content; 0 remembers none.
    cache_entries: Annotated[int, Field(ge=0, le=1_000_000)] = 4_096
    # How often to look whether the model's files have changed; 0 never looks.
    reload_interval_s: Annotated[float, Field(ge=0, le=3_600)] = 2.0


class TelemetrySection(Section):
    """`telemetry:` where it listens and how long its window is."""

    address: Address | None = None
    window_s: Annotated[float, Field(ge=5, le=3_600)] = 60.0
    tick_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    # SQLite file of decisions and of what feedback taught; in the run folder where unset.
    database: Path | None = None
    # So many of the newest decisions are kept, for replay and for feedback.
    decisions_kept: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    # What feedback taught counts half after so many days.
    feedback_half_life_days: Annotated[float, Field(gt=0, le=3_650)] = 14.0


class LimitsSection(Section):
    """`limits:` what one request and one router may take."""

    max_prompt_bytes: Annotated[int, Field(ge=1_024, le=48 * 1024 * 1024)] = 8 * 1024 * 1024
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    # For clients that set no deadline of their own.
    default_deadline_s: Seconds = 300.0
    # Longest wait for a model's first token; past it the next candidate is asked.
    first_token_timeout_s: Seconds = 30.0
    # Longest pause between two tokens. Both are shorter for a model that is known to be faster.
    stall_timeout_s: Seconds = 30.0
    # A model that says fewer tokens a second than this, over so many seconds, has failed; 0 lets it go on.
    slow_tokens_per_second: Annotated[float, Field(ge=0, le=1_000)] = 1.0
    slow_window_s: Seconds = 10.0
    # Where a model has max_in_flight: how many requests may wait for a place, and for how long.
    queue_size: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    queue_timeout_s: Seconds = 5.0
    # How long a resumable stream goes on without a reader, and stays after its end; how much is kept for a reader that comes back.
    resume_s: Seconds = 15.0
    resume_bytes: Annotated[int, Field(ge=1_024, le=1_000_000_000)] = 1_000_000


class ProviderSection(Section):
    """What all providers share; each runs in a process of its own that alone reads its key."""

    address: Address | None = None
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 512
    # Longest time that text waits for more of it, to go in one frame; reached with two dozen streams. Below 10 nothing waits.
    join_ms: Annotated[int, Field(ge=0, le=1_000)] = 50
    connect_timeout_s: Seconds = 5.0
    health_interval_s: Seconds = 10.0


class AnswerPrefixStyle(StrEnum):
    """How an API is told to go on from an assistant message: `plain` APIs do so by themselves (llama.cpp, OpenRouter),
    `prefix_flag` is DeepSeek's and Mistral's, `continue_final_message` vLLM's and SGLang's.
    """

    PLAIN = "plain"
    PREFIX_FLAG = "prefix_flag"
    CONTINUE_FINAL_MESSAGE = "continue_final_message"


class OpenAiHttpSection(ProviderSection):
    """`kind: openai_http`: any OpenAI-compatible chat completions API."""

    kind: Literal["openai_http"]
    base_url: HttpUrl = "https://api.openai.com/v1"
    # None for an API that needs no key.
    api_key_env: VariableName | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    # Newer APIs want max_completion_tokens, most compatible ones max_tokens.
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    # Whether the API takes stream_options.include_usage.
    stream_usage: bool = True
    # Only for models with the capability continue_from_prefix.
    answer_prefix_style: AnswerPrefixStyle = AnswerPrefixStyle.PLAIN


class AnthropicHttpSection(ProviderSection):
    """`kind: anthropic_http`: the Anthropic Messages API."""

    kind: Literal["anthropic_http"]
    base_url: HttpUrl = "https://api.anthropic.com"
    api_key_env: VariableName | None = "ANTHROPIC_API_KEY"
    anthropic_version: str = "2023-06-01"
    headers: dict[str, str] = Field(default_factory=dict)


class TensorContract(StrEnum):
    """Which tensors a Triton model takes: those of the vLLM backend or of TensorRT-LLM's ensemble."""

    VLLM = "vllm"
    TENSORRT_LLM = "tensorrt_llm"


class TritonSection(ProviderSection):
    """`kind: triton`: a Triton Inference Server with decoupled language models."""

    kind: Literal["triton"]
    # host:port of its gRPC endpoint.
    url: Annotated[str, StringConstraints(pattern=r"^[^/:\s]+:\d{1,5}$")] = "127.0.0.1:8001"
    tensor_contract: TensorContract = TensorContract.VLLM


class ScriptedSection(ProviderSection):
    """`kind: scripted`: plays a scenario file, for demonstrations, tests and benchmarks."""

    kind: Literal["scripted"]
    scenario: Path


AnyProvider = Annotated[
    OpenAiHttpSection | AnthropicHttpSection | TritonSection | ScriptedSection, Field(discriminator="kind")
]


class CapabilityName(StrEnum):
    """What a model can do; the names of pointsman.llm.v1.Capability in lower case."""

    TOOLS = "tools"
    IMAGE_INPUT = "image_input"
    JSON_OUTPUT = "json_output"
    JSON_SCHEMA_OUTPUT = "json_schema_output"
    REASONING = "reasoning"
    CONTINUE_FROM_PREFIX = "continue_from_prefix"
    SEED = "seed"


class ModelSection(Section):
    """One model at one provider."""

    provider: Name
    # Its name as the provider knows it.
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    capabilities: frozenset[CapabilityName] = frozenset()
    # These three default from the genai-prices package; required where it does not know the model.
    context_tokens: TokenLimit | None = None
    max_output_tokens: TokenLimit | None = None
    price: PriceSection | None = None
    # Look up price and context of another name, as `provider/model` of genai-prices.
    priced_as: Annotated[str, StringConstraints(pattern=r"^[^/]+/.+$")] | None = None
    # Where it stands between a small open model (0) and a frontier model (1), see docs/policies.md. Shipped for well-known models
    # (`priced_as` is looked up too); required where nothing is shipped.
    quality: Ability | None = None
    # The same for single intents.
    quality_by_intent: dict[str, Ability] = Field(default_factory=dict)
    # How far `quality` may be off (standard deviation), until feedback tells.
    quality_deviation: Annotated[float, Field(ge=0.01, le=1)] | None = None
    # Output tokens for each one that the classifier expects: above 1 for a verbose model or one that thinks aloud.
    output_ratio: Annotated[float, Field(ge=0.05, le=50)] = 1.0
    # Where it runs, in words that policies ask for, such as eu.
    residency: frozenset[Word] = frozenset()
    # Whether prompts stay in the operator's hands; unset, true for kind triton alone.
    self_hosted: bool | None = None
    # What to expect of it until there are live figures.
    first_token_s: Seconds = 1.0
    tokens_per_second: TokensPerSecond = 50.0
    # So many requests of one router at a time; 0 is no limit. More wait a little where no other model can serve.
    max_in_flight: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    # Jinja2 text or a file of it; only for Triton, where the adapter applies it.
    chat_template: str | None = None


class MeshConfig(Section):
    """The whole file."""

    version: Literal[1]
    router: RouterSection = RouterSection()
    classifier: ClassifierSection = ClassifierSection()
    telemetry: TelemetrySection = TelemetrySection()
    limits: LimitsSection = LimitsSection()
    providers: Annotated[dict[Name, AnyProvider], Field(min_length=1)]
    models: Annotated[list[ModelSection], Field(min_length=1)]
    policies: dict[Name, PolicySection] = Field(default_factory=dict)
    rules: list[RuleSection] = Field(default_factory=list)
    experiments: list[ExperimentSection] = Field(default_factory=list)
    prices: PricesSection = PricesSection()

    @model_validator(mode="after")
    def _cross_check(self) -> Self:
        merged = shipped_policies() | self.policies
        object.__setattr__(self, "policies", merged)
        return self
