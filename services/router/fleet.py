"""What is known of every model now: health from its provider, figures from telemetry, or what this router saw itself.

provider.WatchModelHealth ──┐
telemetry.WatchStats ───────┤
telemetry.WatchAbilities ───┼──> snapshot, swapped whole off the request's path
prices ─────────────────────┤
own attempts ───────────────┘
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.duration_pb2 import Duration
from grpc import aio
from opentelemetry.metrics import CallbackOptions, Observation

from pointsman import errors
from pointsman import telemetry_names as names
from pointsman.config.catalogue import Model, Price
from pointsman.config.schema import LimitsSection
from pointsman.provider.v1 import provider_service_pb2 as provider_pb
from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceStub
from pointsman.telemetry.v1 import telemetry_service_pb2 as telemetry_pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.router.attempt import Patience
from services.router.breaker import Breaker, State
from services.router.candidates import LiveModel, Snapshot
from services.router.learned import Learned
from services.router.observed import Observed
from services.router.policy import reliability
from services.router.prepared import prepare
from services.runtime.channel import undecodable
from services.runtime.clock import Clock
from services.runtime.health import Health

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceAsyncStub
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub

logger = logging.getLogger(__name__)

TELEMETRY = "telemetry"
MODELS = "models"
TICK = Duration(seconds=1)
# Telemetry is believed this long after its last tick.
STALE_AFTER_S = 5.0
# Figures from fewer attempts than this are noise.
ENOUGH_ATTEMPTS = 3
RECONNECT_FIRST_S, RECONNECT_MOST_S = 0.1, 2.0
# Limits of one model are drawn from so many attempts or more: twice its slowest first tokens, a pause in which it usually says so many
# tokens; never shorter than this, which is no outage for anybody.
ENOUGH_FOR_LIMITS = 30
TIMES_THE_SLOWEST = 2.0
TOKENS_PER_STALL = 100.0
SHORTEST_LIMIT_S = 3.0
# A provider tells its whole picture as soon as it is asked.
FIRST_UPDATE_S = 5.0
# A watch that was good for so long and then breaks may have been ended by a proxy, as proxies end idle streams. It is asked for
# again before the models count as down: where it is the only provider, requests would fail for nothing.
GOOD_FOR_S = 5.0
UNDECODABLE = "it sent bytes that are no update"
# By how much of the traffic each keeps away.
CIRCUIT_LEVEL = {State.CLOSED: 0, State.RECOVERING: 1, State.HALF_OPEN: 2, State.OPEN: 3}
SERVABLE = (provider_pb.ModelHealth.STATE_READY, provider_pb.ModelHealth.STATE_DEGRADED)

CALLERS_REASONS = [name for name, error in errors.BY_REASON.items() if issubclass(error, errors.CallerError)]


class Ended(NamedTuple):
    """Why a watch is over, whether it `heard` anything, and whether it was `broken` rather than ended by the provider."""

    reason: str
    heard: bool
    broken: bool = False


class Fleet:
    """Keeps the snapshot current; `run` watches until it is cancelled."""

    def __init__(
        self,
        models: tuple[Model, ...],
        revision: str,
        providers: Mapping[str, aio.Channel],
        telemetry: aio.Channel,
        health: Health,
        clock: Clock,
    ) -> None:
        self._stubs: dict[str, ProviderServiceAsyncStub] = {
            name: ProviderServiceStub(channel) for name, channel in providers.items()
        }
        self._telemetry: TelemetryServiceAsyncStub = TelemetryServiceStub(telemetry)
        self._learned = Learned(telemetry, health)
        self._health = health
        self._clock = clock
        self._unavailable: dict[str, str] = {}
        self._observed: dict[str, Observed] = {}
        self._breakers: dict[str, Breaker] = {}
        self._prices: Mapping[str, Price] = {}
        self._stats: dict[str, telemetry_pb.ModelStats] = {}
        self._stats_at_s = float("-inf")
        # Own failures that telemetry's tick may not hold yet: since the last tick, and since the one before.
        self._failed_lately: Counter[str] = Counter()
        self._failed_before: Counter[str] = Counter()
        self.snapshot = Snapshot((), revision)
        self.replace(models, revision, "its provider was not reached yet")

    def replace(
        self, models: tuple[Model, ...], revision: str, unknown: str = "its provider has not said that it has it"
    ) -> None:
        """Takes the models of another configuration; `unknown` is why those cannot serve of which no provider spoke yet."""
        self._models = models
        self._revision = revision
        self.references = frozenset(model.reference for model in models)
        for reference in self.references:
            self._unavailable.setdefault(reference, unknown)
            self._observed.setdefault(reference, Observed())
            self._breakers.setdefault(reference, Breaker())
        self._rebuild()

    def set_prices(self, prices: Mapping[str, Price]) -> None:
        """Takes the prices in force, by `provider/model`; a model that is not named keeps its configured one."""
        self._prices = prices
        self._rebuild()

    def prior(self, reference: str, intent: str) -> float:
        """A model's ability for an intent by the configuration; 0 for a model that it does not have."""
        model = next((m for m in self._models if m.reference == reference), None)
        return 0.0 if model is None else model.quality_by_intent.get(intent, model.quality)

    def provider(self, name: str) -> "ProviderServiceAsyncStub":
        """The stub of one provider's process."""
        return self._stubs[name]

    def patience(self, reference: str, limits: LimitsSection) -> Patience:
        """How long to wait for a model: by telemetry's figures of it where there are enough, within the configured limits."""
        first_token_s, stall_s = limits.first_token_timeout_s, limits.stall_timeout_s
        stats = self._stats.get(reference)
        if stats is not None and stats.attempts >= ENOUGH_FOR_LIMITS:
            if stats.first_token_seconds.p99:
                usual_s = TIMES_THE_SLOWEST * stats.first_token_seconds.p99
                first_token_s = min(first_token_s, max(SHORTEST_LIMIT_S, usual_s))
            if stats.tokens_per_second.p10:
                stall_s = min(stall_s, max(SHORTEST_LIMIT_S, TOKENS_PER_STALL / stats.tokens_per_second.p10))
        return Patience(first_token_s, stall_s, limits.slow_tokens_per_second, limits.slow_window_s)

    def hedge_after_s(self, model: Model) -> float:
        """When a second model may start: past the time to a first token that nineteen of twenty answers of this one take."""
        stats = self._stats.get(model.reference)
        if stats is not None and stats.attempts >= ENOUGH_FOR_LIMITS and stats.first_token_seconds.p90:
            # Between the quantiles that telemetry tells, on a logarithmic scale.
            return math.sqrt(stats.first_token_seconds.p90 * stats.first_token_seconds.p99)
        return TIMES_THE_SLOWEST * (self._observed[model.reference].first_token_s or model.first_token_s)

    def begin(self, reference: str) -> None:
        """An attempt begins; where it tries a model that failed too often, all other requests keep away until it has ended."""
        if self._breakers[reference].begin(self._clock.monotonic()):
            self._rebuild()

    def circuits(self, options: CallbackOptions) -> Iterable[Observation]:
        """The state of every model's circuit, for a gauge; called by the exporter's thread."""
        now_s = self._clock.monotonic()
        return [
            Observation(CIRCUIT_LEVEL[self._breakers[reference].state(now_s)], {names.MODEL: reference})
            for reference in self.references
        ]

    def rests(self, reference: str) -> bool:
        """Whether a model is left alone now, since it failed too often."""
        return bool(self._breakers[reference].refusal(self._clock.monotonic()))

    def let_go(self, reference: str) -> None:
        """An attempt ended that says nothing of the model: it was cancelled, or the request did not suit it."""
        self._breakers[reference].let_go()

    def observe(
        self,
        reference: str,
        *,
        failed: bool,
        first_token_s: float | None,
        tokens_per_second: float | None,
        retry_after_s: float = 0.0,
    ) -> None:
        """Takes the outcome of one attempt of this router that was not cancelled."""
        now_s, breaker = self._clock.monotonic(), self._breakers[reference]
        self._observed[reference].add(
            now_s, failed=failed, first_token_s=first_token_s, tokens_per_second=tokens_per_second
        )
        state = breaker.state(now_s)
        breaker.ended(now_s, failed=failed, retry_after_s=retry_after_s)
        if failed:
            self._failed_lately[reference] += 1
        if (after := breaker.state(now_s)) is not state:
            words = breaker.refusal(now_s) or "it answers again"
            logger.warning("circuit of %s: %s to %s, %s", reference, state.value, after.value, words)
        if failed or after is not state:
            # The next request must know at once; what went well can wait for the next refresh.
            self._rebuild()

    async def run(self) -> None:
        """Watches every provider and telemetry; a watch that breaks is taken up again."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._stubs:
                tasks.create_task(self._watch_provider(name))
            tasks.create_task(self._watch_telemetry())
            tasks.create_task(self._learned.run(self._rebuild))
            tasks.create_task(self._refresh())

    async def _watch_provider(self, name: str) -> None:
        pause_s = RECONNECT_FIRST_S
        while True:
            began_s = self._clock.monotonic()
            ended = await self._follow(name)
            if ended.heard:
                pause_s = RECONNECT_FIRST_S
                if ended.broken and self._clock.monotonic() - began_s >= GOOD_FOR_S:
                    continue
            self._mark(name, ended.reason)
            await self._swap()
            await asyncio.sleep(pause_s)
            pause_s = min(RECONNECT_MOST_S, pause_s * 2)

    async def _follow(self, name: str) -> Ended:
        """Takes what one watch of a provider says, until it ends."""
        call = self._stubs[name].WatchModelHealth(provider_pb.WatchModelHealthRequest())
        heard = False
        try:
            async with asyncio.timeout(FIRST_UPDATE_S) as patience:
                async for update in call:
                    if undecodable(update):
                        return Ended(UNDECODABLE, heard)
                    if not heard:
                        patience.reschedule(None)
                        self._mark(name, "its provider does not know it")
                        heard = True
                    for seen in update.models:
                        told = seen.detail or "its provider says that it is not ready"
                        self._unavailable[f"{name}/{seen.model}"] = "" if seen.state in SERVABLE else told
                    await self._swap()
        except aio.AioRpcError as error:
            return Ended(f"its provider is not reachable: {error.details()}", heard, broken=True)
        except TimeoutError:
            return Ended(f"its provider said nothing for {FIRST_UPDATE_S:g} s", heard)
        finally:
            call.cancel()
        return Ended("its provider ended the watch", heard)

    async def _watch_telemetry(self) -> None:
        pause_s = RECONNECT_FIRST_S
        while True:
            call = self._telemetry.WatchStats(telemetry_pb.WatchStatsRequest(interval=TICK))
            reason = "it ended the watch"
            try:
                async for tick in call:
                    if undecodable(tick):
                        reason = UNDECODABLE
                        break
                    pause_s = RECONNECT_FIRST_S
                    self._stats = {f"{s.model.provider}/{s.model.model}": s for s in tick.models}
                    self._stats_at_s = self._clock.monotonic()
                    self._failed_before, self._failed_lately = self._failed_lately, Counter()
                    await self._health.report(TELEMETRY, True)
            except aio.AioRpcError as error:
                reason = error.details() or error.code().name
            finally:
                call.cancel()
            await self._health.report(TELEMETRY, False, reason)
            await asyncio.sleep(pause_s)
            pause_s = min(RECONNECT_MOST_S, pause_s * 2)

    def _mark(self, provider: str, reason: str) -> None:
        """Sets why none of a provider's models is available."""
        for model in self._models:
            if model.provider == provider:
                self._unavailable[model.reference] = reason

    def _rebuild(self) -> None:
        """Swaps the snapshot; for the policies that decided on the last one it is prepared here and not by a request."""
        used = self.snapshot.prepared.values()
        self.snapshot = self._build()
        for prepared in used:
            prepare(self.snapshot, prepared.policy)

    async def _refresh(self) -> None:
        """Own observations and stale figures change with time alone."""
        while True:
            await self._swap()
            await asyncio.sleep(1.0)

    async def _swap(self) -> None:
        self._rebuild()
        some = any(not live.unavailable for live in self.snapshot.models)
        reasons = sorted({live.unavailable for live in self.snapshot.models if live.unavailable})
        await self._health.report(MODELS, some, f"no model is available: {'; '.join(reasons)[:300]}", vital=True)
        for name in self._stubs:
            down = {
                v.model.reference: v.unavailable
                for v in self.snapshot.models
                if v.model.provider == name and v.unavailable
            }
            detail = "; ".join(f"{reference}: {reason}" for reference, reason in sorted(down.items()))
            await self._health.report(f"provider/{name}", not down, detail[:300])

    def _build(self) -> Snapshot:
        now_s = self._clock.monotonic()
        fresh = now_s - self._stats_at_s <= STALE_AFTER_S
        return Snapshot(tuple(self._live(model, now_s, fresh) for model in self._models), self._revision)

    def _live(self, model: Model, now_s: float, fresh: bool) -> LiveModel:
        own = self._observed[model.reference]
        own.fade(now_s)
        first_token_s = own.first_token_s or model.first_token_s
        tokens_per_second = own.tokens_per_second or model.tokens_per_second
        attempts, failures = round(own.attempts), round(own.failures)
        stats = self._stats.get(model.reference) if fresh else None
        if stats is not None and stats.attempts >= ENOUGH_ATTEMPTS:
            first_token_s = stats.first_token_seconds.p50 or first_token_s
            tokens_per_second = stats.tokens_per_second.p50 or tokens_per_second
            # As for own observations: a request that does not suit a model says nothing of the model.
            unsuited = sum(stats.failures_by_reason.get(reason, 0) for reason in CALLERS_REASONS)
            lately = self._failed_lately[model.reference] + self._failed_before[model.reference]
            attempts = stats.attempts - stats.cancelled - unsuited + lately
            failures = stats.failures - unsuited + lately
        price = self._prices.get(model.reference)
        return LiveModel(
            model if price is None else replace(model, price=price),
            self._unavailable[model.reference],
            first_token_s,
            tokens_per_second,
            reliability(attempts, failures),
            self._learned.abilities(model),
            self._breakers[model.reference].refusal(now_s),
            self._breakers[model.reference].share(now_s),
        )
