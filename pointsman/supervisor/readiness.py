"""Asks a service how it is: by grpc.health.v1, and a provider for each of its models."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman.provider.v1 import provider_service_pb2 as provider_pb
from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceStub
from pointsman.supervisor.plan import Kind, ServiceSpec
from pointsman.supervisor.service import Service, State

POLL_S = 0.05
# So many deaths before it ever answered are not waited through.
HOPELESS_RESTARTS = 3
# A connection that is refused is tried again this soon: who waits for a start wants to know at once.
OPTIONS = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 50)]
READY_STATES = (provider_pb.ModelHealth.STATE_READY, provider_pb.ModelHealth.STATE_DEGRADED)


class Condition(Enum):
    """How a service is."""

    SERVING = "serving"
    NOT_SERVING = "not serving"
    NOT_REACHED = "not reached"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Report:
    """One service's condition; `detail` says why it does not serve, or which of a provider's models do not."""

    name: str
    address: str
    condition: Condition
    detail: str = ""


async def wait_until_ready(service: Service, timeout_s: float) -> Report:
    """Waits until the service serves, is given up, or says for good that it does not serve; tells how it is then."""
    spec = service.spec
    channel = aio.insecure_channel(spec.address, options=OPTIONS)
    latest = Report(spec.name, spec.address, Condition.NOT_REACHED, f"no answer within {timeout_s:g} s")
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if service.state in (State.GIVEN_UP, State.STOPPED):
                    ended = f"ended with exit code {service.exit_code}"
                    condition = Condition.GIVEN_UP if service.state is State.GIVEN_UP else Condition.NOT_REACHED
                    return Report(spec.name, spec.address, condition, ended)
                if service.restarts >= HOPELESS_RESTARTS:
                    detail = (
                        f"it died {service.restarts} times, last with exit code {service.exit_code}; its log says why"
                    )
                    return Report(spec.name, spec.address, Condition.NOT_REACHED, detail)
                try:
                    latest, settled = await _ask(channel, spec)
                except aio.AioRpcError as error:
                    settled = False
                    # Refused is what a service is that has not come up yet.
                    if error.code() is not StatusCode.UNAVAILABLE:
                        latest = Report(spec.name, spec.address, Condition.NOT_REACHED, error.details() or "")
                if settled:
                    return latest
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return latest
    finally:
        await channel.close()


async def _ask(channel: aio.Channel, spec: ServiceSpec) -> tuple[Report, bool]:
    """The service's word, and whether it is worth waiting for another."""
    if spec.kind is Kind.PROVIDER:
        return _judge(spec, await read_model_health(channel))
    stub: Any = health_pb2_grpc.HealthStub(channel)
    call = stub.Check(health_pb2.HealthCheckRequest())
    try:
        answer = await call
    finally:
        call.cancel()
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return Report(spec.name, spec.address, Condition.SERVING), True
    return Report(spec.name, spec.address, Condition.NOT_SERVING, "its log says why"), False


def _judge(spec: ServiceSpec, models: Sequence[provider_pb.ModelHealth]) -> tuple[Report, bool]:
    down = [model for model in models if model.state not in READY_STATES]
    if len(down) == len(models) and len({model.detail for model in down}) == 1:
        detail = down[0].detail
    else:
        detail = "; ".join(f"{model.model}: {model.detail}" for model in down)
    condition = Condition.NOT_SERVING if len(down) == len(models) else Condition.SERVING
    settled = all(model.state != provider_pb.ModelHealth.STATE_LOADING for model in models)
    return Report(spec.name, spec.address, condition, detail), settled


async def read_model_health(channel: aio.Channel) -> list[provider_pb.ModelHealth]:
    """The provider's word on each of its models; raises grpc.aio.AioRpcError."""
    call = ProviderServiceStub(channel).WatchModelHealth(provider_pb.WatchModelHealthRequest())
    try:
        async for picture in call:
            return list(picture.models)
        return []
    finally:
        call.cancel()
