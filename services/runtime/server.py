"""Runs one gRPC server: binds or says why not, serves until it is told to end, drains.

starting ──ready──> serving ──SIGTERM/SIGINT──> leaving ──delay over──> draining ──streams done or grace over──> stopped
                                                health: NOT_SERVING,     no new streams
                                                its watches end
"""

import asyncio
import errno
import logging
import signal
import socket
import stat
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from grpc import aio
from grpc_reflection.v1alpha import reflection

from services.runtime.channel import SERVER_OPTIONS
from services.runtime.error_interceptor import ErrorInterceptor
from services.runtime.health import Health
from services.runtime.interception import SizeLimit
from services.runtime.tracing import TraceInterceptor

logger = logging.getLogger(__name__)

HEALTH_SERVICE = "grpc.health.v1.Health"


class AddressTaken(Exception):
    """Another process listens there already, or it cannot be listened on; the message names the address and why."""


class Server:
    """One process' gRPC server with health and reflection."""

    def __init__(
        self,
        address: str,
        health: Health,
        service_names: Sequence[str],
        *,
        max_concurrent_rpcs: int | None = None,
        request_limit: SizeLimit | None = None,
    ) -> None:
        self.health = health
        self.address = address
        self._on_drain: list[Callable[[], Awaitable[None]]] = []
        self._server = aio.server(
            interceptors=(TraceInterceptor(), ErrorInterceptor(request_limit)),
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=max_concurrent_rpcs,
        )
        health.add_to(self._server)
        reflection.enable_server_reflection((*service_names, HEALTH_SERVICE, reflection.SERVICE_NAME), self._server)

    @property
    def grpc(self) -> aio.Server:
        """The server to register servicers on."""
        return self._server

    def on_drain(self, call: Callable[[], Awaitable[None]]) -> None:
        """Has `call` awaited when draining begins: it ends streams that would never end by themselves, such as watches."""
        self._on_drain.append(call)

    async def start(self) -> None:
        """Listens; `address` then holds the real port where 0 was asked for. Raises AddressTaken."""
        try:
            _prepare(self.address)
        except OSError as error:
            raise AddressTaken(f"cannot listen on {self.address}: {error.strerror}: {error.filename}") from error
        try:
            port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise AddressTaken(f"cannot listen on {self.address}: it is in use or not ours to use ({error})") from error
        host, _, asked = self.address.rpartition(":")
        if asked == "0" and not self.address.startswith("unix:"):
            self.address = f"{host}:{port}"
        await self._server.start()
        await self.health.ready()
        logger.info("listening on %s", self.address)

    async def stop(self, grace_s: float) -> None:
        """Drains: health says no, new calls are refused, open ones get `grace_s` seconds to finish."""
        await self.health.drain()
        for call in self._on_drain:
            await call()
        await self._server.stop(grace_s)

    async def serve_until_signal(self, grace_s: float, delay_s: float = 0.0) -> None:
        """Starts, waits for SIGTERM or SIGINT, drains; a second signal ends the grace at once.

        `delay_s` before draining is for a balancer, which hears of it by its health checks alone: what it still sends is answered. A
        call that reaches a server of gRPC just as it stops is cancelled, and nobody can tell whether it had begun (grpc issue 24237).
        """
        stop, hurry = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            (hurry if stop.is_set() else stop).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        try:
            await self.start()
            await stop.wait()
            if delay_s:
                logger.info("leaving: calls are still taken for %g s", delay_s)
                await self.health.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay_s):
                        await hurry.wait()
            logger.info("draining, %g s for open streams", grace_s)
            drained, hurried = asyncio.ensure_future(self.stop(grace_s)), asyncio.ensure_future(hurry.wait())
            await asyncio.wait({drained, hurried}, return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
            if not drained.done():
                await self._server.stop(0)
            await drained
        finally:
            await self._server.stop(0)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _prepare(address: str) -> None:
    """gRPC unlinks whatever socket file it finds; a live one belongs to somebody, so ask first."""
    if not address.startswith("unix:"):
        return
    path = Path(address.removeprefix("unix:"))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if len(bytes(path)) > 103:
        raise AddressTaken(
            f"cannot listen on {address}: a Unix socket's path may have 103 bytes, this one has {len(bytes(path))}"
        )
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise AddressTaken(f"cannot listen on {address}: a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if (code := probe.connect_ex(str(path))) not in (errno.ECONNREFUSED, errno.ENOENT):
            raise AddressTaken(
                f"cannot listen on {address}: another process does ({errno.errorcode.get(code, 'connected')})"
            )
