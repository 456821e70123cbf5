"""What the configuration file says of choosing: policies, rules, experiments and prices."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pointsman.config.fields import Dollars, HttpUrl, Name, Reference, Seconds, Section, Share, TokensPerSecond, Word


class PriceSection(Section):
    """US dollars per million tokens."""

    input: Dollars
    output: Dollars
    # The input price where unset.
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None


class Objective(StrEnum):
    """What a policy looks for: the highest worth in money, or the cheapest model that reaches the quality bar."""

    UTILITY = "utility"
    CHEAPEST = "cheapest"


class PolicySection(Section):
    """What a request is worth, in money; see docs/policies.md.

    score = P(right answer) x success_value - expected cost - seconds to the first token x first_token_value
            - seconds in all x second_value + stay_bonus for the model that answered the session last
    """

    description: str = ""
    objective: Objective = Objective.UTILITY
    # US dollars that one right answer is worth.
    success_value: Dollars = 0.01
    # US dollars that one second less until the first token, and in all, is worth.
    first_token_value: Dollars = 0.0
    second_value: Dollars = 0.0
    # The quality bar: candidates below this probability of a right answer come after all others.
    min_quality: Share = 0.0
    # Part of the bar too: this share of the best candidate's probability.
    min_quality_share: Share = 0.0
    # US dollars by which another model has to be better before a session leaves the one that answered it last.
    stay_bonus: Dollars = 0.0
    # Share of requests that are decided by a draw from what is not known of the models' abilities, to learn it.
    explore: Share = 0.0
    # Used where the classifier is silent, late or unsure.
    default_complexity: Share = 0.5
    # `provider/model` patterns, `*` stands for anything; an empty allow list allows all.
    allow: list[str] = Field(default_factory=list)
    deny: list[str] = Field(default_factory=list)
    # Limits: models that are dearer or slower, by live figures, are ruled out.
    max_cost: Dollars | None = None
    max_first_token_s: Seconds | None = None
    min_tokens_per_second: TokensPerSecond | None = None
    # Only models of one of these places; empty for all.
    residency: frozenset[Word] = frozenset()
    # Requests of these data classes only go to self-hosted models; `*` for all requests.
    self_hosted_for: frozenset[Word] = frozenset()
    # Whether another model may answer what one refused for its content; else the caller is told.
    switch_on_refusal: bool = False
    # Share of the requests that may start a second model where the first is slower to its first token than it mostly is.
    hedge: Share = 0.0


class WhenSection(Section):
    """Which requests a rule or an experiment is for: all that is given must hold, of a list any entry."""

    intents: frozenset[Word] = frozenset()
    tags: frozenset[Word] = frozenset()
    tenants: frozenset[Word] = frozenset()
    # Each of these, with this value; `*` for any value.
    metadata: dict[Word, Word] = Field(default_factory=dict)
    data_classes: frozenset[Word] = frozenset()
    # The operator's routes, see docs/routes.md.
    routes: frozenset[Word] = frozenset()
    # BCP 47, as the classifier tells them.
    languages: frozenset[Word] = frozenset()
    # The policy that the request named, or the default.
    policies: frozenset[Name] = frozenset()
    min_input_tokens: Annotated[int, Field(ge=0)] | None = None
    max_input_tokens: Annotated[int, Field(ge=0)] | None = None
    min_complexity: Share | None = None
    max_complexity: Share | None = None


class RuleSection(Section):
    """`rules:` what comes before the score. The first rule whose `when` holds applies."""

    name: Word
    when: WhenSection = WhenSection()
    # Decide by this policy instead.
    policy: Name | None = None
    # `provider/model` patterns: these come before all others; where `strict`, the others are ruled out.
    use: list[str] = Field(default_factory=list)
    strict: bool = False


class ExperimentKind(StrEnum):
    """`split` sends a share of the traffic to a model; `shadow` sends it a copy, whose answer is not delivered."""

    SPLIT = "split"
    SHADOW = "shadow"


class ExperimentSection(Section):
    """`experiments:` canaries, A/B splits and shadows. A session stays in its arm. The first split whose `when` holds applies."""

    name: Word
    kind: ExperimentKind = ExperimentKind.SPLIT
    when: WhenSection = WhenSection()
    # Share of the requests for each model, as `provider/model`; what is left of 1 is decided as ever.
    arms: Annotated[dict[Reference, Share], Field(min_length=1)]
    # US dollars an hour that a shadow may cost; what does not fit is not sent, and counted.
    max_cost_per_hour: Dollars = 1.0
    # Keep a shadow's answers beside the decision. They are text of your users' conversations.
    record_answers: bool = False


class PricesSection(Section):
    """`prices:` prices that move. Here, in a file or at a URL that is watched; a later one of these wins over an earlier one."""

    # By `provider/model`.
    models: dict[Reference, PriceSection] = Field(default_factory=dict)
    # YAML or JSON: {models: {provider/model: {input: 1.0, output: 4.0}}}.
    file: Path | None = None
    url: HttpUrl | None = None
    refresh_s: Annotated[float, Field(ge=0.2, le=3_600)] = 2.0
    # A price that rises or falls by more than this factor at once raises an alarm; routing follows all the same.
    alarm_factor: Annotated[float, Field(gt=1, le=1_000)] = 2.0


def shipped_policies() -> dict[str, PolicySection]:
    """The policies that every mesh has; the file may change each and add others."""
    return {
        "balanced": PolicySection(
            description="worth its price", success_value=0.02, second_value=0.0002, stay_bonus=0.0002
        ),
        "quality_first": PolicySection(
            description="the best answer", success_value=1.0, second_value=0.0, default_complexity=0.8
        ),
        "economy": PolicySection(description="the cheapest that will do", success_value=0.001, default_complexity=0.4),
        "latency_first": PolicySection(description="the fastest that will do", success_value=0.01, second_value=0.005),
    }
