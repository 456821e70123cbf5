"""LiteLLM's proxy before the same upstream, from PyPI, in an environment of its own that is made on first use."""

import asyncio
import socket
import subprocess
import sys
from asyncio.subprocess import STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from bench.gateway.processes import child

REPOSITORY = Path(__file__).parents[2]
VENV = REPOSITORY / ".venv-litellm"
LOCK = REPOSITORY / "bench" / "litellm" / "requirements.lock"
READY_S = 90.0
KEPT_BYTES = 2_000
# It must not ask the network for prices, and tells nobody of itself. On loopback it needs no key, nor does the mesh.
ENVIRONMENT = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "DO_NOT_TRACK": "1",
}


def install() -> None:
    """Makes the environment where it is not there or not of this lock; raises CalledProcessError."""
    stamp = VENV / ".installed"
    if stamp.is_file() and stamp.read_text() == LOCK.read_text():
        return
    uv = str(Path(sys.executable).parent / "uv")
    if not VENV.is_dir():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(VENV / "bin" / "python"),
            "--require-hashes",
            "-r",
            str(LOCK),
        ],
        check=True,
    )
    stamp.write_text(LOCK.read_text())


@asynccontextmanager
async def run_litellm(folder: Path, base_url: str) -> AsyncIterator[tuple[str, int]]:
    """Gives the base URL of its OpenAI-compatible API and its process id; raises RuntimeError when it does not start."""
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": base_url, "api_key": "bench"}}
        for name in ("paced", "instant")
    ]
    path = folder / "litellm.yaml"
    path.write_text(yaml.safe_dump({"model_list": models, "litellm_settings": {"telemetry": False}}), encoding="utf-8")
    port = _free_port()
    command = (
        str(VENV / "bin" / "litellm"),
        "--config",
        str(path),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--num_workers",
        "1",
    )
    async with child(*command, environment=ENVIRONMENT, stderr=STDOUT) as process:
        assert process.stdout is not None
        told = bytearray()
        drain = asyncio.create_task(_drain(process.stdout, told))
        try:
            try:
                await _wait_ready(f"http://127.0.0.1:{port}/health/liveliness", process)
            except RuntimeError as error:
                raise RuntimeError(f"{error}; it said last: {told.decode(errors='replace').strip()}") from None
            yield f"http://127.0.0.1:{port}/v1", process.pid
        finally:
            drain.cancel()


async def _wait_ready(url: str, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
            while process.returncode is None:
                try:
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise RuntimeError(f"LiteLLM's proxy was not ready within {READY_S:g} s") from None
    raise RuntimeError(f"LiteLLM's proxy ended with exit code {process.returncode}")


async def _drain(output: asyncio.StreamReader, told: bytearray) -> None:
    """Keeps the end of what it says."""
    while piece := await output.read(64 * 1024):
        told += piece
        del told[:-KEPT_BYTES]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
