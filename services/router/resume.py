"""Resumable streams: the work goes on in a task of its own, and readers come and go.

Generate ──starts──> work ──frames──> kept <──reads── Generate's caller
                                        ^
                                        └───reads── Resume's caller, after the first one was lost

Without a reader the work goes on for `resume_s`; after its end the frames stay as long.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from pointsman import errors
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.config import InForce
from services.router.delivery import Send
from services.router.kept import Kept

logger = logging.getLogger(__name__)

Work = Callable[[Send], Awaitable[None]]
RETRY_AFTER_S = 1.0


class _Stream:
    def __init__(self, limit_bytes: int) -> None:
        self.token = secrets.token_urlsafe(16)
        self.kept = Kept(limit_bytes)
        self.news = asyncio.Event()
        self.room = asyncio.Event()
        self.reader: asyncio.Task[None] | None = None
        self.work: asyncio.Task[None] | None = None
        self.over = False
        self.error: errors.PointsmanError | None = None
        self.timer: asyncio.TimerHandle | None = None


class Streams:
    """All resumable streams of a router; `run` owns their work until it is cancelled."""

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force
        self._streams: dict[str, _Stream] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Owns the work; cancelling it cancels all of it."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    async def start(self, request_id: str, work: Work, send: Send) -> None:
        """Starts `work`, which is given where to send its frames, and reads it to its end for the caller.

        A stream of the same id that has no reader makes room: its client came back without knowing of it.
        """
        limits = self._in_force.config.limits
        known = self._streams.get(request_id)
        if known is not None:
            if known.reader is not None:
                raise errors.InvalidRequest.of("request_id", "expected one that is not being answered")
            self._drop(request_id)
        if self._tasks is None or len(self._streams) >= limits.max_in_flight:
            raise errors.Overloaded("too many streams are kept for clients to come back", retry_after_s=RETRY_AFTER_S)
        stream = self._streams[request_id] = _Stream(limits.resume_bytes)
        stream.work = self._tasks.create_task(self._work(request_id, stream, work))
        await self._read(request_id, stream, 0, send)

    async def resume(self, request: pb.ResumeRequest, send: Send) -> None:
        """Reads on after a frame; raises RequestUnknown where the stream, or that part of it, is not held any more."""
        stream = self._find(request.request_id, request.resume_token)
        if stream is None or not stream.kept.holds(request.after_sequence):
            raise errors.RequestUnknown("no stream of that id and token is held, or not from that frame on")
        await self._read(request.request_id, stream, request.after_sequence, send)

    def cancel(self, request: pb.CancelRequest) -> None:
        """Ends a stream and its work."""
        if self._find(request.request_id, request.resume_token) is not None:
            self._drop(request.request_id)

    def _find(self, request_id: str, token: str) -> _Stream | None:
        stream = self._streams.get(request_id)
        return stream if stream is not None and secrets.compare_digest(stream.token, token) else None

    async def _work(self, request_id: str, stream: _Stream, work: Work) -> None:
        async def take(frame: pb.GenerateResponse) -> None:
            while stream.kept.full:
                stream.room.clear()
                await stream.room.wait()
            if frame.sequence == 1:
                frame.resume_token = stream.token
            stream.kept.add(frame)
            stream.news.set()

        try:
            await work(take)
        except errors.PointsmanError as error:
            stream.error = error
        except asyncio.CancelledError:
            stream.error = errors.StreamCut("the stream was cancelled")
            raise
        except Exception:
            # As at the edge of a call: a defect of ours ends this stream and nothing else.
            logger.exception("a resumable stream failed")
            stream.error = errors.InternalError("a defect of the router; its log holds the details")
        finally:
            stream.over = True
            stream.news.set()
            if stream.reader is None:
                self._expire(request_id, stream)

    async def _read(self, request_id: str, stream: _Stream, after: int, send: Send) -> None:
        if stream.timer is not None:
            stream.timer.cancel()
        me = stream.reader = asyncio.current_task()
        stream.kept.rewind(after)
        stream.room.set()
        # Whoever read before may not know yet that its connection is gone.
        stream.news.set()
        try:
            while True:
                stream.news.clear()
                while stream.reader is me and (frame := stream.kept.next()) is not None:
                    stream.room.set()
                    await send(frame)
                if stream.reader is not me:
                    raise errors.RequestUnknown("another connection reads this stream now")
                if stream.over:
                    break
                await stream.news.wait()
        finally:
            if stream.reader is me:
                stream.reader = None
                self._expire(request_id, stream)
        if stream.error is not None:
            raise stream.error

    def _expire(self, request_id: str, stream: _Stream) -> None:
        """From now on it is held for so long."""
        if self._streams.get(request_id) is not stream:
            return
        if stream.timer is not None:
            stream.timer.cancel()
        loop = asyncio.get_running_loop()
        stream.timer = loop.call_later(self._in_force.config.limits.resume_s, self._drop, request_id)

    def _drop(self, request_id: str) -> None:
        stream = self._streams.pop(request_id, None)
        if stream is None:
            return
        if stream.timer is not None:
            stream.timer.cancel()
        if stream.work is not None:
            stream.work.cancel()
