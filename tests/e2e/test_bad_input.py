"""What no router should take is refused with the field that is wrong, and disturbs nobody."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from pointsman import errors, rpc_status
from pointsman.channel import MESSAGE_LIMIT_BYTES
from pointsman.client import Client
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.requests import make_ask
from pointsman.router.v1.router_service_pb2 import GenerateRequest
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import PATIENCE_S, SERVING, service_processes
from tests.e2e.two_providers import write_two_providers

PROMPT = "Why do points freeze?"
# More than any channel of ours sends.
LARGE = [("grpc.max_send_message_length", 2 * MESSAGE_LIMIT_BYTES)]
GENERATE = "/pointsman.router.v1.RouterService/Generate"


def request() -> GenerateRequest:
    """A request that is as it should be."""
    return make_ask(PROMPT).generate()


def spoiled(spoil: Callable[[GenerateRequest], object]) -> bytes:
    """A request after something was done to it."""
    good = request()
    spoil(good)
    return good.SerializeToString()


def part(r: GenerateRequest) -> Any:
    return r.prompt.turns[0].parts[0]


BAD: list[tuple[bytes, str]] = [
    (b"", "prompt.turns"),
    (spoiled(lambda r: setattr(part(r), "text", " \n")), "prompt"),
    (spoiled(lambda r: setattr(part(r), "text", "a" * 50_000_000)), "prompt"),
    (request().SerializeToString().replace(b"points", b"p\xffints"), "(message)"),
    (b"\xff" * 100, "(message)"),
    (
        spoiled(lambda r: r.constraints.pinned_model.CopyFrom(ModelRef(provider="first", model="gtp"))),
        "constraints.pinned_model",
    ),
    (spoiled(lambda r: setattr(r.constraints, "policy", "cheap")), "constraints.policy"),
    (spoiled(lambda r: setattr(r.constraints, "switch_mode", 9)), "constraints.switch_mode"),
    (spoiled(lambda r: setattr(r.prompt.turns[0], "role", 99)), "prompt.turns[0].role"),
    (spoiled(lambda r: setattr(r.sampling, "reasoning_effort", 77)), "sampling.reasoning_effort"),
    (spoiled(lambda r: setattr(r.sampling, "temperature", -1)), "sampling.temperature"),
    # -1 as a client without unsigned numbers sends it: field 1 of field 3, sign extended.
    (request().SerializeToString() + b"\x1a\x0b\x08" + b"\xff" * 9 + b"\x01", "sampling.max_output_tokens"),
    (spoiled(lambda r: setattr(r.constraints, "max_cost_micros", 2**64 - 1)), "constraints.max_cost_micros"),
    (
        spoiled(lambda r: r.prompt.tools.add(name="look_up", parameters_json_schema="{not json")),
        "prompt.tools[0].parameters_json_schema",
    ),
]
# What is not even gRPC.
NOISE = [
    b"GET /caf\xe9\xff HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500,
    b"\x00" * 500,
]


async def refusal(channel: aio.Channel, data: bytes) -> aio.AioRpcError:
    """The error with which bytes are refused; no frame comes before it."""
    make: Any = channel.unary_stream(GENERATE)
    call = make(data, timeout=PATIENCE_S)
    with pytest.raises(aio.AioRpcError) as raised:
        assert [frame async for frame in call] == []
    return raised.value


async def talk(address: str, noise: bytes) -> None:
    """Sends noise to a Unix socket and reads until the other side hangs up."""
    reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    try:
        writer.write(noise)
        writer.write_eof()
        await reader.read()
    except ConnectionError:
        # Hanging up before all was read is an answer too.
        pass
    finally:
        writer.close()


async def test_each_fault_is_an_invalid_argument_that_names_its_field_and_disturbs_nobody(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {"answer": "click ", "tokens": 50, "tokens_per_second": 50}, {})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "telemetry", "router")
        await mesh.until("router", "provider/first", SERVING)
        async with client.generate(PROMPT) as stream, aio.insecure_channel(mesh.address("router"), LARGE) as channel:
            await stream.decided()
            refused = await asyncio.gather(*(refusal(channel, data) for data, _ in BAD))
            await asyncio.gather(*(talk(mesh.address("router"), noise) for noise in NOISE))
            too_large = await refusal(channel, b"a" * (MESSAGE_LIMIT_BYTES + 1))
            assert await stream.read_all() == "click " * 50
        assert [error.code() for error in refused] == [grpc.StatusCode.INVALID_ARGUMENT] * len(BAD)
        told = [rpc_status.from_rpc_error(error) for error in refused]
        assert [type(error) for error in told] == [errors.InvalidRequest] * len(BAD)
        named = [
            [fault.field for fault in error.violations] for error in told if isinstance(error, errors.InvalidRequest)
        ]
        assert named == [[field] for _, field in BAD]
        assert too_large.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # No model was asked for any of them.
        stats = await mesh.stats(attempts=1)
        assert {name: (seen.attempts, seen.failures) for name, seen in stats.items()} == {"first/m": (1, 0)}
        await mesh.until("router", "", SERVING)
        assert set((await mesh.end("provider-first", "telemetry", "router")).values()) == {0}
