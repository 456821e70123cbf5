"""Talks to a mesh from Python: streams answers, completes, explains, lists and takes feedback. Async only.

    async with Client("127.0.0.1:7070") as client:
        async with client.generate("Why do points freeze?", policy="economy") as stream:
            async for item in stream:
                if isinstance(item, Text):
                    print(item.text, end="")

Failures are raised as the tree of `pointsman.errors`. The W3C trace context of the caller's current OpenTelemetry span travels along.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from grpc import aio
from opentelemetry import propagate

from pointsman import errors, rpc_status
from pointsman.answer import reference
from pointsman.channel import open_channel
from pointsman.items import Finished, Switched, finished_from
from pointsman.llm.v1.prompt_pb2 import Prompt, ToolCall
from pointsman.requests import AskOptions, make_ask
from pointsman.router.v1.router_service_pb2 import (
    CancelRequest,
    CompleteResponse,
    GenerateResponse,
    ListModelsRequest,
    ModelStatus,
    RecordFeedbackRequest,
    RecordFeedbackResponse,
    ResumeRequest,
    ResumeResponse,
    RouteDecision,
)
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.stream import AnswerStream, Call, Frames

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

# So long a stream that is left waits for the router to hear of it.
CANCEL_LIMIT_S = 2.0
# Where a balancer stands before several routers, an answer says by this which one gave it, and a call which one it is for.
ROUTER_METADATA = "pointsman-router"

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its text and tool calls, why that model gave it, and what it took."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    decision: RouteDecision
    switches: tuple[Switched, ...]
    finished: Finished


class Client:
    """One connection to a router, at `unix:/path` or `host:port`; close it, or use it as an async context manager.

    `prompt` is text or a whole Prompt; AskOptions lists what may go with it: sampling, policy, pinned_model, required_capabilities,
    limits on cost and speed, session_key, tenant, tags, metadata, data_class, switch_mode, request_id. `timeout_s` is the whole
    call's time; without one the router's own limit holds. All methods raise PointsmanError; InvalidRequest before anything is sent,
    where an option is wrong on its face.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = open_channel(address)
        self._router: RouterServiceAsyncStub = RouterServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection and ends the calls on it."""
        await self._channel.close()

    def generate(
        self,
        prompt: str | Prompt,
        *,
        timeout_s: float | None = None,
        resumable: bool = True,
        **options: Unpack[AskOptions],
    ) -> AnswerStream:
        """Streams an answer; see AnswerStream. A `resumable` one survives the loss of its connection."""
        request = make_ask(prompt, **options).generate()
        request.resumable = resumable

        lifeline = _Lifeline(self._router)

        def start() -> Call:
            lifeline.call = self._router.Generate(request, timeout=timeout_s, metadata=_trace_context())
            return lifeline.call

        return AnswerStream(start, lifeline if resumable else None)

    async def complete(
        self, prompt: str | Prompt, *, timeout_s: float | None = None, **options: Unpack[AskOptions]
    ) -> Answer:
        """Answers in one piece."""
        return _answer(await _call(self._router.Complete, make_ask(prompt, **options).complete(), timeout_s))

    async def explain(
        self, prompt: str | Prompt, *, timeout_s: float | None = None, **options: Unpack[AskOptions]
    ) -> RouteDecision:
        """Returns the decision that `generate` would take now; no model is asked."""
        response = await _call(self._router.Explain, make_ask(prompt, **options).explain(), timeout_s)
        return response.decision

    async def list_models(self, *, timeout_s: float | None = None) -> Sequence[ModelStatus]:
        """Returns what can be asked for, with price and live state."""
        response = await _call(self._router.ListModels, ListModelsRequest(), timeout_s)
        return tuple(response.models)

    async def record_feedback(
        self, request_id: str, quality: float, *, comment: str = "", timeout_s: float | None = None
    ) -> RecordFeedbackResponse:
        """Says how good an answer was, 0 useless to 1 perfect; returns the ability that its model is thought to have now.

        Raises RequestUnknown for a request that the mesh does not remember; feedback again takes the place of the first.
        """
        request = RecordFeedbackRequest(request_id=request_id, quality=quality, comment=comment)
        return await _call(self._router.RecordFeedback, request, timeout_s)


class _Lifeline:
    """Resume and Cancel of one stream; `call` is its first one, whose metadata says by which router it is held."""

    def __init__(self, router: "RouterServiceAsyncStub") -> None:
        self.call: Call | None = None
        self._router = router

    def resume(self, request_id: str, token: str, after_sequence: int) -> Frames:
        """Reads on after a frame."""
        request = ResumeRequest(request_id=request_id, resume_token=token, after_sequence=after_sequence)
        return _Resumed(self._router, request, self._metadata)

    async def cancel(self, request_id: str, token: str) -> None:
        """Ends the work; a router that is not reached ends it by itself soon."""
        request = CancelRequest(request_id=request_id, resume_token=token)
        with contextlib.suppress(aio.AioRpcError):
            await self._router.Cancel(request, timeout=CANCEL_LIMIT_S, metadata=await self._metadata())

    async def _metadata(self) -> aio.Metadata:
        metadata = _trace_context()
        told = await self.call.initial_metadata() if self.call is not None else None
        if told is not None and (router := told.get(ROUTER_METADATA)) is not None:
            metadata.add(ROUTER_METADATA, router)
        return metadata


class _Resumed:
    """A resumed call as one of frames."""

    def __init__(
        self, router: "RouterServiceAsyncStub", request: ResumeRequest, metadata: Callable[[], Awaitable[aio.Metadata]]
    ) -> None:
        self._router = router
        self._request = request
        self._metadata = metadata
        self._call: aio.UnaryStreamCall[ResumeRequest, ResumeResponse] | None = None

    async def __aiter__(self) -> AsyncIterator[GenerateResponse]:
        self._call = self._router.Resume(self._request, metadata=await self._metadata())
        async for response in self._call:
            yield response.frame

    def cancel(self) -> bool:
        """Ends it."""
        return self._call is not None and bool(self._call.cancel())


async def _call(
    method: aio.UnaryUnaryMultiCallable[RequestT, ResponseT], request: RequestT, timeout_s: float | None
) -> ResponseT:
    call = method(request, timeout=timeout_s, metadata=_trace_context())
    try:
        return await call
    except aio.AioRpcError as error:
        raise rpc_status.from_rpc_error(error) from error
    finally:
        call.cancel()


def _answer(response: CompleteResponse) -> Answer:
    parts = response.turn.parts
    if not response.HasField("finished") or not response.HasField("decision"):
        raise errors.ProviderProtocol("the router sent a whole answer without `finished` or without `decision`")
    return Answer(
        text="".join(part.text for part in parts),
        tool_calls=tuple(part.tool_call for part in parts if part.HasField("tool_call")),
        decision=response.decision,
        # A whole answer never showed the text that a switch took back.
        switches=tuple(
            Switched(reference(s.from_model), reference(s.to_model), s.reason, s.kept_characters, "")
            for s in response.switches
        ),
        finished=finished_from(response.finished),
    )


def _trace_context() -> aio.Metadata:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return aio.Metadata(*carrier.items())
