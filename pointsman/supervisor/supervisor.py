"""Runs a whole mesh as child processes, over Unix sockets or wherever the configuration puts its services.

async with Supervisor(load_config(path), run_dir) as mesh:
    reports = await mesh.wait_ready()
    async with Client(mesh.router_address) as client:
        ...
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pointsman.config.load import LoadedConfig
from pointsman.supervisor.backoff import BackoffLimits
from pointsman.supervisor.claim import claim_run_dir
from pointsman.supervisor.journal import Journal, SilentJournal
from pointsman.supervisor.plan import DRAIN_DELAY_S, Kind, plan_services
from pointsman.supervisor.readiness import Condition, Report, wait_until_ready
from pointsman.supervisor.service import Service, State

# After its grace a service flushes its last spans and reports.
FLUSH_S = 6.0
# How long the router may take to see a provider that serves.
ROUTER_LAG_S = 5.0


class Supervisor:
    """All services of one mesh; entering starts them, leaving ends them and waits until they are gone.

    Entering raises RunDirTaken where another supervisor holds `run_dir`. A service that dies is started again after a while that
    grows (`backoff`); one that ends with exit code 2 or 3 is not. With `envoy_file` (envoy_config.SHIPPED, or one's own) Envoy stands
    before two routers. Must be entered and left in the same task, and its thread must
    outlive it: on Linux the services die with the thread that started them.
    """

    def __init__(
        self,
        config: LoadedConfig,
        run_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        journal: Journal | None = None,
        drain_grace_s: float = 10.0,
        backoff: BackoffLimits | None = None,
        envoy_file: Path | None = None,
    ) -> None:
        self._config = config
        self._run_dir = run_dir.absolute()
        self._drain_grace_s = drain_grace_s
        told = journal or SilentJournal()
        self._services = {
            spec.name: Service(spec, told, backoff or BackoffLimits())
            for spec in plan_services(
                config, self._run_dir, os.environ if environment is None else environment, drain_grace_s, envoy_file
            )
        }
        self._routers = [s for s in self._services.values() if s.spec.kind is Kind.ROUTER]
        # Where clients come in: the router itself, or Envoy before several.
        self._entry = list(self._services.values())[-1]
        self._stack = AsyncExitStack()

    @property
    def router_address(self) -> str:
        """Where clients go."""
        return self._entry.spec.address

    @property
    def services(self) -> Sequence[Service]:
        """All services, last the one that clients come to."""
        return tuple(self._services.values())

    def service(self, name: str) -> Service:
        """`router`, `classifier`, `telemetry` or `provider-NAME`, with Envoy `router-1` and so on, `envoy`; else raises KeyError."""
        return self._services[name]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(claim_run_dir(self._run_dir, self._config.path))
            # No TaskGroup: what the block raises is the caller's own and should reach them as it is.
            tasks = [asyncio.create_task(service.run()) for service in self._services.values()]
            stack.push_async_callback(self._stop, tasks)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def wait_ready(self, timeout_s: float = 30.0) -> Sequence[Report]:
        """Waits until every service serves, or says that it does not; a provider without its key does not hold up the rest."""
        front = [*self._routers, *([] if self._entry in self._routers else [self._entry])]
        others = [service for service in self._services.values() if service not in front]
        reports = await asyncio.gather(*(wait_until_ready(service, timeout_s) for service in others))
        some = any(
            r.condition is Condition.SERVING
            for s, r in zip(others, reports, strict=True)
            if s.spec.kind is Kind.PROVIDER
        )
        # Without a provider a router says that it does not serve, and that will not change by waiting.
        lag_s = ROUTER_LAG_S if some else 1.0
        return (*reports, *await asyncio.gather(*(wait_until_ready(service, lag_s) for service in front)))

    async def entry_given_up(self) -> int:
        """Waits until the router, all routers or Envoy end for good without having been told to; returns the exit code, 2 or 3."""
        ways_to_end = [asyncio.create_task(_given_up(services)) for services in ([self._entry], self._routers)]
        try:
            await asyncio.wait(ways_to_end, return_when=asyncio.FIRST_COMPLETED)
            return next(way.result() for way in ways_to_end if way.done())
        finally:
            for way in ways_to_end:
                way.cancel()

    def reload(self) -> None:
        """Has every router read its configuration again, as SIGHUP does; what comes of it is in the router's log."""
        for router in self._routers:
            router.hang_up()

    def kill(self) -> None:
        """Kills every process at once; for who cannot wait for a drain that has begun."""
        for service in self._services.values():
            service.kill()

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """The routers first: while they drain, their open streams need Envoy and their providers, and their last reports telemetry.

        Envoy ends at once when it is told to, so that is when no router has a stream left; new calls are refused meanwhile.
        """
        limit_s = self._drain_grace_s + FLUSH_S
        delay_s = 0.0 if self._entry in self._routers else DRAIN_DELAY_S
        try:
            await asyncio.gather(*(router.stop(delay_s + limit_s) for router in self._routers))
            await asyncio.gather(*(service.stop(limit_s) for service in self._services.values()))
        finally:
            for task in tasks:
                # A cancelled service kills its process.
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()


async def _given_up(services: Sequence[Service]) -> int:
    """Waits until all of them are given up; returns the last one's exit code."""
    for service in services:
        await service.ended()
        if service.state is not State.GIVEN_UP:
            await asyncio.Event().wait()
    return services[-1].exit_code or 0
