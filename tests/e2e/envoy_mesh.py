"""A mesh with Envoy before two routers, watched through Envoy's own statistics and the services' logs."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from pointsman.config.load import load_config
from pointsman.supervisor.envoy_config import SHIPPED
from pointsman.supervisor.readiness import Condition
from pointsman.supervisor.supervisor import Supervisor
from tests.e2e.mesh_config import clean_environment

# Far above what anything here takes, so that a hanging test ends.
PATIENCE_S = 120.0
ROUTERS = ("router-1", "router-2")
# Metadata by which an answer names its router, and a call asks for it.
ROUTER_HEADER = "pointsman-router"


class WatchedJournal:
    """Keeps every line; one that comes can be waited for."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._news = asyncio.Event()

    def output(self, service: str, line: str) -> None:
        self.lines.append((service, line))
        self._news.set()

    def notice(self, service: str, message: str) -> None:
        self.output(service, message)

    async def wait_for(self, service: str, pattern: str) -> str:
        """The first line of a service that fits."""
        seen = 0
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._news.clear()
                for name, line in self.lines[seen:]:
                    if name == service and re.search(pattern, line):
                        return line
                seen = len(self.lines)
                await self._news.wait()


@dataclass(frozen=True, slots=True)
class Host:
    """One router as Envoy sees it: calls that are open, calls so far."""

    healthy: bool
    active: int
    total: int


@dataclass(frozen=True, slots=True)
class EnvoyMesh:
    """A running mesh and what it says."""

    supervisor: Supervisor
    journal: WatchedJournal
    run_dir: Path

    def process(self, name: str) -> psutil.Process:
        """The process of a service."""
        return psutil.Process(self.supervisor.service(name).pid)

    async def hosts(self) -> Mapping[str, Host]:
        """Both routers by name."""
        clusters = await self._admin("/clusters?format=json")
        routers = next(c for c in clusters["cluster_statuses"] if c["name"] == "routers")
        return {_router_name(host["address"]["pipe"]["path"]): _host(host) for host in routers["host_statuses"]}

    async def until(self, holds: Callable[[Mapping[str, Host]], bool]) -> Mapping[str, Host]:
        """Asks until it holds; what was seen then."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds(hosts := await self.hosts()):
                pass
        return hosts

    async def _admin(self, path: str) -> Any:
        connector = aiohttp.UnixConnector(path=str(self.run_dir / "envoy-admin.sock"))
        async with aiohttp.ClientSession(connector=connector) as session, session.get(f"http://envoy{path}") as answer:
            return json.loads(await answer.text())


def router_of(value: str | bytes) -> str:
    """The router that the header of an answer names."""
    return _router_name(base64.b64decode(value).decode())


@asynccontextmanager
async def envoy_mesh(config: Path, **environment: str) -> AsyncIterator[EnvoyMesh]:
    """Starts a mesh whose every service serves, and ends it with the block."""
    journal, run_dir = WatchedJournal(), config.parent / "run"
    supervisor = Supervisor(
        load_config(config),
        run_dir,
        environment=clean_environment(**environment),
        journal=journal,
        drain_grace_s=PATIENCE_S,
        envoy_file=SHIPPED,
    )
    async with supervisor:
        reports = {report.name: report for report in await supervisor.wait_ready(PATIENCE_S)}
        assert {r.condition for r in reports.values()} == {Condition.SERVING}, reports
        mesh = EnvoyMesh(supervisor, journal, run_dir)
        await mesh.until(lambda hosts: all(host.healthy for host in hosts.values()))
        try:
            yield mesh
        finally:
            # A test that failed may have left it suspended.
            mesh.process("provider-first").resume()


def _host(found: Mapping[str, Any]) -> Host:
    numbers = {stat["name"]: int(stat.get("value", 0)) for stat in found["stats"]}
    sick = any(value is True for key, value in found["health_status"].items() if key.startswith("failed"))
    return Host(not sick, numbers["rq_active"], numbers["rq_total"])


def _router_name(socket: str) -> str:
    return Path(socket).stem
