"""A changed configuration goes into force without a restart, what cannot does not, and the operator is told of both."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.answers import ask
from tests.inprocess.mesh import NOT_SERVING, SERVING, Mesh, running_mesh

SOON = {"router": {"reload_interval_s": 0.05}}
# With it the router looks when it is told to, and only then.
NEVER = {"router": {"reload_interval_s": 0}}
NO_FIRST = {"policies": {"balanced": {"deny": ["first/*"]}}}


def change(mesh: Mesh, **sections: Any) -> None:
    """Writes the file with other sections."""
    path = mesh.loaded.path
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


async def seen(mesh: Mesh, check: Callable[[], object]) -> object:
    await mesh.health_of("config")
    return check()


async def served_by(mesh: Mesh, **constraints: Any) -> str:
    return (await mesh.generate(ask(constraints=pb.RoutingConstraints(**constraints)))).decided.chosen.provider


async def test_a_changed_policy_moves_the_traffic_and_the_difference_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        for _ in range(5):
            assert await served_by(mesh) == "first"
        before = (await mesh.stub.Explain(pb.ExplainRequest(prompt=ask().prompt))).decision.config_revision
        # Nothing but money counts any more.
        change(
            mesh, policies={"balanced": {"success_value": 0}}, prices={"models": {"third/m": {"input": 0, "output": 0}}}
        )
        await mesh.eventually(mesh.chosen, "third")
        assert await served_by(mesh) == "third"
        after = (await mesh.stub.Explain(pb.ExplainRequest(prompt=ask().prompt))).decision.config_revision
    assert before != after
    told = [line for line in caplog.messages if line.startswith(f"configuration {after}")]
    assert told[0].startswith(f"configuration {after} on the last 5 decisions: 5 of 5 decisions would change")
    assert f"configuration {after} on the last 5 decisions: 5 from first/m to third/m" in "\n".join(told)
    assert told[-1] == f"configuration {after} is in force, in place of {before}"


async def test_sighup_has_it_read_at_once(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=NEVER) as mesh:
        assert await served_by(mesh) == "first"
        change(mesh, **NO_FIRST)
        assert await served_by(mesh) == "first"
        os.kill(os.getpid(), signal.SIGHUP)
        await mesh.eventually(mesh.chosen, "second")


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"policies": {"balanced": {"deny": ["fourth/*"]}}}, "policies.balanced.deny.0: expected a pattern that fits"),
        ({"rules": [{"name": "nothing"}]}, "rules.0: expected policy or use"),
        ({"telemetri": {}}, "telemetri: expected no such field"),
        ({"router": {"address": "127.0.0.1:1"}}, "router.address: expected unix:/"),
        (
            {"providers": {"first": {"kind": "scripted", "scenario": "first.yaml"}}},
            "models.1.provider: expected one of",
        ),
    ],
)
async def test_a_bad_file_is_refused_and_the_old_one_goes_on_until_a_good_one_comes(
    tmp_path: Path, sections: Mapping[str, Any], told: str
) -> None:
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        good = mesh.loaded.path.read_text()
        change(mesh, **{"policies": NO_FIRST["policies"], **sections})
        await mesh.until("config", NOT_SERVING)
        detail = mesh.component("config").detail
        assert detail.startswith(f"{mesh.loaded.path}:")
        assert told in detail
        assert await served_by(mesh) == "first"
        # Broken, it does not serve less.
        assert await mesh.health_of("") == SERVING
        mesh.loaded.path.write_text(good)
        await mesh.until("config", SERVING)
        change(mesh, **NO_FIRST)
        await mesh.eventually(mesh.chosen, "second")


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"telemetry": {"address": "127.0.0.1:1"}}, "telemetry.address: expected unix:/"),
        ({"classifier": {"address": "127.0.0.1:1"}}, "classifier.address: expected unix:/"),
    ],
)
async def test_what_needs_a_restart_is_refused_with_the_old_value(
    tmp_path: Path, sections: Mapping[str, Any], told: str
) -> None:
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        change(mesh, **sections, **NO_FIRST)
        await mesh.until("config", NOT_SERVING)
        detail = mesh.component("config").detail
        assert told in detail
        assert detail.endswith("as at the start; a change of this needs a restart")
        assert await served_by(mesh) == "first"


async def test_other_providers_need_a_restart(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        content = yaml.safe_load(mesh.loaded.path.read_text())
        content["providers"]["fourth"] = content["providers"]["third"]
        content["providers"]["third"] = {"kind": "openai_http"}
        change(mesh, providers=content["providers"])
        await mesh.until("config", NOT_SERVING)
        detail = mesh.component("config").detail
        assert "providers: expected the providers first, second, third, as at the start" in detail
        assert "providers.third.kind: expected scripted, as at the start" in detail


async def test_what_other_services_own_is_told_and_the_rest_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        change(mesh, telemetry={"window_s": 30}, classifier={"max_batch": 4}, **NO_FIRST)
        await mesh.eventually(mesh.chosen, "second")
        await mesh.eventually(lambda: seen(mesh, lambda: "started again: classifier, telemetry" in caplog.text), True)
        assert mesh.component("config").serving


async def test_a_file_that_is_away_or_half_written_is_healed_by_the_next_look(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        path = mesh.loaded.path
        good = path.read_text()
        path.unlink()
        await mesh.until("config", NOT_SERVING)
        assert (
            mesh.component("config").detail == f"{path}:0: (file): expected a readable file: No such file or directory"
        )
        path.write_text(good[: len(good) // 2])
        await mesh.eventually(lambda: seen(mesh, lambda: "No such file" in mesh.component("config").detail), False)
        path.write_text(good)
        await mesh.until("config", SERVING)


async def test_a_request_in_flight_keeps_the_configuration_that_it_began_with(tmp_path: Path) -> None:
    slow = {"answer": "All is well and will be well. ", "first_token_s": 0, "tokens_per_second": 4}
    async with running_mesh(tmp_path, {"first": slow}, sections=SOON) as mesh:
        call = asyncio.create_task(mesh.generate(ask()))
        await mesh.adapter("first").started.wait()
        change(mesh, limits={"stall_timeout_s": 0.01, "first_token_timeout_s": 0.01}, **NO_FIRST)
        await mesh.eventually(mesh.chosen, "second")
        answer = await call
        assert answer.decided.chosen.provider == "first"
        assert answer.text == slow["answer"]
        assert (answer.switches, answer.error) == ([], None)


async def test_a_model_that_is_taken_out_is_not_asked_and_not_known_any_more(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=SOON) as mesh:
        content = yaml.safe_load(mesh.loaded.path.read_text())
        change(mesh, models=content["models"][1:])
        await mesh.eventually(mesh.chosen, "second")
        listed = (await mesh.stub.ListModels(pb.ListModelsRequest())).models
        assert [model.card.ref.provider for model in listed] == ["second", "third"]
        change(mesh, models=content["models"])
        await mesh.eventually(mesh.chosen, "first")


async def test_watched_prices_outlive_a_reload_and_follow_its_section(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("models: {first/m: {input: 2000, output: 4000}}")
    watched = SOON | {"prices": {"file": "prices.yaml", "refresh_s": 0.2}}
    async with running_mesh(tmp_path, sections=watched) as mesh:
        assert await mesh.chosen() == "second"
        change(mesh, policies={"balanced": {"deny": ["second/*"]}})
        await mesh.eventually(mesh.chosen, "third")
        change(mesh, policies={}, prices={})
        await mesh.eventually(mesh.chosen, "first")


async def test_a_larger_prompt_is_taken_once_the_limit_says_so(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=SOON | {"limits": {"max_prompt_bytes": 2_000}}) as mesh:
        text = "why " * 100_000
        assert (await mesh.generate(ask(text))).code == "INVALID_ARGUMENT"
        change(mesh, limits={"max_prompt_bytes": 1_000_000})

        async def code() -> str:
            return (await mesh.generate(ask(text))).code

        # It is far too long for the models, which is found out after its size.
        await mesh.eventually(code, "FAILED_PRECONDITION")
