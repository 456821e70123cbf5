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
from pointsman.supervisor.plan import Kind, plan_services
from pointsman.supervisor.readiness import Condition, Report, wait_until_ready
from pointsman.supervisor.service import Service, State

# After its grace a service flushes its last spans and reports.
FLUSH_S = 6.0
# How long the router may take to see a provider that serves.
ROUTER_LAG_S = 5.0


class Supervisor:
    """All services of one mesh; entering starts them, leaving ends them and waits until they are gone.

    Entering raises RunDirTaken where another supervisor holds `run_dir`. A service that dies is started again after a while that
    grows (`backoff`); one that ends with exit code 2 or 3 is not. Must be entered and left in the same task, and its thread must
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
    ) -> None:
        self._config = config
        self._run_dir = run_dir.absolute()
        self._drain_grace_s = drain_grace_s
        told = journal or SilentJournal()
        self._services = {
            spec.name: Service(spec, told, backoff or BackoffLimits())
            for spec in plan_services(
                config, self._run_dir, os.environ if environment is None else environment, drain_grace_s
            )
        }
        self._router = next(s for s in self._services.values() if s.spec.kind is Kind.ROUTER)
        self._stack = AsyncExitStack()

    @property
    def router_address(self) -> str:
        """Where clients go."""
        return self._router.spec.address

    @property
    def services(self) -> Sequence[Service]:
        """All services, the router last."""
        return tuple(self._services.values())

    def service(self, name: str) -> Service:
        """`router`, `classifier`, `telemetry` or `provider-NAME`; raises KeyError for others."""
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
        others = [service for service in self._services.values() if service is not self._router]
        reports = await asyncio.gather(*(wait_until_ready(service, timeout_s) for service in others))
        some = any(
            r.condition is Condition.SERVING
            for s, r in zip(others, reports, strict=True)
            if s.spec.kind is Kind.PROVIDER
        )
        # Without a provider the router says that it does not serve, and that will not change by waiting.
        router = await wait_until_ready(self._router, ROUTER_LAG_S if some else 1.0)
        return (*reports, router)

    async def router_given_up(self) -> int:
        """Waits until the router ends for good without having been told to; returns its exit code, 2 or 3."""
        await self._router.ended()
        if self._router.state is not State.GIVEN_UP:
            await asyncio.Event().wait()
        return self._router.exit_code or 0

    def reload(self) -> None:
        """Has the router read its configuration again, as SIGHUP does; what comes of it is in the router's log."""
        self._router.hang_up()

    def kill(self) -> None:
        """Kills every process at once; for who cannot wait for a drain that has begun."""
        for service in self._services.values():
            service.kill()

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """The router first: while it drains, its open streams need their providers, and its last reports telemetry."""
        limit_s = self._drain_grace_s + FLUSH_S
        try:
            await self._router.stop(limit_s)
            await asyncio.gather(*(service.stop(limit_s) for service in self._services.values()))
        finally:
            for task in tasks:
                # A cancelled service kills its process.
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
