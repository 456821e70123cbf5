"""ProviderService over an adapter."""

import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from pointsman import errors
from pointsman.llm.v1 import model_pb2
from pointsman.provider.v1 import provider_service_pb2 as pb
from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceServicer
from services.providers.config import ProviderConfig
from services.providers.contract import Adapter, Finished, ModelHealth, ModelState
from services.providers.frames import join, to_frame
from services.providers.model_health import HealthBoard

RETRY_AFTER_S = 1.0
PAGE_TOKEN = re.compile(r"[0-9]{1,9}")
STATES = {
    ModelState.READY: pb.ModelHealth.STATE_READY,
    ModelState.LOADING: pb.ModelHealth.STATE_LOADING,
    ModelState.DEGRADED: pb.ModelHealth.STATE_DEGRADED,
    ModelState.UNAVAILABLE: pb.ModelHealth.STATE_UNAVAILABLE,
}
Context = aio.ServicerContext[Any, Any]


class ProviderServicer(ProviderServiceServicer):
    """Streams answers, counts calls in flight, describes models and their health."""

    def __init__(self, config: ProviderConfig, adapter: Adapter, board: HealthBoard) -> None:
        self._config = config
        self._adapter = adapter
        self._board = board
        self._in_flight = dict.fromkeys(config.models, 0)

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> None:  # type: ignore[override]
        """Streams one answer; raises what the adapter raises, StreamCut where it ends without Finished."""
        self._admit(request)
        self._in_flight[request.model] += 1
        began_s = time.monotonic()
        first_token_s = 0.0
        try:
            async with aclosing(self._adapter.generate(request)) as batches:
                async for events in batches:
                    for event in join(events):
                        now_s = time.monotonic() - began_s
                        first_token_s = first_token_s or now_s
                        await context.write(to_frame(event, first_token_s, now_s))
                        if isinstance(event, Finished):
                            return
        finally:
            self._in_flight[request.model] -= 1
        raise errors.StreamCut(f"{self._config.name}/{request.model} ended its stream without finishing")

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Describes the configured models, a page at a time; a page token is the index of the next model."""
        size = request.page_size or len(self._config.models)
        if size < 1:
            raise errors.InvalidRequest.of("page_size", f"expected 0 or more, found {request.page_size}")
        if request.page_token and not PAGE_TOKEN.fullmatch(request.page_token):
            raise errors.InvalidRequest.of("page_token", "expected the next_page_token of an earlier page")
        start = int(request.page_token or 0)
        sections = list(self._config.models.values())
        cards = [
            model_pb2.ModelCard(
                ref=model_pb2.ModelRef(provider=self._config.name, model=section.model),
                capabilities=[f"CAPABILITY_{c.value.upper()}" for c in sorted(section.capabilities)],
                context_tokens=section.context_tokens or 0,
                max_output_tokens=section.max_output_tokens or 0,
            )
            for section in sections[start : start + size]
        ]
        more = start + size < len(sections)
        return pb.ListModelsResponse(models=cards, next_page_token=str(start + size) if more else "")

    async def WatchModelHealth(self, request: pb.WatchModelHealthRequest, context: Context) -> None:  # type: ignore[override]
        """Streams every model's health, then what changes."""
        async with aclosing(self._board.watch()) as changes:
            async for states in changes:
                await context.write(self._health(states))

    def _admit(self, request: pb.GenerateRequest) -> None:
        config = self._config
        if request.model not in config.models:
            known = ", ".join(sorted(config.models))
            raise errors.ProviderModelUnknown(
                f"model: expected one of {known} at {config.name}, found {request.model!r}"
            )
        if config.missing_key:
            raise errors.ProviderCredentials(
                f"{config.name} has no key: {config.missing_key} is not set in its environment"
            )
        if sum(self._in_flight.values()) >= config.section.max_in_flight:
            raise errors.ProviderRateLimited(
                f"{config.name} has {config.section.max_in_flight} calls in flight, its limit",
                retry_after_s=RETRY_AFTER_S,
            )

    def _health(self, states: Mapping[str, ModelHealth]) -> pb.WatchModelHealthResponse:
        observed = Timestamp()
        observed.GetCurrentTime()
        return pb.WatchModelHealthResponse(
            models=[
                pb.ModelHealth(
                    model=model,
                    state=STATES[health.state],
                    detail=health.detail,
                    observe_time=observed,
                    in_flight=self._in_flight[model],
                    capacity=self._config.section.max_in_flight,
                )
                for model, health in states.items()
            ]
        )
