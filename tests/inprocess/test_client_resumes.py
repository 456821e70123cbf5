"""The Python client takes a stream up again when its connection is lost, and ends the work when it is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman import errors
from pointsman.client import Client
from pointsman.items import Text
from tests.inprocess.mesh import PATIENCE_S, running_mesh

TEXT = "The points are set and the train goes on to Basel. "
WORDS = len(TEXT.split())


class Wire:
    """A wire between a client and a router, which a test may cut."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._writers: list[asyncio.StreamWriter] = []
        self.connections = 0
        self.broken = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries bytes both ways until one side ends."""
        if self.broken:
            writer.close()
            return
        self.connections += 1
        far_reader, far_writer = await asyncio.open_unix_connection(self._to)
        self._writers += [writer, far_writer]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_carry(reader, far_writer))
            tasks.create_task(_carry(far_reader, writer))

    def cut(self, *, for_good: bool = False) -> None:
        """Breaks every connection off, without a word."""
        self.broken = for_good
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def wired(folder: Path) -> AsyncIterator[tuple[Wire, Client]]:
    """A client that reaches the router of `folder` over a wire."""
    wire = Wire(folder / "router.sock")
    server = await asyncio.start_unix_server(wire.connect, folder / "wire.sock")
    try:
        async with Client(f"unix:{folder / 'wire.sock'}") as client:
            yield wire, client
    finally:
        wire.cut(for_good=True)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("times", [1, 4])
async def test_a_cut_wire_is_not_noticed_in_the_answer(tmp_path: Path, times: int) -> None:
    slowly: dict[str, Any] = {"answer": TEXT, "tokens": times * WORDS, "tokens_per_second": 50.0}
    async with running_mesh(tmp_path, {"first": slowly}) as mesh, wired(tmp_path) as (wire, client):
        cut_at: list[int] = []
        async with client.generate("Why do points freeze?", timeout_s=PATIENCE_S) as stream:
            async for item in stream:
                # Once in each repetition of the sentence, so that the wire is whole again in between.
                part = len(stream.text) // len(TEXT)
                if isinstance(item, Text) and part not in cut_at and part < times:
                    cut_at.append(part)
                    wire.cut()
        assert stream.text == TEXT * times
        assert stream.resumed >= times
        assert len(mesh.adapter("first").requests) == 1


async def test_a_wire_that_stays_cut_ends_in_an_error_and_the_work_ends_by_itself(tmp_path: Path) -> None:
    limits = {"limits": {"resume_s": 0.2}}
    stalling: dict[str, Any] = {"answer": TEXT, "script": [{"stall_after_tokens": 2}]}
    async with running_mesh(tmp_path, {"first": stalling}, sections=limits) as mesh, wired(tmp_path) as (wire, client):
        with pytest.raises(errors.PointsmanError):
            async with client.generate("Why?", timeout_s=PATIENCE_S) as stream:
                async for item in stream:
                    if isinstance(item, Text):
                        wire.cut(for_good=True)
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()


@pytest.mark.parametrize("resumable", [True, False])
async def test_leaving_a_stream_ends_the_work_at_the_provider(tmp_path: Path, resumable: bool) -> None:
    stalling: dict[str, Any] = {"answer": TEXT, "script": [{"stall_after_tokens": 2}]}
    async with running_mesh(tmp_path, {"first": stalling}) as mesh, wired(tmp_path) as (_, client):
        async with client.generate("Why?", timeout_s=PATIENCE_S, resumable=resumable) as stream:
            async for item in stream:
                if isinstance(item, Text):
                    break
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()
        assert mesh.adapter("first").cancelled == 1
