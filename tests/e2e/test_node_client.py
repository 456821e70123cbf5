"""A client in another language, built from the same .proto files, streams an answer through the router."""

import asyncio
import json
import socket
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

import google.rpc

from deploy.demo.aimock import NODE_FOLDER, node_executable
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import PATIENCE_S, SERVING, ServiceProcesses, service_processes
from tests.e2e.two_providers import write_two_providers

# googleapis-common-protos brings its sources along.
GOOGLE_PROTOS = str(Path(next(iter(google.rpc.__path__))).parents[1])
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
        GOOGLE_PROTOS,
        json.dumps(request),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in printed.splitlines()]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_it_reads_the_same_stream_and_the_same_errors(tmp_path: Path) -> None:
    answer = "Die Weiche friert — 道岔 ❄️."
    config = write_two_providers(
        tmp_path,
        {"script": [{"error": "PROVIDER_RATE_LIMITED"}]},
        {"answer": answer, "tokens_per_second": 200},
        router={"address": f"127.0.0.1:{free_port()}"},
    )
    async with service_processes(config, clean_environment()) as mesh:
        await mesh.start("provider-first", "provider-second", "router")
        await asyncio.gather(*(mesh.until("router", f"provider/{name}", SERVING) for name in ("first", "second")))
        *frames, last = await stream(mesh, ask("Warum?", requestId="r-1"))
        constraints = {"policy": "cheap", "maxCostMicros": "-1"}
        *refused, status = await stream(
            mesh, ask(" ", constraints=constraints, sampling={"temperature": -0.5, "maxOutputTokens": -1})
        )
    assert last == {"status": {"code": "OK", "details": "", "errors": []}}
    assert [frame["sequence"] for frame in frames] == list(range(1, len(frames) + 1))
    decided, switched, *events, finished = frames
    assert decided["decided"]["requestId"] == "r-1"
    assert decided["decided"]["chosen"] == {"provider": "first", "model": "m"}
    assert (switched["frame"], switched["switched"]["reason"]) == ("switched", "ERROR_REASON_PROVIDER_RATE_LIMITED")
    assert "".join(event["event"]["textDelta"]["text"] for event in events) == answer
    assert finished["event"]["finished"]["reason"] == "FINISH_REASON_STOP"
    usage = finished["event"]["finished"]["usage"]
    assert usage["outputTokens"] > 0
    # A dollar for a million tokens in, two for a million out.
    assert usage["costMicros"] == usage["inputTokens"] + 2 * usage["outputTokens"]
    assert refused == []
    assert status["status"]["code"] == "INVALID_ARGUMENT"
    told = {error.pop("@type").rpartition(".")[2]: error for error in status["status"]["errors"]}
    assert (told["ErrorInfo"]["reason"], told["ErrorInfo"]["domain"]) == ("ERROR_REASON_INVALID_REQUEST", "pointsman")
    faults = {fault["field"]: fault["description"] for fault in told["BadRequest"]["fieldViolations"]}
    assert faults.pop("constraints.policy").startswith("expected one of ")
    # What JavaScript sends for -1.
    assert faults.pop("constraints.max_cost_micros").endswith("a negative number is read so")
    assert faults == {
        "prompt": "expected some text; all of it is empty",
        "sampling.max_output_tokens": "expected at most 2147483647, found 4294967295; a negative number is read so",
        "sampling.temperature": "expected 0 to 2, found -0.5",
    }
