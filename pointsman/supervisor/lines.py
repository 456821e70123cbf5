"""Reads what a process writes, line by line, whatever it writes."""

import asyncio
from collections.abc import AsyncIterator

CHUNK_BYTES = 64 * 1024
# A longer line is told in pieces.
LINE_LIMIT_BYTES = 16 * 1024


async def read_lines(pipe: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yields lines without their end until the pipe is closed; bytes that are no UTF-8 are shown as such."""
    rest = b""
    while chunk := await pipe.read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _text(line)
        while len(rest) > LINE_LIMIT_BYTES:
            yield _text(rest[:LINE_LIMIT_BYTES])
            rest = rest[LINE_LIMIT_BYTES:]
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace").rstrip("\r")
