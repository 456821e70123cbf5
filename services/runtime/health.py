"""Health as a set of named components, served by grpc.health.v1.

The empty name and each service's full name answer the AND of the components marked vital; each component answers under its
own name (`classifier`, `provider/openai`), so that an operator can ask for one. Every change is logged with its reason.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

logger = logging.getLogger(__name__)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@dataclass(frozen=True, slots=True)
class Component:
    """One part's state: `detail` says why it does not serve; a part that is not vital degrades the service, no more."""

    serving: bool
    detail: str
    vital: bool


class Health:
    """Collects the components of one process and publishes them."""

    def __init__(self, *service_names: str) -> None:
        self._service_names = ("", *service_names)
        self._servicer = _Servicer()
        self._components: dict[str, Component] = {}
        self._draining = False

    def add_to(self, server: aio.Server) -> None:
        """Serves grpc.health.v1 on `server`."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    @property
    def components(self) -> dict[str, Component]:
        """A copy of every component's state, by name."""
        return dict(self._components)

    @property
    def serving(self) -> bool:
        """Whether the process as a whole serves."""
        return not self._draining and all(c.serving for c in self._components.values() if c.vital)

    async def report(self, name: str, serving: bool, detail: str = "", *, vital: bool = False) -> None:
        """Sets one component's state; the same state again costs nothing."""
        component = Component(serving, "" if serving else detail, vital)
        before = self._components.get(name)
        if component == before:
            return
        self._components[name] = component
        if not serving:
            # At the start most parts wait for others; that is no warning yet.
            level = logging.WARNING if before else logging.INFO
            logger.log(level, "component %s is not serving: %s", name, detail)
        elif before is not None:
            logger.info("component %s is serving again", name)
        self._publish({name: _SERVING if serving else _NOT_SERVING})

    async def ready(self) -> None:
        """Publishes the first state, once the process listens."""
        self._publish({})

    async def drain(self) -> None:
        """Says NOT_SERVING from now on, whatever the components say, and ends every watch."""
        self._draining = True
        self._publish({})
        self._servicer.close()

    def _publish(self, news: dict[str, int]) -> None:
        status = _SERVING if self.serving else _NOT_SERVING
        self._servicer.update(news | dict.fromkeys(self._service_names, status))


class _Servicer(health_pb2_grpc.HealthServicer):
    """grpc.health.v1 over one map. A watcher sees the newest state; what it was too slow for is skipped.

    Not the servicer of grpcio-health-checking: its watches outlive a drain and hold it up for the whole grace, one watcher that
    leaves cuts off the others of the same name, and one that does not read blocks whoever reports a state.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {"": _NOT_SERVING}
        self._news = asyncio.Event()
        self._closed = False

    def update(self, statuses: dict[str, int]) -> None:
        """Takes new states and wakes the watchers."""
        self._statuses |= statuses
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """Ends every watch once it has told the newest state."""
        self._closed = True
        self.update({})

    async def Check(self, request: health_pb2.HealthCheckRequest, context: aio.ServicerContext[Any, Any]) -> Any:  # noqa: N802
        """Answers one name's state; NOT_FOUND for a name that nobody reported."""
        if (status := self._statuses.get(request.service)) is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"nothing here is named {request.service[:80]!r}")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: aio.ServicerContext[Any, Any]) -> None:  # noqa: N802
        """Streams one name's state, SERVICE_UNKNOWN until somebody reports it."""
        told: int | None = None
        while True:
            news = self._news
            status = self._statuses.get(request.service, _UNKNOWN)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            elif self._closed:
                return
            else:
                await news.wait()
