"""Starts a real Triton server the way users do, and asks it as a plain client that knows nothing of our adapter."""

import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-triton" / "bin" / "python"
SERVE = ROOT / "deploy" / "triton" / "serve.py"
TINY_CHAT = ROOT / "deploy" / "triton" / "model_repository_cpu"


@dataclass(frozen=True, slots=True)
class RunningTriton:
    """One started server; `process` is serve.py, `server_pid` the server itself."""

    process: subprocess.Popen[str]
    grpc: str
    metrics: str
    server_pid: int


def start_triton(*arguments: str, repository: Path = TINY_CHAT) -> RunningTriton:
    """Starts serve.py on free ports and waits for its line; whoever calls ends it."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is missing: install deploy/triton/requirements.lock into .venv-triton (make setup)")
    process = subprocess.Popen(
        [
            str(PYTHON),
            str(SERVE),
            "--model-repository",
            str(repository),
            "--grpc-port=0",
            "--metrics-port=0",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, errors = process.communicate()
        pytest.fail(f"Triton did not start (exit code {process.returncode}): {errors}")
    told = json.loads(line)
    return RunningTriton(process, told["grpc"], told["metrics"], told["pid"])


def stop_triton(triton: RunningTriton) -> tuple[int, str]:
    """Ends it as a supervisor does; returns the exit code and what it said on standard error."""
    triton.process.terminate()
    _, errors = triton.process.communicate(timeout=30)
    return triton.process.returncode, errors


@dataclass(frozen=True, slots=True)
class Response:
    """One response of a stream, tensors unpacked."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int


def inputs(text: str, *, stream: bool = True, **sampling: object) -> list[InferInput]:
    """The tensors of the vLLM contract."""
    tensors = []
    for name, datatype, value in [
        ("text_input", "BYTES", text.encode()),
        ("stream", "BOOL", stream),
        ("sampling_parameters", "BYTES", json.dumps(sampling).encode()),
        ("exclude_input_in_output", "BOOL", True),
        ("return_finish_reason", "BOOL", True),
        ("return_num_input_tokens", "BOOL", True),
        ("return_num_output_tokens", "BOOL", True),
    ]:
        tensor = InferInput(name, [1], datatype)
        tensor.set_data_from_numpy(np.array([value], dtype=np.object_ if datatype == "BYTES" else np.bool_))
        tensors.append(tensor)
    return tensors


def chat(question: str) -> str:
    """tiny-chat's template, by hand."""
    return f"<|user|>{question}<|end|><|assistant|>"


async def _once(call: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield call


def open_stream(client: InferenceServerClient, tensors: list[InferInput]) -> Any:
    """The raw stream, which can be cancelled."""
    call = {"model_name": "tiny-chat", "inputs": tensors}
    return client.stream_infer(_once(call))


async def responses(client: InferenceServerClient, text: str, **options: Any) -> AsyncIterator[Response]:
    """Streams one answer; raises what Triton reports."""
    async for result, error in open_stream(client, inputs(text, **options)):
        if error is not None:
            raise error
        yield Response(
            result.as_numpy("text_output")[0].decode(),
            result.as_numpy("finish_reason")[0].decode(),
            int(result.as_numpy("num_input_tokens")[0]),
            int(result.as_numpy("num_output_tokens")[0]),
        )


async def answer(client: InferenceServerClient, question: str, **options: Any) -> str:
    """The whole text of an answer."""
    return "".join([response.text async for response in responses(client, chat(question), **options)])
