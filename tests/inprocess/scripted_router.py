"""A router whose every frame a test writes down, behind a real gRPC server on a Unix socket."""
# ruff: noqa: N802 - methods are named by the protobuf contract.

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from pointsman import errors, rpc_status
from pointsman.llm.v1.generation_pb2 import GenerationEvent, GenerationFinished, TextDelta
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceServicer, add_RouterServiceServicer_to_server

CHOSEN = ModelRef(provider="p", model="m")
# Waits until it is cancelled.
HANG = object()
Step = pb.GenerateResponse | errors.PointsmanError | object


def decided() -> pb.GenerateResponse:
    return pb.GenerateResponse(decided=pb.RouteDecision(chosen=CHOSEN, reason="worth its price"))


def said(text: str) -> pb.GenerateResponse:
    return pb.GenerateResponse(event=GenerationEvent(text_delta=TextDelta(text=text, token_count=1)))


def finished() -> pb.GenerateResponse:
    return pb.GenerateResponse(event=GenerationEvent(finished=GenerationFinished()))


@dataclass
class ScriptedRouter(RouterServiceServicer):
    """Plays `steps` for each call of Generate; `answer` for Complete, where None raises `steps[0]`."""

    steps: Sequence[Step] = ()
    answer: pb.CompleteResponse | None = None
    decision: pb.RouteDecision = field(default_factory=pb.RouteDecision)
    models: Sequence[pb.ModelStatus] = ()
    requests: list[Any] = field(default_factory=list)
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    deadline_s: float | None = None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def Generate(self, request: Any, context: Any) -> None:  # type: ignore[override]
        self._note(request, context)
        for number, step in enumerate(self.steps, start=1):
            if isinstance(step, errors.PointsmanError):
                await _abort(context, step)
            elif isinstance(step, pb.GenerateResponse):
                step.sequence = step.sequence or number
                await context.write(step)
            else:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise

    async def Resume(self, request: Any, context: Any) -> None:  # type: ignore[override]
        self._note(request, context)
        await _abort(context, errors.RequestUnknown("nothing is kept"))

    async def Cancel(self, request: Any, context: Any) -> pb.CancelResponse:
        self._note(request, context)
        return pb.CancelResponse()

    async def Complete(self, request: Any, context: Any) -> pb.CompleteResponse:
        self._note(request, context)
        if self.answer is None:
            assert isinstance(self.steps[0], errors.PointsmanError)
            await _abort(context, self.steps[0])
        assert self.answer is not None
        return self.answer

    async def Explain(self, request: Any, context: Any) -> pb.ExplainResponse:
        self._note(request, context)
        return pb.ExplainResponse(decision=self.decision)

    async def ListModels(self, request: Any, context: Any) -> pb.ListModelsResponse:
        self._note(request, context)
        return pb.ListModelsResponse(models=self.models)

    async def RecordFeedback(self, request: Any, context: Any) -> pb.RecordFeedbackResponse:
        self._note(request, context)
        return pb.RecordFeedbackResponse(model=CHOSEN, intent="code", ability=0.9, ability_deviation=0.1)

    def _note(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        self.deadline_s = context.time_remaining()


@asynccontextmanager
async def serving(router: ScriptedRouter, folder: Path) -> AsyncIterator[str]:
    """Serves `router` on a socket in `folder`; yields its address."""
    server = aio.server()
    add_RouterServiceServicer_to_server(router, server)
    address = f"unix:{folder / 'router.sock'}"
    server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


async def _abort(context: Any, error: errors.PointsmanError) -> None:
    status = rpc_status.to_status(error)
    details = ((rpc_status.DETAILS_KEY, status.SerializeToString()),)
    await context.abort(grpc.StatusCode[error.code], status.message, details)
