"""Puts one provider's process together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from pointsman.config.load import load_config
from pointsman.provider.v1.provider_service_pb2 import DESCRIPTOR
from pointsman.provider.v1.provider_service_pb2_grpc import add_ProviderServiceServicer_to_server
from services.providers.config import ProviderConfig, read_config
from services.providers.contract import Adapter, ModelHealth, ModelState
from services.providers.model_health import HealthBoard, poll_health
from services.providers.registry import build_adapter
from services.providers.servicer import ProviderServicer
from services.runtime.health import Health
from services.runtime.server import Server
from services.runtime.settings import Settings
from services.runtime.tracing import Tracing

SERVICE = DESCRIPTOR.services_by_name["ProviderService"].full_name


async def run(settings: Settings) -> None:
    """Serves until a signal; raises ConfigError and AddressTaken."""
    config = read_config(load_config(settings.config_path), settings)
    tracing = Tracing(settings)
    try:
        async with aclosing(build_adapter(config)) as adapter, compose(config, adapter) as server:
            await server.serve_until_signal(settings.drain_grace_s)
    finally:
        tracing.close()


@asynccontextmanager
async def compose(config: ProviderConfig, adapter: Adapter) -> AsyncIterator[Server]:
    """Yields a server that is whole but does not listen yet; without its key it serves nothing but says so."""
    health = Health(SERVICE)
    board = HealthBoard(config.models)
    server = Server(config.address, health, [SERVICE])
    server.on_drain(board.close)
    add_ProviderServiceServicer_to_server(ProviderServicer(config, adapter, board), server.grpc)
    component = f"provider/{config.name}"
    if config.missing_key:
        reason = f"{config.missing_key} is not set"
        await board.update(dict.fromkeys(config.models, ModelHealth(ModelState.UNAVAILABLE, reason)))
        await health.report(component, False, reason, vital=True)
        yield server
        return
    await health.report(component, False, "its models were not asked yet", vital=True)
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(poll_health(adapter, board, health, component, config.section.health_interval_s))
        try:
            yield server
        finally:
            poll.cancel()
