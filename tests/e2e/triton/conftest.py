"""Fixtures: one server that most tests share, and servers that a test may break."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tritonclient.grpc.aio import InferenceServerClient

from tests.e2e.triton.running import TINY_CHAT, RunningTriton, start_triton, stop_triton


@pytest.fixture(scope="session")
def triton() -> Iterator[RunningTriton]:
    """The server with tiny-chat, shared by all tests that leave it running."""
    running = start_triton()
    yield running
    code, errors = stop_triton(running)
    assert (code, errors) == (0, "")


@pytest.fixture(scope="session")
def own_triton() -> Iterator[Callable[..., RunningTriton]]:
    """Starts servers that a test may break; ends what is left of them."""
    started: list[RunningTriton] = []

    def start(*arguments: str, repository: Path = TINY_CHAT) -> RunningTriton:
        started.append(start_triton(*arguments, repository=repository))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            stop_triton(running)
        for pipe in (running.process.stdout, running.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest_asyncio.fixture
async def client(triton: RunningTriton) -> AsyncIterator[InferenceServerClient]:
    client = InferenceServerClient(triton.grpc)
    yield client
    await client.close()
