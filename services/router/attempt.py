"""One call to one provider, watched: a model that is silent, stalls or breaks the grammar ends in an error of the tree."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import aio

from pointsman import errors, rpc_status
from pointsman.llm.v1.generation_pb2 import GenerationEvent
from pointsman.provider.v1 import provider_service_pb2 as pb
from services.runtime import tracing
from services.runtime.channel import undecodable

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceAsyncStub

# A provider that has finished its answer ends the call within a network's round trip.
END_LIMIT_S = 1.0
# A deadline that passes before this share of the attempt's time is somebody else's.
OUR_DEADLINE = 0.9
# Frames closer together came in one piece, as from an API that does not stream: they tell nothing of the model's pace.
SHORTEST_RATE_S = 0.01
# What no model reaches is a wrong count of tokens.
FASTEST_TOKENS_PER_SECOND = 1e6


class Watchdog:
    """Calls `expired` when a wait that was begun has lasted too long.

    One timer a call, not one a token: it looks at the running wait when it fires and sets itself again.
    """

    def __init__(self, expired: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired = expired
        self._until_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.fired = False

    def begin(self, limit_s: float) -> None:
        """A wait begins that may last `limit_s`."""
        self._until_s = until_s = self._loop.time() + limit_s
        if self._timer is None or until_s < self._timer.when():
            self._set(until_s)

    def end(self) -> None:
        """The wait is over; the time until the next one does not count."""
        self._until_s = None

    def close(self) -> None:
        """Drops the timer."""
        if self._timer:
            self._timer.cancel()

    def _set(self, until_s: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(until_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._until_s is None:
            return
        if self._until_s > self._loop.time():
            self._set(self._until_s)
            return
        self.fired = True
        self._expired()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a model may be silent before its first token and between two, and how slow over how many seconds; 0 is no floor."""

    first_token_s: float
    stall_s: float
    slow_tokens_per_second: float = 0.0
    slow_window_s: float = 10.0


class Attempt:
    """An open call; whoever makes one closes it.

    Times are seconds since it began: `first_token_s` and `last_token_s` are None until a token came.
    """

    def __init__(
        self,
        stub: "ProviderServiceAsyncStub",
        request: pb.GenerateRequest,
        *,
        timeout_s: float,
        patience: Patience,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._call = stub.Generate(request, timeout=timeout_s, metadata=tracing.outgoing())
        # Not `call.read()`: once the status has come it drops the frames that are still unread.
        self._frames = aiter(self._call)
        self._watchdog = Watchdog(self._call.cancel)
        self._patience = patience
        # Only the time that we wait for it counts against a model, not that for a client that reads slowly.
        self._waited_s = 0.0
        self._window = (0.0, 0)
        self._timeout_s = timeout_s
        self._model = request.model
        self.first_token_s: float | None = None
        self.last_token_s: float | None = None
        self.tokens = 0

    async def next_event(self) -> GenerationEvent:
        """Waits for the next event; raises an error of the tree when the attempt fails, StreamCut when it just ends."""
        watchdog = self._watchdog
        watchdog.begin(self._patience.first_token_s if self.first_token_s is None else self._patience.stall_s)
        began_s = self._loop.time()
        try:
            frame = await anext(self._frames)
        except StopAsyncIteration:
            raise errors.StreamCut(f"{self._model} ended its stream without finishing") from None
        except aio.AioRpcError as error:
            raise self._lost(error) from error
        except asyncio.CancelledError:
            if self._given_up():
                raise self._too_slow() from None
            raise
        watchdog.end()
        if undecodable(frame):
            raise errors.ProviderProtocol(f"{self._model} sent bytes that are no frame")
        event = frame.event
        self._count(event)
        if not event.HasField("finished"):
            self._check_pace(self._loop.time() - began_s)
        return event

    async def end(self) -> None:
        """Lets the provider end its stream after `finished`: a cancel now would cost it its upstream connection.

        The answer is whole; whatever else the provider says of it, or does not, changes nothing.
        """
        self._watchdog.begin(END_LIMIT_S)
        try:
            async for _ in self._frames:
                pass
        except aio.AioRpcError:
            pass
        except asyncio.CancelledError:
            if not self._given_up():
                raise

    def close(self) -> None:
        """Ends the call at the provider, if it still goes on."""
        self._watchdog.close()
        self._call.cancel()

    @property
    def total_s(self) -> float:
        """Seconds since it began."""
        return self._loop.time() - self._began_s

    def tokens_per_second(self, output_tokens: int) -> float | None:
        """From the first token to the last; None for an answer too short to tell, or that came all at once."""
        if self.first_token_s is None or self.last_token_s is None or output_tokens < 2:
            return None
        took_s = self.last_token_s - self.first_token_s
        if took_s < SHORTEST_RATE_S:
            return None
        rate = (output_tokens - 1) / took_s
        return rate if rate <= FASTEST_TOKENS_PER_SECOND else None

    def _count(self, event: GenerationEvent) -> None:
        match event.WhichOneof("event"):
            case "text_delta":
                self.tokens += event.text_delta.token_count
            case "reasoning_delta":
                self.tokens += event.reasoning_delta.token_count
            case "tool_call":
                pass
            case "finished":
                return
            case _:
                raise errors.ProviderProtocol(f"{self._model} sent an event that says nothing")
        self.last_token_s = now_s = self._loop.time() - self._began_s
        if self.first_token_s is None:
            self.first_token_s = now_s

    def _check_pace(self, waited_s: float) -> None:
        """Raises StreamStalled where the tokens of a whole window came too slowly; the wait for the first one does not count."""
        if self.tokens == 0 or not self._patience.slow_tokens_per_second:
            return
        if self._window[1] == 0:
            self._window = (self._waited_s, self.tokens)
            return
        self._waited_s += waited_s
        since_s, tokens = self._waited_s - self._window[0], self.tokens - self._window[1]
        if since_s < self._patience.slow_window_s:
            return
        if tokens / since_s < self._patience.slow_tokens_per_second:
            raise errors.StreamStalled(f"{self._model} said {tokens} tokens in {since_s:.3g} s")
        self._window = (self._waited_s, self.tokens)

    def _given_up(self) -> bool:
        """Whether a cancel is the watchdog's; the caller's own goes first, even where both happen at once."""
        task = asyncio.current_task()
        return self._watchdog.fired and not (task and task.cancelling())

    def _lost(self, error: aio.AioRpcError) -> errors.PointsmanError:
        """A provider's own error as it is; what gRPC or a proxy on the way says is about that way, not about the request."""
        told = rpc_status.from_rpc_error(error)
        cls: type[errors.PointsmanError]
        if not rpc_status.is_foreign(told):
            return told
        match told:
            case errors.DeadlineExceeded() if self.total_s < OUR_DEADLINE * self._timeout_s:
                cls = errors.ProviderSilent if self.first_token_s is None else errors.StreamStalled
            case errors.InvalidRequest() | errors.NoCapableModel() | errors.InternalError():
                cls = errors.ProviderProtocol
            case errors.Overloaded():
                cls = errors.ProviderRateLimited
            case errors.ProviderUnreachable() if self.first_token_s is not None:
                cls = errors.StreamCut
            case _:
                return told
        return cls(f"{self._model}: {told.message}", metadata=told.metadata)

    def _too_slow(self) -> errors.PointsmanError:
        if self.first_token_s is None:
            return errors.ProviderSilent(f"{self._model} said nothing for {self._patience.first_token_s:.3g} s")
        return errors.StreamStalled(
            f"{self._model} paused for {self._patience.stall_s:.3g} s after {self.tokens} tokens"
        )
