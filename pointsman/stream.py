"""A streamed answer as something to iterate over and to close."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from grpc import StatusCode, aio

from pointsman import rpc_status
from pointsman.answer import PartialAnswer
from pointsman.items import Finished, Item, Switched
from pointsman.llm.v1.prompt_pb2 import ToolCall
from pointsman.router.v1.router_service_pb2 import GenerateRequest, GenerateResponse, RouteDecision

Call = aio.UnaryStreamCall[GenerateRequest, GenerateResponse]
# A connection that was lost is taken up again so often, after so many seconds, each time twice as long.
RESUMES = 6
RESUME_AFTER_S = 0.1


class Frames(Protocol):
    """A call that yields frames."""

    def __aiter__(self) -> AsyncIterator[GenerateResponse]: ...

    def cancel(self) -> bool:
        """Ends it."""
        ...


class Lifeline(Protocol):
    """How a stream whose connection was lost is taken up again, and how its work is ended."""

    def resume(self, request_id: str, token: str, after_sequence: int) -> Frames:
        """Reads on after a frame."""
        ...

    def cancel(self, request_id: str, token: str) -> Awaitable[None]:
        """Ends the work at the router."""
        ...


class AnswerStream:
    """One answer as it comes. The call begins when the first item is asked for:

        async with client.generate("Why do points freeze?") as stream:
            async for item in stream:
                ...
        print(stream.text, stream.finished.usage.cost_usd)

    Leaving the block, however that happens, ends the call, and with it the model's work. A connection that is lost is taken up again
    where the router still holds the stream; `resumed` counts that. Iterating raises the errors of
    `pointsman.errors`: StreamCut where the stream ends before the answer is whole, ProviderProtocol where it breaks its grammar.
    What came before an error stays readable.
    """

    def __init__(self, start: Callable[[], Call], lifeline: Lifeline | None = None) -> None:
        self._answer = PartialAnswer()
        self._lifeline = lifeline
        self._token = ""
        self.resumed = 0
        self._items = self._read(start)

    @property
    def text(self) -> str:
        """The text so far; what a switch of models took back is no longer in it."""
        return self._answer.text

    @property
    def model(self) -> str:
        """Which model speaks now, as `provider/model`; empty before the decision."""
        return self._answer.model

    @property
    def decision(self) -> RouteDecision | None:
        """Why that model, once the router told."""
        return self._answer.decision

    @property
    def switches(self) -> Sequence[Switched]:
        """The switches of models so far."""
        return self._answer.switches

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tool calls so far."""
        return self._answer.tool_calls

    @property
    def finished(self) -> Finished | None:
        """How the answer ended and what it took; None until it is whole."""
        return self._answer.finished

    async def decided(self) -> RouteDecision:
        """Waits for the decision, the stream's first item; iterating then goes on behind it."""
        if self._answer.decision is None:
            await anext(self)
        assert self._answer.decision is not None
        return self._answer.decision

    async def read_all(self) -> str:
        """Reads to the end and returns the text."""
        async for _ in self:
            pass
        return self.text

    async def aclose(self) -> None:
        """Ends the call; does nothing where it is over."""
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return await anext(self._items)

    async def _read(self, start: Callable[[], Call]) -> AsyncGenerator[Item, None]:
        call: Frames = start()
        failures = 0
        try:
            while True:
                try:
                    # Not `call.read()`: it drops frames that are still unread when the status has come.
                    async for frame in call:
                        self._token = self._token or frame.resume_token
                        failures = 0
                        yield self._answer.take(frame)
                    self._answer.end()
                    return
                except aio.AioRpcError as error:
                    told = rpc_status.from_rpc_error(error)
                    # What the router itself says is its word; what gRPC says is about the way to it.
                    lost = error.code() is StatusCode.UNAVAILABLE and rpc_status.is_foreign(told)
                    if not lost or not self._token or failures >= RESUMES:
                        raise told from error
                call.cancel()
                await asyncio.sleep(RESUME_AFTER_S * 2**failures)
                failures += 1
                self.resumed += 1
                assert self._lifeline is not None and self._answer.decision is not None
                call = self._lifeline.resume(self._answer.decision.request_id, self._token, self._answer.sequence)
        finally:
            call.cancel()
            if self._token and self._answer.finished is None and self._lifeline is not None:
                assert self._answer.decision is not None
                await self._lifeline.cancel(self._answer.decision.request_id, self._token)
