"""A paced upstream in a process of its own: an OpenAI-compatible API that costs little and keeps an absolute schedule.

    python -m bench.gateway.upstream

Prints its port. `max_tokens` of the request says how many tokens come, the model's name how fast: `paced` sends 100 a second,
`instant` all at once. One event a token, usage at the end. GET /closed tells when the last stream was closed before its end.
"""

import asyncio
import json
import time

import uvloop

TOKENS_PER_SECOND = 100
# What every token begins with.
TOKEN_TEXT = "token"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MODELS = json.dumps({"object": "list", "data": [{"id": "paced"}, {"id": "instant"}]}).encode()


def _event(payload: object) -> bytes:
    data = b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunk(**choice: object) -> dict[str, object]:
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "paced",
        "choices": [{"index": 0, "finish_reason": None, **choice}],
    }


# They differ, as LiteLLM ends a stream that repeats one piece a hundred times.
TOKENS = [_event(_chunk(delta={"content": f"{TOKEN_TEXT}{digit} "})) for digit in range(10)]
STOP = _event(_chunk(delta={}, finish_reason="stop"))
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _tokens(first: int, end: int) -> bytes:
    return b"".join(TOKENS[index % len(TOKENS)] for index in range(first, end))


class Upstream:
    """Counts what is open and remembers when a client closed a stream early."""

    def __init__(self) -> None:
        self.closed_s = 0.0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path = head.split(b" ", 2)[:2]
                length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
                body = await reader.readexactly(length) if length else b"{}"
                if method == b"GET":
                    told = {"closed_s": self.closed_s, "open": self.open}
                    answer = MODELS if path.endswith(b"/models") else json.dumps(told).encode()
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                        % (len(answer), answer)
                    )
                    continue
                await self._stream(json.loads(body), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _stream(
        self, body: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        tokens = int(str(body.get("max_tokens") or 100))
        writer.write(HEAD)
        if body.get("model") == "instant":
            writer.write(_tokens(0, tokens))
        else:
            await self._pace(tokens, reader, writer)
        usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": tokens + 10}
        writer.write(STOP + _event({**_chunk(), "choices": [], "usage": usage}) + DONE)

    async def _pace(self, tokens: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began_s, sent = time.monotonic(), 0
        self.open += 1
        gone = asyncio.ensure_future(reader.read(1))
        try:
            while sent < tokens:
                due = min(tokens, int((time.monotonic() - began_s) * TOKENS_PER_SECOND) + 1)
                writer.write(_tokens(sent, due))
                sent = due
                wait_s = began_s + sent / TOKENS_PER_SECOND - time.monotonic()
                done, _ = await asyncio.wait({gone}, timeout=max(0.0, wait_s))
                if done:
                    self.closed_s = time.monotonic()
                    raise ConnectionResetError
        finally:
            self.open -= 1
            gone.cancel()
            await asyncio.wait({gone})


async def main() -> None:
    """Serves until it is killed."""
    server = await asyncio.start_server(Upstream().serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
