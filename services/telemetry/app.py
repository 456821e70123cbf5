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
from services.telemetry.board import Board
from services.telemetry.config import TelemetryConfig, read_config
from services.telemetry.knowledge import Knowledge
from services.telemetry.messages import to_tick
from services.telemetry.servicer import TelemetryServicer
from services.telemetry.store import Store
from services.telemetry.teacher import Teacher
from services.telemetry.watchers import Watchers
from services.telemetry.window import Window

SERVICE = DESCRIPTOR.services_by_name["TelemetryService"].full_name

HEALTH_INTERVAL_S = 1.0
MODELS, WATCHERS, STORE = "models", "watchers", "store"
DAY_S = 86_400.0


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

    knowledge = Knowledge(config.feedback_half_life_days * DAY_S)
    board = Board(knowledge)

    def look() -> Board:
        board.refresh(clock.monotonic(), clock.wall_time())
        return board

    watchers = Watchers(read, config.max_watchers)
    learners = Watchers(look, config.max_watchers)
    store = Store(config.database, config.decisions_kept)
    teacher = Teacher(knowledge, store, clock)
    health = Health(SERVICE)
    server = Server(config.address, health, [SERVICE])
    server.on_drain(watchers.close)
    server.on_drain(learners.close)
    servicer = TelemetryServicer(config, window, watchers, learners, teacher, store, clock)
    add_TelemetryServiceServicer_to_server(servicer, server.grpc)
    try:
        teacher.restore(await store.open())
        async with asyncio.TaskGroup() as tasks:
            upkeep = tasks.create_task(_report_health(config, window, (watchers, learners), store, health, clock))
            learning = tasks.create_task(teacher.run())
            try:
                yield server
                await teacher.settle()
            finally:
                upkeep.cancel()
                learning.cancel()
    finally:
        await store.close()


async def _report_health(
    config: TelemetryConfig,
    window: Window,
    watched: tuple[Watchers[WatchStatsResponse], Watchers[Board]],
    store: Store,
    health: Health,
    clock: Clock,
) -> None:
    """Tells, forever, what there was no room for; none of it is vital, since the rest goes on."""
    dropped = 0
    while True:
        unplaced = window.unplaced(clock.monotonic())
        crowded = f"{unplaced} attempts left out: there is room for {config.max_models} models in a window"
        await health.report(MODELS, not unplaced, crowded)
        full = any(watchers.full for watchers in watched)
        await health.report(WATCHERS, not full, f"{config.max_watchers} watchers, the most there may be")
        lost, dropped = store.dropped - dropped, store.dropped
        problem = store.problem or (
            f"{store.dropped} records were dropped: they come faster than it writes" if lost else ""
        )
        await health.report(STORE, not problem, problem)
        await asyncio.sleep(HEALTH_INTERVAL_S)
