"""Envoy before two routers, as `pointsman up --envoy` runs it: what clients get when routers come and go."""

import asyncio
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
from grpc import aio

from pointsman import errors
from pointsman.channel import open_channel
from pointsman.client import Answer, Client
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.supervisor.envoy import find_envoy
from pointsman.supervisor.envoy_config import SHIPPED
from tests.e2e.envoy_mesh import PATIENCE_S, ROUTER_HEADER, ROUTERS, EnvoyMesh, envoy_mesh, router_of
from tests.e2e.mesh_config import clean_environment, write_config
from tests.e2e.mesh_process import running_mesh
from tests.e2e.otlp_receiver import receiving
from tests.e2e.two_providers import write_two_providers
from tests.inprocess.answers import prompt

PROMPT = "Why do points freeze?"
LONG = {"answer": "click ", "tokens": 40, "tokens_per_second": 40}
# Only what a test does to a provider takes long.
PATIENT = {"first_token_timeout_s": 600, "stall_timeout_s": 600, "slow_tokens_per_second": 0}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@asynccontextmanager
async def two_routers(folder: Path, **environment: str) -> AsyncIterator[EnvoyMesh]:
    config = write_two_providers(folder, LONG, {}, limits=PATIENT)
    async with envoy_mesh(config, **environment) as mesh:
        yield mesh


async def test_calls_are_spread_over_both_routers_and_a_stream_is_found_again(tmp_path: Path) -> None:
    async with two_routers(tmp_path) as mesh, AsyncExitStack() as stack:
        channel = await stack.enter_async_context(open_channel(mesh.supervisor.router_address))
        router = RouterServiceStub(channel)
        mesh.process("provider-first").suspend()
        streams = []
        for _ in range(16):
            stream = router.Generate(pb.GenerateRequest(prompt=prompt(), resumable=True), timeout=PATIENCE_S)
            stack.callback(stream.cancel)
            metadata = dict(await stream.initial_metadata() or ())
            streams.append((stream, metadata[ROUTER_HEADER]))
        # Of two that are drawn the one with fewer streams: never all, and near to half.
        spread = Counter(router_of(header) for _, header in streams)
        assert spread.keys() == set(ROUTERS)
        assert {name: host.active for name, host in (await mesh.hosts()).items()} == spread
        # Whoever lost its connection gets on from anywhere, at the router that holds the stream.
        lost, header = streams[0]
        decided = await lost.read()
        assert isinstance(decided, pb.GenerateResponse)
        lost.cancel()
        async with open_channel(mesh.supervisor.router_address) as other:
            mesh.process("provider-first").resume()
            resumed = RouterServiceStub(other).Resume(
                pb.ResumeRequest(
                    request_id=decided.decided.request_id, resume_token=decided.resume_token, after_sequence=1
                ),
                timeout=PATIENCE_S,
                metadata=aio.Metadata((ROUTER_HEADER, header)),
            )
            frames = [response.frame async for response in resumed]
        assert "".join(frame.event.text_delta.text for frame in frames) == "click " * 40
        assert frames[-1].event.HasField("finished")


async def test_a_router_that_drains_under_load_loses_no_call(tmp_path: Path) -> None:
    async with two_routers(tmp_path) as mesh, Client(mesh.supervisor.router_address) as client:
        mesh.process("provider-first").suspend()
        async with AsyncExitStack() as stack:
            streams = []
            for _ in range(16):
                stream = client.generate(PROMPT, resumable=False, timeout_s=PATIENCE_S)
                streams.append(await stack.enter_async_context(stream))
                await stream.decided()
            before = await mesh.hosts()
            assert min(host.active for host in before.values()) > 0
            drained = asyncio.Event()
            load = [asyncio.create_task(ask_until(drained, mesh.supervisor.router_address)) for _ in range(4)]
            stopping = asyncio.create_task(mesh.supervisor.service("router-1").stop(PATIENCE_S))
            await mesh.journal.wait_for("router-1", "draining")
            # Its own streams are all that it still has, and all calls since then go to the other.
            draining = await mesh.hosts()
            assert (draining["router-1"].healthy, draining["router-1"].active) == (
                False,
                before["router-1"].active,
            )
            await asyncio.gather(*(client.explain(PROMPT, timeout_s=PATIENCE_S) for _ in range(20)))
            assert (await mesh.hosts())["router-1"].total == draining["router-1"].total
            mesh.process("provider-first").resume()
            texts = await asyncio.gather(*(stream.read_all() for stream in streams))
            await stopping
            drained.set()
            assert min(await asyncio.gather(*load)) > 0
        assert texts == ["click " * 40] * 16
        assert mesh.supervisor.service("router-1").exit_code == 0


async def test_what_a_killed_router_had_begun_is_told_and_not_repeated(tmp_path: Path) -> None:
    async with two_routers(tmp_path) as mesh, Client(mesh.supervisor.router_address) as client:
        mesh.process("provider-first").suspend()
        asked: list[asyncio.Task[Answer]] = []
        for _ in range(16):
            asked.append(asyncio.create_task(client.complete(PROMPT, timeout_s=PATIENCE_S)))
            hosts = await mesh.until(lambda hosts: sum(host.active for host in hosts.values()) == len(asked))
        begun = hosts["router-1"].active
        assert 0 < begun < 16
        mesh.process("router-1").kill()
        failed: set[asyncio.Task[Answer]] = set()
        while len(failed) < begun:
            done, _ = await asyncio.wait(set(asked) - failed, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
            assert done
            failed |= done
        # New calls are answered at once, by the one that is left.
        await asyncio.gather(*(client.explain(PROMPT, timeout_s=PATIENCE_S) for _ in range(20)))
        mesh.process("provider-first").resume()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        lost = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        # A model may have been asked, so nobody asks again but who may decide that it costs twice: the client.
        assert [type(outcome) for outcome in lost] == [errors.ProviderUnreachable] * begun
        # By the model that was suspended, or by the other where that took longer than a first token may.
        texts = [outcome.text for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(texts) == 16 - begun
        assert set(texts) <= {"click " * 40, "The points are set and the train goes on. "}
        # It is started again, and takes its part again.
        await mesh.until(lambda hosts: all(host.healthy for host in hosts.values()))
        before = (await mesh.hosts())["router-1"].total
        async with AsyncExitStack() as stack:
            for _ in range(16):
                await (await stack.enter_async_context(client.generate(PROMPT))).decided()
            assert (await mesh.hosts())["router-1"].total > before


async def test_a_page_calls_over_grpc_web_and_its_trace_reaches_the_provider(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = write_two_providers(tmp_path, LONG, {}, limits=PATIENT, router={"address": address})
    async with receiving() as receiver:
        async with envoy_mesh(config, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address) as mesh:
            assert mesh.supervisor.router_address == address
            message = pb.GenerateRequest(prompt=prompt()).SerializeToString()
            headers = {
                "content-type": "application/grpc-web+proto",
                "x-grpc-web": "1",
                "origin": "https://page.example",
                "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
            }
            url = f"http://{address}/pointsman.router.v1.RouterService/Generate"
            async with aiohttp.ClientSession() as session:
                async with session.post(url, data=framed(message), headers=headers) as answer:
                    body = await answer.read()
                async with session.options(url, headers={"origin": "https://page.example"}) as preflight:
                    assert "access-control-allow-origin" not in preflight.headers
            assert (answer.status, answer.content_type) == (200, "application/grpc-web+proto")
            assert "access-control-allow-origin" not in answer.headers
            *messages, trailers = unframed(body)
            text = "".join(pb.GenerateResponse.FromString(data).event.text_delta.text for _, data in messages)
            assert text == "click " * 40
            assert trailers[0] == 0x80
            assert b"grpc-status:0" in trailers[1].replace(b" ", b"")
            logged = await mesh.journal.wait_for("envoy", "RouterService/Generate")
            assert TRACE_ID in logged
            assert "points freeze" not in logged
        spans = [span for span in receiver.spans if span.trace_id == TRACE_ID]
        assert ("pointsman-providers-first", "pointsman.provider.v1.ProviderService/Generate") in {
            (span.service, span.name) for span in spans
        }


async def test_when_envoy_is_killed_streams_go_on_where_they_are_held(tmp_path: Path) -> None:
    async with two_routers(tmp_path) as mesh, Client(mesh.supervisor.router_address) as client:
        mesh.process("provider-first").suspend()
        async with AsyncExitStack() as stack:
            streams = []
            for _ in range(8):
                streams.append(await stack.enter_async_context(client.generate(PROMPT, timeout_s=PATIENCE_S)))
                await streams[-1].decided()
            assert min(host.active for host in (await mesh.hosts()).values()) > 0
            mesh.process("envoy").kill()
            reading = [asyncio.create_task(stream.read_all()) for stream in streams]
            await mesh.journal.wait_for("envoy", "starts again")
            mesh.process("provider-first").resume()
            assert await asyncio.gather(*reading) == ["click " * 40] * 8
            assert [stream.resumed > 0 for stream in streams] == [True] * 8


async def test_open_streams_finish_through_envoy_when_the_mesh_ends(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with two_routers(tmp_path) as mesh:
            client = await stack.enter_async_context(Client(mesh.supervisor.router_address))
            mesh.process("provider-first").suspend()
            stream = await stack.enter_async_context(client.generate(PROMPT, resumable=False, timeout_s=PATIENCE_S))
            await stream.decided()
            reading = asyncio.create_task(stream.read_all())
            provider = mesh.process("provider-first")
            going_on = asyncio.create_task(resume_when_draining(mesh, provider))
        await going_on
        assert await reading == "click " * 40


def test_envoy_takes_the_shipped_file_as_it_is() -> None:
    done = subprocess.run(
        [find_envoy(), "--mode", "validate", "--disable-hot-restart", "-c", str(SHIPPED)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("name: routers\n", "name: others\n", "static_resources.clusters: expected one with the name 'routers'"),
        ("connect_timeout: 1s", "connect_timeout: soon", "Envoy refuses its configuration"),
        ("static_resources:", "static_resources: [", "expected"),
    ],
)
def test_a_bad_envoy_file_is_told_and_ends_up_with_2(tmp_path: Path, old: str, new: str, told: str) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(SHIPPED.read_text().replace(old, new))
    arguments = ("--envoy-config", str(bad))
    with running_mesh(write_config(tmp_path), tmp_path / "run", clean_environment(), *arguments) as mesh:
        assert mesh.wait() == 2
        assert any(line.startswith("envoy ") and told in line for line in mesh.seen), mesh.seen


def test_a_taken_address_of_envoy_ends_it_with_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = write_config(tmp_path)
        config.write_text(config.read_text() + f"router: {{address: '{address}'}}\n")
        with running_mesh(config, tmp_path / "run", clean_environment(), "--envoy") as mesh:
            assert mesh.wait() == 3
            assert any(f"cannot listen on {address}" in line for line in mesh.seen), mesh.seen


async def resume_when_draining(mesh: EnvoyMesh, provider: psutil.Process) -> None:
    """Lets the provider go on once both routers only finish what they have."""
    for router in ROUTERS:
        await mesh.journal.wait_for(router, "draining")
    provider.resume()


async def ask_until(drained: asyncio.Event, address: str) -> int:
    """Asks again and again on a connection of its own; raises what any call raises, else returns how many there were."""
    asked = 0
    async with Client(address) as client:
        while not drained.is_set():
            await client.explain(PROMPT, timeout_s=PATIENCE_S)
            asked += 1
    return asked


def framed(message: bytes) -> bytes:
    """A message as gRPC and gRPC-Web send it: a flag, four bytes of length, the message."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unframed(body: bytes) -> list[tuple[int, bytes]]:
    """All frames with their flags; 0x80 marks the trailers."""
    frames = []
    while body:
        length = int.from_bytes(body[1:5], "big")
        frames.append((body[0], body[5 : 5 + length]))
        body = body[5 + length :]
    return frames
