"""The services as processes of their own, each started by its own command line, as a container would start it."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman.channel import open_channel
from pointsman.config.addresses import classifier_address, provider_address, router_address, telemetry_address
from pointsman.config.load import load_config
from pointsman.telemetry.v1.telemetry_service_pb2 import ModelStats, WatchStatsRequest
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub

# Far above what anything here takes, so that a hanging test ends.
PATIENCE_S = 60.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class ServiceProcesses:
    """Processes of one mesh by name: `router`, `classifier`, `telemetry`, `provider-first`."""

    def __init__(self, config: Path, environment: Mapping[str, str]) -> None:
        self.config = config
        self.run_dir = config.parent / "run"
        self._environment = dict(environment)
        self._running: dict[str, Process] = {}

    def address(self, name: str) -> str:
        """Where a process listens."""
        mesh = load_config(self.config).mesh
        match name:
            case "router":
                return router_address(mesh, self.run_dir)
            case "classifier":
                return classifier_address(mesh, self.run_dir)
            case "telemetry":
                return telemetry_address(mesh, self.run_dir)
            case _:
                return provider_address(mesh, self.run_dir, name.removeprefix("provider-"))

    async def spawn(self, name: str, *arguments: str) -> Process:
        """Starts a process without waiting for it."""
        service, _, instance = name.partition("-")
        which = ["services.providers", "--provider", instance] if service == "provider" else [f"services.{service}"]
        common = ["--config", str(self.config), "--run-dir", str(self.run_dir)]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", *which, *common, *arguments, env=self._environment, stdin=DEVNULL, stderr=PIPE
        )

    async def start(self, *names: str, health: int = SERVING) -> None:
        """Starts processes and waits until each says that it serves, or that it does not."""
        for name in names:
            self._running[name] = await self.spawn(name)
        await asyncio.gather(*(self.until(name, "", health) for name in names))

    @asynccontextmanager
    async def watching(self, name: str, component: str) -> AsyncIterator[AsyncIterator[int]]:
        """Gives what a process' health says of one of its components, now and with each change."""
        async with open_channel(self.address(name)) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(
                health_pb2.HealthCheckRequest(service=component), timeout=PATIENCE_S, wait_for_ready=True
            )
            try:
                yield (told.status async for told in watch)
            finally:
                watch.cancel()

    async def until(self, name: str, component: str, status: int) -> None:
        """Waits until a process' health says so of one of its components."""
        async with self.watching(name, component) as told:
            async for seen in told:
                if seen == status:
                    return
        raise AssertionError(f"the watch of {component!r} at {name} ended")

    async def stats(self, attempts: int) -> dict[str, ModelStats]:
        """Waits until telemetry shows so many attempts in all; its picture by model."""
        async with open_channel(self.address("telemetry")) as channel:
            watch = TelemetryServiceStub(channel).WatchStats(WatchStatsRequest(), timeout=PATIENCE_S)
            try:
                async for tick in watch:
                    if sum(stats.attempts for stats in tick.models) >= attempts:
                        return {f"{stats.model.provider}/{stats.model.model}": stats for stats in tick.models}
            finally:
                watch.cancel()
        raise AssertionError("the watch ended")

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal."""
        self._running[name].send_signal(number)

    async def ended(self, name: str) -> tuple[int, str]:
        """Waits for a process to end; its exit code and what it logged."""
        process = self._running.pop(name)
        async with asyncio.timeout(PATIENCE_S):
            _, logged = await process.communicate()
        assert process.returncode is not None
        return process.returncode, logged.decode()

    async def end(self, *names: str) -> dict[str, int]:
        """Ends processes as an orchestrator does; their exit codes."""
        for name in names:
            self.signal(name, signal.SIGTERM)
        return {name: (await self.ended(name))[0] for name in names}

    async def close(self) -> None:
        """Kills whatever still runs."""
        for process in self._running.values():
            if process.returncode is None:
                process.kill()
        for name in list(self._running):
            await self.ended(name)


@asynccontextmanager
async def service_processes(config: Path, environment: Mapping[str, str]) -> AsyncIterator[ServiceProcesses]:
    """Ends all processes with the block."""
    processes = ServiceProcesses(config, environment)
    try:
        yield processes
    finally:
        await processes.close()
