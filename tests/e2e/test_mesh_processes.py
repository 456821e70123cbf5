"""What a client notices when processes of the mesh die, restart and are told to end."""

import asyncio
import signal
from pathlib import Path

import pytest

from pointsman import errors
from pointsman.client import Client
from pointsman.router.v1 import router_service_pb2 as pb
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import NOT_SERVING, SERVING, service_processes
from tests.e2e.two_providers import write_two_providers

PROMPTS = ["Why do points freeze?", "Who sets them?", "What does a signal say?"]
STALLING = {"answer": "a b c", "script": [{"stall_after_tokens": 1}]}


async def test_when_a_provider_is_killed_the_next_answers_the_same_prompts_until_it_is_back(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {"answer": "the first"}, {"answer": "the second"})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "provider-second", "router")
        await mesh.until("router", "provider/first", SERVING)
        assert [(await client.complete(prompt)).text for prompt in PROMPTS] == ["the first"] * 3
        mesh.signal("provider-first", signal.SIGKILL)
        # Nobody waits for the router to find out.
        assert [(await client.complete(prompt)).text for prompt in PROMPTS] == ["the second"] * 3
        assert (await mesh.ended("provider-first"))[0] == -signal.SIGKILL
        await mesh.start("provider-first")
        await mesh.until("router", "provider/first", SERVING)
        assert [(await client.complete(prompt)).text for prompt in PROMPTS] == ["the first"] * 3


async def test_an_answer_of_a_killed_provider_goes_on_elsewhere_or_is_told_to_be_cut(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, STALLING, {"answer": "a b c"})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "provider-second", "router")
        for name in ("first", "second"):
            await mesh.until("router", f"provider/{name}", SERVING)
        async with client.generate(PROMPTS[0]) as stream:
            await stream.decided()
            await anext(stream)
            mesh.signal("provider-first", signal.SIGKILL)
            assert await stream.read_all() == "a b c"
        assert [(s.from_model, s.to_model, s.kept_characters) for s in stream.switches] == [("first/m", "second/m", 2)]
        await mesh.ended("provider-first")
        await mesh.start("provider-first")
        await mesh.until("router", "provider/first", SERVING)
        async with client.generate(PROMPTS[0], switch_mode=pb.SWITCH_MODE_FAIL) as stream:
            await stream.decided()
            await anext(stream)
            mesh.signal("provider-first", signal.SIGKILL)
            with pytest.raises(errors.StreamCut):
                await stream.read_all()
        assert (stream.text, stream.finished) == ("a ", None)


async def test_a_router_that_is_told_to_end_finishes_its_open_streams_and_reports_them(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {"answer": "click ", "tokens": 40, "tokens_per_second": 40}, {})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "provider-second", "telemetry", "router")
        await mesh.until("router", "provider/first", SERVING)
        async with mesh.watching("router", "") as told, client.generate(PROMPTS[0]) as stream:
            assert await anext(told) == SERVING
            await stream.decided()
            mesh.signal("router", signal.SIGTERM)
            assert [status async for status in told] == [NOT_SERVING]
            assert stream.finished is None
            assert await stream.read_all() == "click " * 40
        code, logged = await mesh.ended("router")
        assert code == 0, logged
        stats = await mesh.stats(attempts=1)
        assert {name: (s.attempts, s.failures, s.output_tokens) for name, s in stats.items()} == {"first/m": (1, 0, 40)}
        with pytest.raises(errors.ProviderUnreachable):
            await client.complete(PROMPTS[0])
        assert set((await mesh.end("provider-first", "provider-second", "telemetry")).values()) == {0}


async def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, STALLING, {})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "provider-second", "router")
        await mesh.until("router", "provider/first", SERVING)
        async with client.generate(PROMPTS[0]) as stream:
            await stream.decided()
            await anext(stream)
            mesh.signal("router", signal.SIGTERM)
            await mesh_says_no(mesh.address("router"))
            mesh.signal("router", signal.SIGTERM)
            assert (await mesh.ended("router"))[0] == 0
            with pytest.raises(errors.PointsmanError):
                await stream.read_all()


async def mesh_says_no(address: str) -> None:
    """Waits until a draining router takes no new calls."""
    async with Client(address) as client:
        try:
            while True:
                await client.explain(PROMPTS[0])
        except errors.PointsmanError:
            return


async def test_a_socket_that_is_taken_is_told_in_one_line_and_its_owner_serves_on(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {}, {})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "router")
        await mesh.until("router", "provider/first", SERVING)
        second = await mesh.spawn("router")
        _, logged = await second.communicate()
        assert second.returncode == 3
        assert logged.decode().splitlines()[-1] == (
            f"cannot listen on {mesh.address('router')}: another process does (connected)"
        )
        assert (await client.complete(PROMPTS[0])).finished


async def test_a_run_folder_that_cannot_be_one_is_told_in_one_line(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {}, {})
    (tmp_path / "run").write_text("a file")
    async with service_processes(config, clean_environment()) as mesh:
        process = await mesh.spawn("provider-first")
        _, logged = await process.communicate()
    assert process.returncode == 3
    assert logged.decode().splitlines()[-1].startswith(f"cannot listen on {mesh.address('provider-first')}: ")


async def test_the_socket_of_a_dead_process_is_free_again(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {}, {})
    async with service_processes(config, clean_environment()) as mesh:
        await mesh.start("provider-first")
        mesh.signal("provider-first", signal.SIGKILL)
        await mesh.ended("provider-first")
        await mesh.start("provider-first")
        assert (await mesh.end("provider-first")) == {"provider-first": 0}


async def test_a_stopped_provider_is_left_for_the_next(tmp_path: Path) -> None:
    limits = {"first_token_timeout_s": 0.5}
    config = write_two_providers(tmp_path, {"answer": "the first"}, {"answer": "the second"}, limits=limits)
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "provider-second", "router")
        await asyncio.gather(*(mesh.until("router", f"provider/{name}", SERVING) for name in ("first", "second")))
        mesh.signal("provider-first", signal.SIGSTOP)
        answer = await client.complete(PROMPTS[0])
        assert (answer.text, [switch.reason for switch in answer.switches]) == (
            "the second",
            ["ERROR_REASON_PROVIDER_SILENT"],
        )
        mesh.signal("provider-first", signal.SIGCONT)
        assert (await mesh.end("provider-first")) == {"provider-first": 0}
        await mesh.until("router", "provider/first", NOT_SERVING)
