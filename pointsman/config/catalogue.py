"""The models as the router knows them: the file's values, completed where it leaves them out.

Prices and context sizes come from genai-prices, abilities from those that ship (`abilities.yaml`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.config.abilities import ShippedAbility, read_abilities
from pointsman.config.load import ConfigError, LoadedConfig
from pointsman.config.prices import ListPrice, look_up
from pointsman.config.routing_schema import PriceSection
from pointsman.config.schema import CapabilityName, ModelSection, TritonSection

# Where genai-prices knows no context size either.
DEFAULT_MAX_OUTPUT_TOKENS = 4_096
# How far an ability that the operator gives may be off, where he does not say.
GIVEN_QUALITY_DEVIATION = 0.1
# The source of a quality that the operator gives.
FROM_FILE = "file"


@dataclass(frozen=True, slots=True)
class Price:
    """Micros of a US dollar per million tokens."""

    input_micros_per_mtok: int
    output_micros_per_mtok: int
    cache_read_micros_per_mtok: int
    cache_write_micros_per_mtok: int

    def cost_micros(
        self, input_tokens: int, output_tokens: int, cache_read_tokens: int = 0, cache_write_tokens: int = 0
    ) -> int:
        """What these tokens cost, rounded up; `input_tokens` includes the cached ones."""
        plain = max(0, input_tokens - cache_read_tokens - cache_write_tokens)
        total = (
            plain * self.input_micros_per_mtok
            + output_tokens * self.output_micros_per_mtok
            + cache_read_tokens * self.cache_read_micros_per_mtok
            + cache_write_tokens * self.cache_write_micros_per_mtok
        )
        return -(-total // 1_000_000)


@dataclass(frozen=True, slots=True)
class Model:
    """One model, complete. Times in seconds, rates in tokens per second.

    `quality` is its ability between a small open model (0) and a frontier model (1), `quality_by_intent` where single intents differ,
    `quality_deviation` how far they may be off, `quality_source` where they come from: FROM_FILE, or the id of a shipped source.
    `reference` is `provider/model`.
    """

    provider: str
    name: str
    capabilities: frozenset[CapabilityName]
    context_tokens: int
    max_output_tokens: int
    price: Price
    quality: float
    quality_by_intent: Mapping[str, float]
    first_token_s: float
    tokens_per_second: float
    quality_deviation: float = 0.15
    output_ratio: float = 1.0
    residency: frozenset[str] = frozenset()
    self_hosted: bool = False
    max_in_flight: int = 0
    quality_source: str = FROM_FILE
    # Stored, since it is read for every model in every request.
    reference: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", f"{self.provider}/{self.name}")


def complete_models(config: LoadedConfig) -> tuple[Model, ...]:
    """Completes every model; raises ConfigError that names each field which nobody knows."""
    wanting = {_list_reference(config, m) for m in config.mesh.models if m.price is None or m.context_tokens is None}
    known = look_up(sorted(wanting))
    shipped = read_abilities() if any(m.quality is None for m in config.mesh.models) else None
    models, problems = [], []
    for index, section in enumerate(config.mesh.models):
        reference = _list_reference(config, section)
        found = known.get(reference)
        ability = shipped.find(reference) if shipped and section.quality is None else None
        missing = [(name, f"genai-prices knows none for {reference}") for name in _missing(section, found)]
        if section.quality is None and ability is None:
            missing.append(("quality", f"no ability is shipped for {reference}"))
        problems += [config.problem(("models", index, name), f"expected a value; {why}") for name, why in missing]
        if not missing:
            hosted = section.self_hosted
            if hosted is None:
                hosted = isinstance(config.mesh.providers[section.provider], TritonSection)
            models.append(_complete(section, found, ability, self_hosted=hosted))
    if problems:
        raise ConfigError(config.path, problems)
    return tuple(models)


def _list_reference(config: LoadedConfig, section: ModelSection) -> str:
    if section.priced_as:
        return section.priced_as
    kind = config.mesh.providers[section.provider].kind
    family = {"openai_http": "openai", "anthropic_http": "anthropic"}.get(kind, section.provider)
    # A provider named as genai-prices names it (google, groq, deepseek...) is looked up under that name.
    return f"{family if section.provider in ('openai', 'anthropic') else section.provider}/{section.model}"


def _missing(section: ModelSection, found: ListPrice | None) -> list[str]:
    missing = []
    if section.price is None and found is None:
        missing.append("price")
    if section.context_tokens is None and (found is None or found.context_tokens is None):
        missing.append("context_tokens")
    return missing


def _complete(
    section: ModelSection, found: ListPrice | None, ability: ShippedAbility | None, *, self_hosted: bool
) -> Model:
    context = section.context_tokens or (found.context_tokens if found else None)
    price = section.price or (_as_section(found) if found else None)
    quality = ability.overall if ability else section.quality
    assert context is not None and price is not None and quality is not None
    return Model(
        provider=section.provider,
        name=section.model,
        capabilities=section.capabilities,
        context_tokens=context,
        max_output_tokens=section.max_output_tokens or min(DEFAULT_MAX_OUTPUT_TOKENS, context),
        price=as_price(price),
        quality=quality,
        quality_by_intent={**(ability.by_intent if ability else {}), **section.quality_by_intent},
        first_token_s=section.first_token_s,
        tokens_per_second=section.tokens_per_second,
        quality_deviation=section.quality_deviation or (ability.deviation if ability else GIVEN_QUALITY_DEVIATION),
        output_ratio=section.output_ratio,
        max_in_flight=section.max_in_flight,
        residency=section.residency,
        self_hosted=self_hosted,
        quality_source=ability.source if ability else FROM_FILE,
    )


def _as_section(found: ListPrice) -> PriceSection:
    return PriceSection(
        input=found.input, output=found.output, cache_read=found.cache_read, cache_write=found.cache_write
    )


def as_price(price: PriceSection) -> Price:
    """Dollars become micros; cached tokens cost as much as others where the file does not say."""

    def micros(dollars: float | None, default: float) -> int:
        return round((default if dollars is None else dollars) * 1e6)

    return Price(
        input_micros_per_mtok=micros(price.input, 0),
        output_micros_per_mtok=micros(price.output, 0),
        cache_read_micros_per_mtok=micros(price.cache_read, price.input),
        cache_write_micros_per_mtok=micros(price.cache_write, price.input),
    )
