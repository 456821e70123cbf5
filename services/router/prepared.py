"""A snapshot of the fleet as one policy sees it: worked out once, off the requests' path where that can be. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.config.schema import CapabilityName
from services.router.candidates import Ability, Candidate, LiveModel, Snapshot, Verdict
from services.router.policy import Policy


class Row(NamedTuple):
    """A model as one policy sees it, all that does not depend on the request worked out. Rates in micros a token.

    The time costs `at_once` micros, and `a_token` more for each token.
    """

    live: LiveModel
    reference: str
    capabilities: frozenset[CapabilityName]
    context_tokens: int
    max_output_tokens: int
    input_rate: float
    output_rate: float
    cached_rate: float
    at_once: float
    a_token: float
    reliability: float
    abilities: Mapping[str, Ability]
    any_ability: Ability
    list_price: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A snapshot for one policy: the models that it admits, and the others with their verdicts."""

    policy: Policy
    rows: tuple[Row, ...]
    ruled_out: tuple[Candidate, ...]
    # Whether some model takes a share of the requests only.
    recovering: bool


def prepare(snapshot: Snapshot, policy: Policy) -> Prepared:
    """What a policy makes of a snapshot; remembered in it."""
    prepared = snapshot.prepared.get(policy.name)
    if prepared is None or prepared.policy is not policy:
        rows, ruled_out = [], []
        for live in snapshot.models:
            model = live.model
            if model.reference in policy.excluded:
                told = f"policy {policy.name} does not admit it"
                ruled_out.append(Candidate(model, Verdict.EXCLUDED_BY_POLICY, told))
            elif policy.residency and policy.residency.isdisjoint(model.residency):
                told = f"policy {policy.name} wants {_words(policy.residency)}, it is in {_words(model.residency)}"
                ruled_out.append(Candidate(model, Verdict.WRONG_RESIDENCY, told))
            else:
                rows.append(_row(live, policy))
        prepared = snapshot.prepared[policy.name] = Prepared(
            policy, tuple(rows), tuple(ruled_out), any(row.live.admits < 1.0 for row in rows)
        )
    return prepared


def _words(words: frozenset[str]) -> str:
    return " or ".join(sorted(words)) or "no stated place"


def _row(live: LiveModel, policy: Policy) -> Row:
    model, price = live.model, live.model.price
    return Row(
        live=live,
        reference=model.reference,
        capabilities=model.capabilities,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        input_rate=price.input_micros_per_mtok / 1e6,
        output_rate=price.output_micros_per_mtok / 1e6,
        cached_rate=price.cache_read_micros_per_mtok / 1e6,
        at_once=live.first_token_s * (policy.first_token_value_micros + policy.second_value_micros),
        a_token=policy.second_value_micros / live.tokens_per_second,
        reliability=live.reliability,
        abilities=live.abilities,
        any_ability=live.abilities[""],
        list_price=price.input_micros_per_mtok + price.output_micros_per_mtok,
    )
