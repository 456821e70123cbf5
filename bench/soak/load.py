"""Clients that ask, leave, lose their connection and come back; what each got is judged."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.soak.mesh import ANSWER
from pointsman import errors
from pointsman.client import Client

# A call that gets neither an answer nor an error within this time is lost.
PATIENCE_S = 30.0
LEAVES, LOSES = 0.05, 0.05


@dataclass(slots=True)
class Tally:
    """What became of the requests."""

    requests: int = 0
    answers: int = 0
    left: int = 0
    cut_shown_whole: int = 0
    lost: int = 0
    switches: int = 0
    resumed: int = 0
    typed: Counter[str] = field(default_factory=Counter)
    untyped: Counter[str] = field(default_factory=Counter)


class Wire:
    """A Unix socket before the router's that a client may cut, as a bad network does."""

    def __init__(self, to: str) -> None:
        self._to = Path(to.removeprefix("unix:"))
        self._open: set[asyncio.StreamWriter] = set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries bytes both ways until one side ends."""
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self._to)
        except OSError:
            writer.close()
            return
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_carry(reader, far_writer))
                tasks.create_task(_carry(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}

    def cut(self) -> None:
        """Breaks every connection off, without a word."""
        for writer in tuple(self._open):
            writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def client(address: str, wire_path: Path, number: int, until_s: float, tally: Tally) -> None:
    """Asks one thing after the other until it is time to end."""
    rng = random.Random(number)
    wire = Wire(address)
    path = wire_path / f"w{number}.sock"
    server = await asyncio.start_unix_server(wire.connect, path)
    loop = asyncio.get_running_loop()
    try:
        async with Client(f"unix:{path}") as connection:
            while loop.time() < until_s:
                tally.requests += 1
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        await _ask(connection, wire, rng, tally)
                except errors.PointsmanError as error:
                    tally.typed[error.reason.value.removeprefix("ERROR_REASON_")] += 1
                except TimeoutError:
                    tally.lost += 1
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()


async def _ask(connection: Client, wire: Wire, rng: random.Random, tally: Tally) -> None:
    fate = rng.random()
    leaves_after = rng.randrange(1, 30) if fate < LEAVES else None
    cut_after = rng.randrange(1, 30) if LEAVES <= fate < LEAVES + LOSES else None
    seen = 0
    async with connection.generate(f"Why do points freeze? {rng.random()}") as stream:
        async for _ in stream:
            seen += 1
            if leaves_after == seen:
                tally.left += 1
                return
            if cut_after == seen:
                wire.cut()
    tally.resumed += stream.resumed
    tally.switches += len(stream.switches)
    if stream.text == ANSWER:
        tally.answers += 1
    else:
        tally.cut_shown_whole += 1
