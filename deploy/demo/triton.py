"""Runs the real Triton server of deploy/triton on a free loopback port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv-triton" / "bin" / "python"
SERVE = REPOSITORY / "deploy" / "triton" / "serve.py"
READY_S = 90.0
STOP_S = 15.0


class TritonMissing(Exception):
    """Triton is not installed, or does not start."""


@asynccontextmanager
async def run_triton() -> AsyncIterator[str]:
    """Gives `host:port` of its gRPC endpoint; the server ends with the block. Raises TritonMissing."""
    if not PYTHON.is_file():
        raise TritonMissing(f"{PYTHON.relative_to(REPOSITORY)} is not there; run `make setup`")
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        SERVE,
        "--grpc-port",
        "0",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        said = asyncio.create_task(process.stderr.read())
        try:
            async with asyncio.timeout(READY_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise TritonMissing(f"Triton was not ready within {READY_S:g} s") from None
        if not line:
            raise TritonMissing(f"Triton did not start: {(await said).decode(errors='replace').strip()[-1_000:]}")
        yield json.loads(line)["grpc"]
    finally:
        if process.returncode is None:
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
