"""The fault wall: a server that speaks two providers' APIs, fails in every way that is known of them, and sees what its clients do.

What it does with a request is a script. Scripts stand per model, the n-th for its n-th request; the last one repeats.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pydantic_core import from_json

from tests.contract.raw_upstream import whole
from tests.faults.playing import Attempt, EndOfConnection, play
from tests.faults.speech import SPEECHES
from tests.faults.steps import Script


class Wall:
    """A wall that serves; `port` of the loopback. A provider's base URL is the wall's with the provider's name behind it."""

    def __init__(self) -> None:
        self.port = 0
        self.attempts: list[Attempt] = []
        self._scripts: dict[str, list[Script]] = {}
        self._came = asyncio.Condition()

    def play(self, model: str, *scripts: Script) -> None:
        """Sets what becomes of the requests for a model."""
        self._scripts[model] = list(scripts)

    def of(self, model: str) -> list[Attempt]:
        """The requests for a model."""
        return [attempt for attempt in self.attempts if attempt.model == model]

    async def nth(self, model: str, number: int) -> Attempt:
        """Waits for the n-th request for a model, from 1 on."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.of(model)) >= number)
        return self.of(model)[number - 1]

    def open_attempts(self) -> list[Attempt]:
        """Those that the wall still answers."""
        return [attempt for attempt in self.attempts if not attempt.ended]

    async def begin(self, provider: str, path: str, body: Mapping[str, Any]) -> tuple[Attempt, Script]:
        """A request came."""
        attempt = Attempt(provider, str(body.get("model")), path, body, time.monotonic(), time.time())
        scripts = self._scripts[attempt.model]
        script = scripts[min(len(self.of(attempt.model)), len(scripts) - 1)]
        self.attempts.append(attempt)
        async with self._came:
            self._came.notify_all()
        return attempt, script


class _Connection(asyncio.StreamReaderProtocol):
    """Streams of asyncio, which also tell at once when the client closed, or takes nothing more."""

    def __init__(self, wall: Wall) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(asyncio.StreamReader(loop=loop), self._accept, loop=loop)
        self._wall = wall
        self.attempt: Attempt | None = None
        self._serving: asyncio.Task[None] | None = None
        self._playing: asyncio.Task[None] | None = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving = asyncio.create_task(self._serve(reader, writer))

    def eof_received(self) -> bool:
        self._gone()
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        if self.attempt is not None:
            self.attempt.held_up.set()
        super().pause_writing()

    async def stop(self) -> None:
        """Ends what it does."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    def _gone(self) -> None:
        attempt = self.attempt
        if attempt is not None and not attempt.closed.is_set() and not attempt.ended:
            attempt.closed_at_s = time.monotonic()
            attempt.closed.set()
        if self._playing is not None:
            self._playing.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        lengths = [line.partition(":")[2] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
        raw = await reader.readexactly(int(lengths[0])) if lengths else b""
        if method == "GET":
            # No list of models, as with many servers: then all that are configured count as there.
            writer.write(whole("404 Not Found", b"{}"))
            return True
        provider, _, path = target.removeprefix("/").partition("/")
        speech = SPEECHES[provider]
        assert f"/{path}" == speech.path, target
        self.attempt, script = await self._wall.begin(provider, path, from_json(raw))
        self._playing = asyncio.create_task(play(self.attempt, script, speech, writer))
        try:
            await self._playing
            return True
        except asyncio.CancelledError:
            if not self.attempt.closed.is_set():
                raise
            return False
        except EndOfConnection:
            return False
        finally:
            self.attempt.ended = True
            self._playing.cancel()


@asynccontextmanager
async def running_wall() -> AsyncIterator[Wall]:
    """Serves on a free loopback port."""
    wall, connections = Wall(), list[_Connection]()

    def connect() -> _Connection:
        connections.append(_Connection(wall))
        return connections[-1]

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    wall.port = server.sockets[0].getsockname()[1]
    try:
        yield wall
    finally:
        server.close()
        for connection in connections:
            await connection.stop()
