"""What a decision is made from, and what it is. Values only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from pointsman.config.catalogue import Model
from pointsman.config.schema import CapabilityName
from pointsman.response import Chances, Response, chances_of, response
from services.router.policy import Policy

if TYPE_CHECKING:  # it is made of these
    from services.router.prepared import Prepared


class Verdict(Enum):
    """What became of a candidate; the names of pointsman.router.v1.Candidate.Verdict."""

    ELIGIBLE = "ELIGIBLE"
    LACKS_CAPABILITY = "LACKS_CAPABILITY"
    CONTEXT_TOO_SMALL = "CONTEXT_TOO_SMALL"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    OVER_BUDGET = "OVER_BUDGET"
    EXCLUDED_BY_POLICY = "EXCLUDED_BY_POLICY"
    TOO_SLOW = "TOO_SLOW"
    UNAVAILABLE = "UNAVAILABLE"
    NOT_PINNED = "NOT_PINNED"
    WRONG_RESIDENCY = "WRONG_RESIDENCY"
    NOT_SELF_HOSTED = "NOT_SELF_HOSTED"
    EXCLUDED_BY_RULE = "EXCLUDED_BY_RULE"


class Ability(NamedTuple):
    """A model's ability for one intent, see `response`; its standard deviation; output tokens for each one expected."""

    mean: float
    deviation: float
    output_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model and what is known of it now: `model.price` is the one in force.

    `unavailable` says why it cannot serve, empty where it can; `circuit` why it is left alone after failures.
    `abilities` are by intent, and under "" for all others.
    """

    model: Model
    unavailable: str
    first_token_s: float
    tokens_per_second: float
    reliability: float
    abilities: Mapping[str, Ability]
    circuit: str = ""
    # Share of the requests that may go to it, below 1 while it recovers from an outage.
    admits: float = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All models at one moment; swapped whole, never changed. `prepared` holds what policies made of it."""

    models: tuple[LiveModel, ...]
    config_revision: str
    prepared: dict[str, "Prepared"] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The classifier's view in the decision's terms; `fallback` says why the policy's default complexity stands in for it.

    `chances` are None where the classifier gave none; then `complexity` speaks.
    """

    intent: str = ""
    complexity: float = 0.0
    input_tokens: int = 1
    output_tokens: int = 1
    fallback: str = ""
    chances: Chances | None = None
    confidence: float = 0.0
    language: str = ""
    routes: frozenset[str] = frozenset()

    def seen_by(self, policy: Policy) -> tuple[float, Response]:
        """The complexity and the response that a policy decides with."""
        complexity = policy.default_complexity if self.fallback else self.complexity
        chances = None if self.fallback else self.chances
        return complexity, response(chances_of(complexity) if chances is None else chances)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the request demands: `pinned` is `provider/model` or empty, `wanted_output_tokens` None where the caller sets no limit."""

    capabilities: frozenset[CapabilityName] = frozenset()
    pinned: str = ""
    max_cost_micros: int | None = None
    wanted_output_tokens: int | None = None
    data_class: str = ""
    max_first_token_s: float | None = None
    min_tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Draws:
    """All that a decision leaves to chance, drawn before it: numbers in [0, 1).

    `arms` are the references that an experiment sends traffic to, with their shares, and `arm` the one that this request is in.
    """

    explore: float = 1.0
    pick: float = 0.0
    admit: float = 0.0
    experiment: str = ""
    arms: tuple[tuple[str, float], ...] = ()
    arm: str = ""


@dataclass(frozen=True, slots=True)
class Last:
    """The model that answered the session's last request, `provider/model`, and the tokens that its prompt cache may hold."""

    reference: str = ""
    tokens: int = 0


NO_SESSION = Last()


class Candidate(NamedTuple):
    """One model with its verdict and the numbers behind it; times in seconds, money in micros.

    score = quality_value - expected_cost - time_cost + stay_bonus. `cost` is the expected cost before it is rounded up.

    A tuple, as every request makes one for each model: a frozen dataclass takes four times as long to make.
    """

    model: Model
    verdict: Verdict
    detail: str
    score: float = 0.0
    expected_quality: float = 0.0
    cost: float = 0.0
    expected_first_token_s: float = 0.0
    expected_tokens_per_second: float = 0.0
    ability: float = 0.0
    ability_deviation: float = 0.0
    reliability: float = 0.0
    output_tokens: int = 0
    cached_tokens: int = 0
    quality_value: float = 0.0
    time_cost: float = 0.0
    stay_bonus: float = 0.0
    propensity: float = 0.0

    @property
    def expected_cost_micros(self) -> int:
        """Rounded up, as bills are."""
        return math.ceil(self.cost - 1e-9)


@dataclass(frozen=True, slots=True)
class Decision:
    """`ranked` in the order to try, `ruled_out` in the order of the configuration, `reason` one line for a person.

    `propensity` is the probability with which the first was picked; `explored` that it is not the one of the highest rank.
    """

    ranked: tuple[Candidate, ...]
    ruled_out: tuple[Candidate, ...]
    reason: str
    complexity: float = 0.0
    propensity: float = 0.0
    explored: bool = False
    experiment: str = ""
