"""Health as a set of named components, served by grpc.health.v1.

The empty name and each service's full name answer the AND of the components marked vital; each component answers under its
own name (`classifier`, `provider/openai`), so that an operator can ask for one. Every change is logged with its reason.
"""

import logging
from dataclasses import dataclass

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

logger = logging.getLogger(__name__)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


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
        self._servicer = health.aio.HealthServicer()
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
            logger.warning("component %s is not serving: %s", name, detail)
        elif before is not None:
            logger.info("component %s is serving again", name)
        await self._servicer.set(name, _SERVING if serving else _NOT_SERVING)
        await self._publish()

    async def ready(self) -> None:
        """Publishes the first state, once the process listens."""
        await self._publish()

    async def drain(self) -> None:
        """Says NOT_SERVING from now on, whatever the components say."""
        self._draining = True
        await self._publish()

    async def _publish(self) -> None:
        status = _SERVING if self.serving else _NOT_SERVING
        for name in self._service_names:
            await self._servicer.set(name, status)
