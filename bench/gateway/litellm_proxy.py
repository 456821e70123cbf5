"""LiteLLM's proxy from PyPI, in an environment of its own, before the same upstream."""

import asyncio
import os
import shutil
import socket
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from bench.gateway.processes import child

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / ".venv-litellm"
LOCK = REPOSITORY / "bench" / "litellm" / "requirements.lock"
INSTALLED = FOLDER / ".installed"
START_TIMEOUT_S = 60.0
# Neither prices from the network, nor telemetry, nor a log line for each request.
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "NO_PROXY": "*",
}


class LiteLlmMissing(Exception):
    """It cannot be installed or does not start; the message says why."""


async def install(tell: Callable[[str], None]) -> None:
    """Installs the locked packages on first use, and again when the lock has changed; raises LiteLlmMissing."""
    if INSTALLED.exists() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime:
        return
    uv = _uv()
    tell("installing LiteLLM's proxy into .venv-litellm (once, some 600 MB)")
    await _run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(FOLDER))
    python = str(FOLDER / "bin" / "python")
    await _run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(LOCK))
    INSTALLED.touch()


@asynccontextmanager
async def run_litellm(folder: Path, upstream_url: str) -> AsyncIterator[tuple[int, str]]:
    """Gives its process id and base URL once it answers; one worker, which is one event loop, as the mesh's services have."""
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": upstream_url, "api_key": "bench"},
        }
        for name in ("paced", "instant")
    ]
    config = folder / "litellm.yaml"
    config.write_text(yaml.safe_dump({"model_list": models, "litellm_settings": {"telemetry": False}}), "utf-8")
    port = _free_port()
    command = (
        str(FOLDER / "bin" / "litellm"),
        *("--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        *("--num_workers", "1", "--telemetry", "False"),
    )
    async with child(*command, environment=ENVIRONMENT, keep_output=False) as process:
        base_url = f"http://127.0.0.1:{port}/v1"
        await _answering(process, base_url)
        yield process.pid, base_url


async def _answering(process: asyncio.subprocess.Process, base_url: str) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer bench"}) as session:
        while time.monotonic() < give_up_s:
            if process.returncode is not None:
                raise LiteLlmMissing(f"LiteLLM's proxy ended with exit code {process.returncode}")
            try:
                async with session.get(f"{base_url}/models") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.2)
    raise LiteLlmMissing(f"LiteLLM's proxy did not answer within {START_TIMEOUT_S:g} s")


def _uv() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    if uv := str(beside) if beside.exists() else shutil.which("uv"):
        return uv
    raise LiteLlmMissing("uv is neither beside this Python nor on PATH; run make setup")


async def _run(*command: str) -> None:
    async with child(*command, environment=dict(os.environ), keep_output=True) as process:
        output, _ = await process.communicate()
    if process.returncode:
        raise LiteLlmMissing(f"{' '.join(command[:3])} failed: {output.decode(errors='replace')[-2_000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
