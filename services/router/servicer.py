"""RouterService: what clients call."""

import uuid
from typing import Any

from grpc import aio

from pointsman.llm.v1 import prompt_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceServicer
from services.router.config import InForce
from services.router.feedback import Feedback
from services.router.fleet import Fleet
from services.router.generate import Generator
from services.router.messages import to_model_status
from services.router.resume import Streams
from services.router.route import Router

Context = aio.ServicerContext[Any, Any]


class RouterServicer(RouterServiceServicer):
    """Thin: time left comes from the call, frames go to it."""

    def __init__(
        self,
        in_force: InForce,
        router: Router,
        fleet: Fleet,
        generator: Generator,
        streams: Streams,
        feedback: Feedback,
    ) -> None:
        self._in_force = in_force
        self._streams = streams
        self._feedback = feedback
        self._router = router
        self._fleet = fleet
        self._generator = generator

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> None:  # type: ignore[override]
        """Streams an answer."""
        if not request.resumable:
            await self._generator.run(request, context.time_remaining(), context.write)
            return
        request.request_id = request.request_id or uuid.uuid4().hex
        remaining_s = context.time_remaining()
        await self._streams.start(
            request.request_id, lambda send: self._generator.run(request, remaining_s, send), context.write
        )

    async def Resume(self, request: pb.ResumeRequest, context: Context) -> None:  # type: ignore[override]
        """Goes on with a stream whose client came back."""

        async def send(frame: pb.GenerateResponse) -> None:
            await context.write(pb.ResumeResponse(frame=frame))

        await self._streams.resume(request, send)

    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CancelResponse:
        """Ends a resumable stream."""
        self._streams.cancel(request)
        return pb.CancelResponse()

    async def Complete(self, request: pb.CompleteRequest, context: Context) -> pb.CompleteResponse:
        """Collects an answer; reasoning is not part of it."""
        response = pb.CompleteResponse()
        texts: list[str] = []
        calls: list[prompt_pb2.ToolCall] = []

        async def collect(frame: pb.GenerateResponse) -> None:
            match frame.WhichOneof("frame"):
                case "decided":
                    response.decision.CopyFrom(frame.decided)
                case "switched":
                    response.switches.append(frame.switched)
                case "event":
                    event = frame.event
                    match event.WhichOneof("event"):
                        case "text_delta":
                            texts.append(event.text_delta.text)
                        case "tool_call":
                            calls.append(event.tool_call)
                        case "finished":
                            response.finished.CopyFrom(event.finished)

        await self._generator.run(request, context.time_remaining(), collect)
        parts = [prompt_pb2.Part(text="".join(texts))] if texts else []
        parts += [prompt_pb2.Part(tool_call=call) for call in calls]
        response.turn.CopyFrom(prompt_pb2.Turn(role=prompt_pb2.ROLE_ASSISTANT, parts=parts))
        return response

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        """Decides and does nothing."""
        remaining_s = context.time_remaining()
        limit_s = self._in_force.config.limits.default_deadline_s if remaining_s is None else remaining_s
        routed = await self._router.route(request, limit_s)
        return pb.ExplainResponse(decision=routed.message())

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Lists every model with its price and live state."""
        return pb.ListModelsResponse(models=[to_model_status(live) for live in self._fleet.snapshot.models])

    async def RecordFeedback(self, request: pb.RecordFeedbackRequest, context: Context) -> pb.RecordFeedbackResponse:
        """Hands a judgement to telemetry, which learns from it."""
        return await self._feedback.record(request, context.time_remaining())
