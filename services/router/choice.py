"""From what is asked to a decision, by the routing part of the configuration. Pure: replay takes recorded requests the same way.

asked ──rule──> policy ──experiment, exploration: draws──> decide ──> choice, with the shadows beside it
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.router.candidates import NO_SESSION, Decision, Draws, Judgement, Last, Needs, Snapshot
from services.router.decision import decide
from services.router.experiments import Experiment, arm, draw, shadows
from services.router.policy import Policy
from services.router.prepared import prepare
from services.router.rules import Rule, Traits, first


@dataclass(frozen=True, slots=True)
class Routing:
    """The part of the configuration that decides; swapped whole when the file changes."""

    policies: Mapping[str, Policy]
    default_policy: str
    rules: tuple[Rule, ...] = ()
    splits: tuple[Experiment, ...] = ()
    shadows: tuple[Experiment, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without its text. `session` is the digest of its session key, 0 for none; `policy` what it names, or empty."""

    request_id: str
    judgement: Judgement
    needs: Needs
    policy: str = ""
    tenant: str = ""
    tags: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)
    session: int = 0
    last: Last = NO_SESSION


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided, by which policy and rule, and which models get a copy of the request."""

    decision: Decision
    policy: Policy
    rule: Rule | None
    shadows: tuple[tuple[Experiment, str], ...]


def choose(routing: Routing, snapshot: Snapshot, asked: Asked) -> Choice:
    """Decides. An unknown policy's name stands for the default one: a reload may have taken it away since it was checked."""
    name = asked.policy if asked.policy in routing.policies else routing.default_policy
    policy = routing.policies[name]
    rule: Rule | None = None
    split: Experiment | None = None
    copies: tuple[tuple[Experiment, str], ...] = ()
    if routing.rules or routing.splits or routing.shadows:
        traits = _traits(asked, policy)
        rule = first(routing.rules, traits)
        if rule is not None and rule.policy:
            policy = routing.policies[rule.policy]
        if not asked.needs.pinned:
            split = first(routing.splits, traits)
        if routing.shadows:
            copies = shadows([e for e in routing.shadows if e.when.holds(traits)], asked.request_id)
    decision = decide(
        snapshot,
        policy,
        asked.judgement,
        asked.needs,
        rule=rule,
        draws=_draws(asked, policy, split, snapshot),
        last=asked.last,
    )
    chosen = decision.ranked[0].model.reference if decision.ranked else ""
    admitted = {c.model.reference for c in decision.ranked}
    copies = tuple((e, reference) for e, reference in copies if reference != chosen and reference in admitted)
    return Choice(decision, policy, rule, copies)


def _traits(asked: Asked, policy: Policy) -> Traits:
    complexity, _ = asked.judgement.seen_by(policy)
    return Traits(
        intent=asked.judgement.intent,
        complexity=complexity,
        input_tokens=asked.judgement.input_tokens,
        language=asked.judgement.language,
        routes=asked.judgement.routes,
        policy=policy.name,
        tenant=asked.tenant,
        tags=asked.tags,
        metadata=asked.metadata,
        data_class=asked.needs.data_class,
    )


_NO_DRAWS = Draws()


def _draws(asked: Asked, policy: Policy, split: Experiment | None, snapshot: Snapshot) -> Draws:
    recovering = prepare(snapshot, policy).recovering
    if split is None and not policy.explore and not recovering:
        return _NO_DRAWS
    inside = arm(split, asked.session, asked.request_id) if split is not None else None
    return Draws(
        explore=draw("explore", asked.request_id) if policy.explore else 1.0,
        pick=draw("pick", asked.request_id) if policy.explore else 0.0,
        # A session is not torn apart by it.
        admit=draw("admit", asked.session or asked.request_id) if recovering else 0.0,
        experiment=split.name if split is not None else "",
        arms=split.arms if split is not None else (),
        arm=inside[0] if inside is not None else "",
    )
