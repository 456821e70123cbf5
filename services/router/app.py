"""Puts the router's process together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from grpc import aio
from opentelemetry.metrics import Meter

from pointsman import telemetry_names as names
from pointsman.config.load import load_config
from pointsman.router.v1.router_service_pb2 import DESCRIPTOR
from pointsman.router.v1.router_service_pb2_grpc import add_RouterServiceServicer_to_server
from services.router.classify import Classify
from services.router.config import InForce, RouterConfig, read_config
from services.router.feedback import Feedback
from services.router.fleet import Fleet
from services.router.gate import Gates
from services.router.generate import Generator
from services.router.hedge import HedgeBudget
from services.router.price_watch import PriceWatch
from services.router.recent import Recent
from services.router.reload import Reload
from services.router.repeats import Repeats
from services.router.report import Reporter
from services.router.resume import Streams
from services.router.route import Router
from services.router.servicer import RouterServicer
from services.router.sessions import Sessions
from services.router.shadow import Shadows
from services.router.workings import Memory, Workings
from services.runtime.channel import open_channel
from services.runtime.clock import Clock, SystemClock
from services.runtime.health import Health
from services.runtime.interception import SizeLimit
from services.runtime.metrics import NO_METER, Metrics
from services.runtime.server import Server
from services.runtime.settings import Settings
from services.runtime.tracing import Tracing

# Room for all that a request holds besides its prompt.
BESIDE_THE_PROMPT_BYTES = 256 * 1024

SERVICE = DESCRIPTOR.services_by_name["RouterService"].full_name


async def run(settings: Settings) -> None:
    """Serves until a signal; raises ConfigError and AddressTaken."""
    config = read_config(load_config(settings.config_path), settings)
    tracing, metrics = Tracing(settings), Metrics(settings)
    try:
        async with compose(config, SystemClock(), settings, metrics.meter) as server:
            await server.serve_until_signal(settings.drain_grace_s, settings.drain_delay_s)
    finally:
        # At once, since each waits for the collector for seconds where that hangs.
        await asyncio.gather(asyncio.to_thread(tracing.close), asyncio.to_thread(metrics.close))


@asynccontextmanager
async def compose(
    config: RouterConfig, clock: Clock, settings: Settings, meter: Meter = NO_METER
) -> AsyncIterator[Server]:
    """Yields a server that is whole but does not listen yet; what it still has to report is sent at the end.

    `config` was read with `settings`, by which it is read again when the file changes.
    """
    async with AsyncExitStack() as stack:
        health = Health(SERVICE)
        classifier = await stack.enter_async_context(_channel(config.classifier_address))
        telemetry = await stack.enter_async_context(_channel(config.telemetry_address))
        providers = {name: await stack.enter_async_context(_channel(to)) for name, to in config.providers.items()}
        fleet = Fleet(config.models, config.revision, providers, telemetry, health, clock)
        in_force, section = InForce(config), config.section
        memory = Memory(Sessions(section.sessions_kept, section.session_s), Repeats(), Recent(section.replay_decisions))
        router = Router(in_force, Classify(classifier, health), fleet, memory.sessions, clock)
        reporter = Reporter(telemetry, health)
        shadows = Shadows(in_force, fleet, clock)
        generator = Generator(
            Workings(in_force, fleet, reporter, shadows, memory, HedgeBudget(), Gates(), clock), router
        )
        feedback = Feedback(telemetry, reporter, fleet)
        limit = SizeLimit("prompt", config.limits.max_prompt_bytes + BESIDE_THE_PROMPT_BYTES)
        server = Server(config.address, health, [SERVICE], request_limit=limit)
        streams = Streams(in_force)
        servicer = RouterServicer(in_force, router, fleet, generator, streams, feedback)
        add_RouterServiceServicer_to_server(servicer, server.grpc)
        meter.create_observable_gauge(
            names.BREAKER_STATE, [fleet.circuits], description="0 closed, 1 recovering, 2 half-open, 3 open"
        )
        prices = PriceWatch(config.models, config.prices, fleet, health, meter)
        await prices.begin()

        def take(new: RouterConfig) -> None:
            """All at once: nothing waits in here, so no request sees a half of each."""
            in_force.config = new
            fleet.replace(new.models, new.revision)
            prices.reconfigure(new.models, new.prices)
            memory.sessions.limit, memory.sessions.kept_s = new.section.sessions_kept, new.section.session_s
            memory.recent.keep(new.section.replay_decisions)
            limit.most_bytes = new.limits.max_prompt_bytes + BESIDE_THE_PROMPT_BYTES

        complete = partial(read_config, settings=settings)
        reload = Reload(settings.config_path, complete, in_force, take, prices, memory.recent, health, meter)
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(part.run()) for part in (fleet, reporter, shadows, streams, prices, reload)]
            try:
                yield server
            finally:
                for task in background:
                    task.cancel()
        await reporter.flush()


@asynccontextmanager
async def _channel(address: str) -> AsyncIterator[aio.Channel]:
    channel = open_channel(address)
    try:
        yield channel
    finally:
        await channel.close()
