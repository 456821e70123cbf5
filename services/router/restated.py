"""A recorded fleet as it would have been with the models of another configuration. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pointsman.config.catalogue import Model
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.router.candidates import Ability, LiveModel, Snapshot
from services.router.policy import reliability
from services.router.recording import from_snapshot


def restate(models: Sequence[Model], revision: str) -> Callable[[pb.FleetSnapshot], Snapshot]:
    """Reads recorded fleets with these models, at their prices.

    What was live stays: state, speed, reliability, and what feedback had taught beyond the prior of that time. A model that the
    fleet did not have is taken to be up, as fast and as able as the configuration says.
    """

    def read(recorded: pb.FleetSnapshot) -> Snapshot:
        known = {live.model.reference: live for live in from_snapshot(recorded).models}
        states = {f"{s.card.ref.provider}/{s.card.ref.model}": s for s in recorded.models}
        return Snapshot(
            tuple(
                _restated(known[model.reference], states[model.reference], model)
                if model.reference in known
                else _fresh(model)
                for model in models
            ),
            revision,
        )

    return read


def _restated(live: LiveModel, state: pb.ModelState, model: Model) -> LiveModel:
    learned = {a.intent: a for a in state.abilities}
    abilities = {}
    for intent in {"", *model.quality_by_intent, *learned}:
        told = learned.get(intent, learned[""])
        prior = model.quality_by_intent.get(intent, model.quality)
        mean = prior + told.ability - told.prior if told.HasField("prior") else told.ability
        deviation = model.quality_deviation if told.deviation == told.prior_deviation else told.deviation
        abilities[intent] = Ability(mean, deviation, told.output_ratio)
    return replace(live, model=model, abilities=abilities)


def _fresh(model: Model) -> LiveModel:
    intents = {"": model.quality, **model.quality_by_intent}
    return LiveModel(
        model,
        unavailable="",
        first_token_s=model.first_token_s,
        tokens_per_second=model.tokens_per_second,
        reliability=reliability(0, 0),
        abilities={i: Ability(quality, model.quality_deviation, model.output_ratio) for i, quality in intents.items()},
    )
