"""Policies, rules and experiments of the configuration, as the decision takes them."""

from collections.abc import Sequence

from pointsman.config.routing_schema import (
    ExperimentKind,
    ExperimentSection,
    Objective,
    PolicySection,
    RuleSection,
    WhenSection,
)
from pointsman.config.schema import MeshConfig
from services.router.choice import Routing
from services.router.experiments import Experiment
from services.router.policy import Policy, excluded, fits
from services.router.rules import Rule, When


def read_routing(mesh: MeshConfig, references: Sequence[str]) -> Routing:
    """Works out the patterns for the models there are; money becomes micros."""
    experiments = [_experiment(section) for section in mesh.experiments]
    return Routing(
        policies={name: _policy(name, section, references) for name, section in mesh.policies.items()},
        default_policy=mesh.router.default_policy,
        rules=tuple(_rule(section, references) for section in mesh.rules),
        splits=tuple(e for e in experiments if not e.shadow),
        shadows=tuple(e for e in experiments if e.shadow),
    )


def _policy(name: str, section: PolicySection, references: Sequence[str]) -> Policy:
    return Policy(
        name=name,
        success_value_micros=section.success_value * 1e6,
        first_token_value_micros=section.first_token_value * 1e6,
        second_value_micros=section.second_value * 1e6,
        stay_bonus_micros=section.stay_bonus * 1e6,
        cheapest=section.objective is Objective.CHEAPEST,
        min_quality=section.min_quality,
        min_quality_share=section.min_quality_share,
        explore=section.explore,
        default_complexity=section.default_complexity,
        excluded=excluded(references, section.allow, section.deny),
        max_cost_micros=None if section.max_cost is None else round(section.max_cost * 1e6),
        max_first_token_s=section.max_first_token_s,
        min_tokens_per_second=section.min_tokens_per_second,
        residency=section.residency,
        self_hosted_for=section.self_hosted_for,
        switch_on_refusal=section.switch_on_refusal,
        hedge=section.hedge,
    )


def _rule(section: RuleSection, references: Sequence[str]) -> Rule:
    preferred = frozenset(r for r in references if fits(r, section.use)) if section.use else None
    return Rule(section.name, _when(section.when), section.policy or "", preferred, section.strict)


def _experiment(section: ExperimentSection) -> Experiment:
    return Experiment(
        name=section.name,
        when=_when(section.when),
        arms=tuple(section.arms.items()),
        shadow=section.kind is ExperimentKind.SHADOW,
        max_cost_micros_per_hour=section.max_cost_per_hour * 1e6,
        record_answers=section.record_answers,
    )


def _when(section: WhenSection) -> When:
    given = {name: getattr(section, name) for name in WhenSection.model_fields if getattr(section, name) is not None}
    return When(**given)
