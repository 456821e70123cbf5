"""An HTTP server that says exactly the bytes it is told and sees what its client does: for what no simulator can do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

# A piece of an answer that is not said: the server waits for `go_on`.
WAIT = b"wait"


class Then(Enum):
    """What the server does when it has said all."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"


@dataclass(slots=True)
class RawUpstream:
    """A server that runs. `requests` holds every request, head and body.

    `requested` is set by the first request, `client_closed` when a client closes its connection.
    """

    url: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    requested: asyncio.Event = field(default_factory=asyncio.Event)
    client_closed: asyncio.Event = field(default_factory=asyncio.Event)
    # Set by the test to let the server go on after WAIT.
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


def stream_head(content_type: str = "text/event-stream") -> bytes:
    """The head of an answer that comes in chunks."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    """One chunk of such an answer; the empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(status: str, body: bytes, content_type: str = "application/json", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def run_raw_upstream(*answers: Sequence[bytes], then: Then = Then.KEEP) -> AsyncIterator[RawUpstream]:
    """Serves on a free loopback port: the n-th request gets the n-th answer, a write for each piece; the last one repeats."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(_serve(upstream, answers, then, reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    upstream = RawUpstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield upstream
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(
    upstream: RawUpstream,
    answers: Sequence[Sequence[bytes]],
    then: Then,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    upstream.connections += 1
    try:
        while True:
            upstream.requests.append(await _read_request(reader))
            upstream.requested.set()
            for piece in answers[min(len(upstream.requests), len(answers)) - 1]:
                if piece is WAIT:
                    await upstream.go_on.wait()
                    continue
                writer.write(piece)
                await writer.drain()
            if then is Then.RESET:
                # Closing with nothing to linger for sends RST in place of FIN.
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if then is not Then.KEEP:
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        upstream.client_closed.set()
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + (await reader.readexactly(length[0]) if length else b"")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port
