"""A client in another language, built from the same .proto files, streams an answer through the router."""

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

from deploy.demo.aimock import NODE_FOLDER, node_executable
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import PATIENCE_S, SERVING, ServiceProcesses, service_processes
from tests.e2e.two_providers import write_two_providers

PROTOS = Path(__file__).parents[2] / "protos"


def ask(text: str, **fields: Any) -> dict[str, Any]:
    """A request as its JSON form."""
    return {"prompt": {"turns": [{"role": "ROLE_USER", "parts": [{"text": text}]}]}} | fields


async def stream(mesh: ServiceProcesses, request: dict[str, Any]) -> list[dict[str, Any]]:
    """What the Node client printed: each frame, and the status at the end."""
    process = await asyncio.create_subprocess_exec(
        str(node_executable()),
        str(NODE_FOLDER / "stream.mjs"),
        mesh.address("router"),
        str(PROTOS),
        json.dumps(request),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in printed.splitlines()]


async def test_it_reads_the_same_stream_and_the_same_errors(tmp_path: Path) -> None:
    answer = "Die Weiche friert — 道岔 ❄️."
    config = write_two_providers(
        tmp_path, {"script": [{"error": "PROVIDER_RATE_LIMITED"}]}, {"answer": answer, "tokens_per_second": 200}
    )
    async with service_processes(config, clean_environment()) as mesh:
        await mesh.start("provider-first", "provider-second", "router")
        await asyncio.gather(*(mesh.until("router", f"provider/{name}", SERVING) for name in ("first", "second")))
        *frames, last = await stream(mesh, ask("Warum?", requestId="r-1"))
        *refused, status = await stream(mesh, ask(" ", constraints={"policy": "cheap"}))
    assert last == {"status": {"code": "OK", "details": "", "reason": ""}}
    assert [frame["sequence"] for frame in frames] == list(range(1, len(frames) + 1))
    decided, switched, *events, finished = frames
    assert decided["decided"]["requestId"] == "r-1"
    assert decided["decided"]["chosen"] == {"provider": "first", "model": "m"}
    assert (switched["frame"], switched["switched"]["reason"]) == ("switched", "ERROR_REASON_PROVIDER_RATE_LIMITED")
    assert "".join(event["event"]["textDelta"]["text"] for event in events) == answer
    assert finished["event"]["finished"]["reason"] == "FINISH_REASON_STOP"
    assert finished["event"]["finished"]["usage"]["costMicros"] > 0
    assert refused == []
    assert (status["status"]["code"], status["status"]["reason"]) == (
        "INVALID_ARGUMENT",
        "ERROR_REASON_INVALID_REQUEST",
    )
    assert "constraints.policy: expected one of" in status["status"]["details"]
