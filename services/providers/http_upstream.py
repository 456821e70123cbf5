"""One HTTP API: posts a request and streams what comes back, as events of the contract and errors of our tree.

post ──> status and type ──> [bytes ──SseParser──> payloads ──Reader──> events]* ──> end
"""

import asyncio
import io
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import aiohttp
from multidict import CIMultiDict
from pydantic_core import to_json
from yarl import URL

from pointsman import errors
from services.providers import http_errors
from services.providers.contract import Event
from services.providers.http_error_body import parse_error_body, read_error, read_retry_after
from services.providers.pace import gathering_s
from services.providers.prompt_json import JsonObject
from services.providers.sse import ServerSentEvent, SseParser

logger = logging.getLogger(__name__)

MAX_ERROR_BYTES = 64 * 1024
ERROR_BODY_S = 2.0
MAX_WHOLE_ANSWER_BYTES = 16 * 1024 * 1024
# aiohttp sends what is larger in pieces only from a file-like body, so that the loop is not held up.
LARGE_BODY_BYTES = 512 * 1024
KEEPALIVE_S = 60.0
# How long a finished answer may take to close its HTTP body, so that the connection can serve the next one.
SETTLE_S = 0.1
# How long a server may take to its usage and its end marker once the model has stopped.
LAST_S = 0.5
SHORTEST_SECRET = 8


class Reader(Protocol):
    """Reads one answer, in an API's own format; raises ProviderError subclasses."""

    finished: bool

    @property
    def stopped(self) -> bool:
        """Whether the model said why it stopped, so that nothing of the answer is missing."""
        ...

    @property
    def passed_over(self) -> int:
        """Events that were not readable and were left out."""
        ...

    def read(self, events: Sequence[ServerSentEvent], out: list[Event]) -> None:
        """Adds to `out` what the events that arrived together say, up to the first that is an error."""
        ...

    def read_whole(self, body: bytes) -> list[Event]:
        """What an answer says that was not streamed."""
        ...

    def end(self) -> list[Event]:
        """What is left to say at the end of the stream; raises StreamCut where the answer is not whole."""
        ...


class HttpUpstream:
    """The connections to one API. Needs a running event loop.

    `configured` are the operator's own headers, which win over `headers`; whatever is in them may be a key, as `key` is.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        configured: Mapping[str, str],
        key: str | None,
        connect_timeout_s: float,
        join_s: float,
    ) -> None:
        self._base = URL(base_url)
        self._name = self._base.host_port_subcomponent or base_url
        self.secrets = tuple(_secrets([key or "", *configured.values()]))
        merged = CIMultiDict(headers)
        merged.update(configured)
        self._join_s = join_s
        self._in_flight = 0
        self._session = aiohttp.ClientSession(
            # The number of calls is bounded where they are admitted.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # No limit on the whole: the caller's budget rules, and ends the call.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout_s),
            headers={
                "User-Agent": "pointsman",
                "Content-Type": "application/json",
                # Compressed events arrive late, when the compressor's window is full.
                "Accept-Encoding": "identity",
                **merged,
            },
        )

    def url(self, path: str) -> URL:
        """An endpoint's address; the base's query (an API version) stays."""
        return self._base.joinpath(*path.split("/")).with_query(self._base.query)

    async def stream(self, path: str, body: JsonObject, reader: Reader) -> AsyncGenerator[Sequence[Event], None]:
        """Posts `body` and yields what `reader` reads, a list for each piece that the network brings.

        Closing the generator closes the connection at once, unless the answer was whole. Raises errors of the tree only.
        """
        answering = False
        raw = to_json(body)
        self._in_flight += 1
        try:
            response = await self._session.post(
                self.url(path),
                data=io.BytesIO(raw) if len(raw) > LARGE_BODY_BYTES else raw,
                headers={"Accept": "text/event-stream"},
                allow_redirects=False,
            )
            try:
                if response.status != 200:
                    raise await self._error(response)
                answering = True
                if response.content_type == "application/json":
                    yield reader.read_whole(await self._read_whole(response, MAX_WHOLE_ANSWER_BYTES))
                    return
                if response.content_type == "text/html":
                    raise errors.ProviderProtocol(f"{self._name} answered with a web page; check base_url")
                parser = SseParser()
                # As iter_any does, less a coroutine for each piece.
                while chunk := await (_last(response) if reader.stopped else response.content.readany()):
                    events: list[Event] = []
                    try:
                        reader.read(parser.feed(chunk), events)
                    except errors.PointsmanError:
                        if events:
                            yield events
                        raise
                    if events:
                        yield events
                    if reader.finished:
                        return
                    if wait_s := gathering_s(self._in_flight, self._join_s, time.monotonic()):
                        await _gather(response, wait_s)
                yield reader.end()
            finally:
                if reader.passed_over:
                    logger.warning("%s: an event of an answer was not readable and was left out", self._name)
                if reader.finished:
                    await _settle(response)
                response.close()
        except http_errors.FOREIGN as error:
            raise http_errors.from_exception(self._name, error, answering) from error
        finally:
            self._in_flight -= 1

    async def get(self, path: str, query: Mapping[str, str], timeout_s: float, limit_bytes: int) -> bytes:
        """Gets a JSON document within `timeout_s`; raises errors of the tree only, with `http_status` in their metadata."""
        try:
            async with asyncio.timeout(timeout_s):
                url = self.url(path).update_query(query)
                async with self._session.get(url, allow_redirects=False) as response:
                    if response.status != 200:
                        raise await self._error(response)
                    return await self._read_whole(response, limit_bytes)
        except http_errors.FOREIGN as error:
            raise http_errors.from_exception(self._name, error, answering=False) from error

    def error_event(self, value: object) -> errors.PointsmanError:
        """The error that came, as parsed JSON, in place of an answer's next event."""
        return http_errors.from_answer(self._name, None, read_error(value, self.secrets))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def _error(self, response: aiohttp.ClientResponse) -> errors.PointsmanError:
        pieces: list[bytes] = []
        with suppress(*http_errors.FOREIGN):
            async with asyncio.timeout(ERROR_BODY_S):
                async for piece in response.content.iter_any():
                    pieces.append(piece)
                    if sum(map(len, pieces)) > MAX_ERROR_BYTES:
                        break
        body = parse_error_body(b"".join(pieces), self.secrets)
        retry_after_s = read_retry_after(response.headers, time.time())
        return http_errors.from_answer(self._name, response.status, body, retry_after_s)

    async def _read_whole(self, response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > limit_bytes:
                raise errors.ProviderProtocol(f"{self._name} sent more than {limit_bytes} bytes in one answer")
            pieces.append(piece)
        return b"".join(pieces)


def _secrets(values: Iterable[str]) -> Iterable[str]:
    return (word for value in values for word in value.split() if len(word) >= SHORTEST_SECRET)


async def _gather(response: aiohttp.ClientResponse, wait_s: float) -> None:
    """Lets text gather in the kernel's buffer, where a piece costs nothing until all are read at once.

    Reading stops meanwhile, or each piece would wake the process. A body that has ended has no connection and nothing to wait for.
    """
    transport = response.connection.transport if response.connection else None
    if transport is None or transport.is_closing():
        return
    transport.pause_reading()
    await asyncio.sleep(wait_s)
    if not transport.is_closing():
        transport.resume_reading()


async def _last(response: aiohttp.ClientResponse) -> bytes:
    """What comes behind an answer that is whole, its usage and the end marker: a connection that is lost then, or a server that
    keeps it open, takes nothing from the client.
    """
    with suppress(*http_errors.FOREIGN):
        async with asyncio.timeout(LAST_S):
            return await response.content.readany()
    return b""


async def _settle(response: aiohttp.ClientResponse) -> None:
    """Waits a moment for the end of a finished answer's body; aiohttp keeps the connection of a body that has ended."""
    with suppress(*http_errors.FOREIGN):
        async with asyncio.timeout(SETTLE_S):
            while not response.content.at_eof():
                await response.content.readany()
