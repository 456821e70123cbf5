"""Puts the telemetry service's process together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pointsman.config.load import load_config
from pointsman.telemetry.v1.telemetry_service_pb2 import DESCRIPTOR, WatchStatsResponse
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import add_TelemetryServiceServicer_to_server
from services.runtime.clock import Clock, SystemClock
from services.runtime.health import Health
from services.runtime.server import Server
from services.runtime.settings import Settings
from services.runtime.tracing import Tracing
from services.telemetry.config import TelemetryConfig, read_config
from services.telemetry.messages import to_tick
from services.telemetry.servicer import TelemetryServicer
from services.telemetry.watchers import Watchers
from services.telemetry.window import Window

SERVICE = DESCRIPTOR.services_by_name["TelemetryService"].full_name

HEALTH_INTERVAL_S = 1.0
MODELS, WATCHERS = "models", "watchers"


async def run(settings: Settings) -> None:
    """Serves until a signal; raises ConfigError and AddressTaken."""
    config = read_config(load_config(settings.config_path), settings)
    tracing = Tracing(settings)
    try:
        async with compose(config, SystemClock()) as server:
            await server.serve_until_signal(settings.drain_grace_s)
    finally:
        tracing.close()


@asynccontextmanager
async def compose(config: TelemetryConfig, clock: Clock) -> AsyncIterator[Server]:
    """Yields a server that is whole but does not listen yet."""
    window = Window(config.window_s, clock.monotonic(), max_models=config.max_models, max_requests=config.max_requests)

    def read() -> WatchStatsResponse:
        return to_tick(window.picture(clock.monotonic()), clock.wall_time())

    watchers = Watchers(read, config.max_watchers)
    health = Health(SERVICE)
    server = Server(config.address, health, [SERVICE])
    server.on_drain(watchers.close)
    add_TelemetryServiceServicer_to_server(TelemetryServicer(config, window, watchers, clock), server.grpc)
    async with asyncio.TaskGroup() as tasks:
        upkeep = tasks.create_task(_report_health(config, window, watchers, health, clock))
        try:
            yield server
        finally:
            upkeep.cancel()


async def _report_health(
    config: TelemetryConfig, window: Window, watchers: Watchers[WatchStatsResponse], health: Health, clock: Clock
) -> None:
    """Tells, forever, what there was no room for; neither is vital, since the rest goes on."""
    while True:
        unplaced = window.unplaced(clock.monotonic())
        crowded = f"{unplaced} attempts left out: there is room for {config.max_models} models in a window"
        await health.report(MODELS, not unplaced, crowded)
        await health.report(WATCHERS, not watchers.full, f"{config.max_watchers} watchers, the most there may be")
        await asyncio.sleep(HEALTH_INTERVAL_S)
