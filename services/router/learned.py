"""What feedback has taught of the models, as telemetry tells it; the configuration's priors stand until it does.

telemetry.WatchAbilities ──> learned ──> abilities of each model, for the next snapshot
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from grpc import aio

from pointsman.config.catalogue import Model
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.router.candidates import Ability
from services.runtime.channel import undecodable
from services.runtime.health import Health

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub

COMPONENT = "abilities"
RECONNECT_FIRST_S, RECONNECT_MOST_S = 0.1, 2.0


class Learned:
    """Keeps what was learned; what was known stays when telemetry goes away."""

    def __init__(self, channel: aio.Channel, health: Health) -> None:
        self._stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)
        self._health = health
        self._known: dict[str, dict[str, pb.LearnedAbility]] = {}

    def abilities(self, model: Model) -> Mapping[str, Ability]:
        """A model's abilities by intent, and under "" for all others: the prior and what was learned beside it."""
        learned = self._known.get(model.reference, {})
        general = learned.get("")
        found = {}
        for intent in {"", *model.quality_by_intent, *learned}:
            prior = model.quality_by_intent.get(intent, model.quality)
            told = learned.get(intent, general)
            if told is None:
                found[intent] = Ability(prior, model.quality_deviation, model.output_ratio)
            else:
                deviation = told.deviation if told.weight else model.quality_deviation
                found[intent] = Ability(prior + told.offset, deviation, told.output_ratio or model.output_ratio)
        return found

    async def run(self, changed: Callable[[], None]) -> None:
        """Watches until it is cancelled; a watch that breaks is taken up again."""
        pause_s = RECONNECT_FIRST_S
        while True:
            call = self._stub.WatchAbilities(pb.WatchAbilitiesRequest())
            reason = "telemetry ended the watch"
            try:
                async for update in call:
                    if undecodable(update):
                        reason = "telemetry sent bytes that are no update"
                        break
                    pause_s = RECONNECT_FIRST_S
                    self._take(update)
                    changed()
                    await self._health.report(COMPONENT, True)
            except aio.AioRpcError as error:
                reason = error.details() or error.code().name
            finally:
                call.cancel()
            await self._health.report(COMPONENT, False, reason)
            await asyncio.sleep(pause_s)
            pause_s = min(RECONNECT_MOST_S, pause_s * 2)

    def _take(self, update: pb.WatchAbilitiesResponse) -> None:
        if update.whole:
            self._known = {}
        for learned in update.learned:
            reference = f"{learned.model.provider}/{learned.model.model}"
            self._known.setdefault(reference, {})[learned.intent] = learned
