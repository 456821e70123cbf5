"""Feedback through the router: what clients say of answers moves abilities, and with them the traffic, on every router."""

from pathlib import Path
from typing import Any

import pytest

from pointsman import errors
from pointsman.channel import open_channel
from pointsman.client import Client
from pointsman.config.addresses import router_address, telemetry_address
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.telemetry.v1 import telemetry_service_pb2 as telemetry_pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.router.choice import choose
from services.router.config import read_config
from services.router.recording import from_record, from_snapshot
from tests.inprocess.answers import ask
from tests.inprocess.mesh import SERVING, Mesh, running_mesh

# Alike but for a little, so that feedback decides; nothing but quality counts.
SECTIONS: dict[str, Any] = {"policies": {"balanced": {"success_value": 1.0, "second_value": 0.0}}}


async def decisions(mesh: Mesh, count: int) -> telemetry_pb.ListDecisionsResponse:
    """What telemetry keeps, once it has so many."""
    async with open_channel(telemetry_address(mesh.loaded.mesh, mesh.folder)) as channel:
        stub: Any = TelemetryServiceStub(channel)
        found = telemetry_pb.ListDecisionsResponse()

        async def kept() -> int:
            nonlocal found
            found = await stub.ListDecisions(telemetry_pb.ListDecisionsRequest(page_size=1_000))
            return len(found.records)

        await mesh.eventually(kept, count)
        return found


async def test_answers_that_are_judged_bad_move_the_traffic_elsewhere(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=SECTIONS, telemetry=True) as mesh:
        await mesh.until("abilities", SERVING)
        async with Client(router_address(mesh.loaded.mesh, mesh.folder)) as client:
            abilities = []
            for number in range(12):
                answer = await mesh.generate(ask(f"Why {number}?", request_id=f"r{number}"))
                if answer.decided.chosen.provider != "first":
                    break
                learned = await client.record_feedback(f"r{number}", 0.0)
                assert learned.model.provider == "first"
                abilities.append(learned.ability)
            assert abilities == sorted(abilities, reverse=True)
            assert abilities[0] < 0.9
            await mesh.eventually(mesh.chosen, "second")


async def test_feedback_for_a_request_of_a_moment_ago_finds_it(tmp_path: Path) -> None:
    async with (
        running_mesh(tmp_path, telemetry=True) as mesh,
        Client(router_address(mesh.loaded.mesh, mesh.folder)) as client,
    ):
        for number in range(5):
            await mesh.generate(ask(request_id=f"r{number}"))
            await client.record_feedback(f"r{number}", 1.0, comment="fine")


@pytest.mark.parametrize(
    ("request_id", "quality", "comment", "error", "field"),
    [
        ("never", 0.5, "", errors.RequestUnknown, ""),
        ("", 0.5, "", errors.InvalidRequest, "request_id"),
        ("r", 1.5, "", errors.InvalidRequest, "quality"),
        ("r", float("nan"), "", errors.InvalidRequest, "quality"),
        ("r", 0.5, "x" * 2_001, errors.InvalidRequest, "comment"),
    ],
)
async def test_feedback_that_cannot_be_taken_says_why(
    tmp_path: Path, request_id: str, quality: float, comment: str, error: type[errors.PointsmanError], field: str
) -> None:
    async with (
        running_mesh(tmp_path, telemetry=True) as mesh,
        Client(router_address(mesh.loaded.mesh, mesh.folder)) as client,
    ):
        with pytest.raises(error) as raised:
            await client.record_feedback(request_id, quality, comment=comment)
    assert [violation.field for violation in raised.value.violations] == ([field] if field else [])


async def test_without_telemetry_feedback_is_refused_for_now(tmp_path: Path) -> None:
    async with (
        running_mesh(tmp_path) as mesh,
        Client(router_address(mesh.loaded.mesh, mesh.folder)) as client,
    ):
        await mesh.generate(ask(request_id="r"))
        with pytest.raises(errors.Overloaded) as raised:
            await client.record_feedback("r", 1.0)
    assert raised.value.retry_after_s


async def test_what_telemetry_keeps_is_enough_to_decide_again_and_holds_nothing_of_the_prompt(tmp_path: Path) -> None:
    sections = SECTIONS | {
        "rules": [{"name": "law", "when": {"tags": ["law"]}, "use": ["third/*"]}],
        "experiments": [
            {"name": "half", "arms": {"second/m": 0.5}},
            {"name": "watch", "kind": "shadow", "arms": {"third/m": 1.0}},
        ],
    }
    secret = "the secret of the points"
    async with running_mesh(tmp_path, sections=sections, telemetry=True) as mesh:
        for number in range(20):
            tags = ["law"] if number % 4 == 0 else []
            constraints = pb.RoutingConstraints(session_key=f"s{number % 3}", tenant="acme", tags=tags)
            await mesh.generate(ask(f"{secret} {number}", request_id=f"r{number}", constraints=constraints))
        kept = await decisions(mesh, 20)
        config = read_config(mesh.loaded, mesh.settings("router"))
    fleets = {snapshot.id: from_snapshot(snapshot) for snapshot in kept.snapshots}
    assert secret.encode() not in kept.SerializeToString()
    for record in kept.records:
        choice = choose(config.routing, fleets[record.decision.snapshot_id], from_record(record))
        first, then = choice.decision.ranked[0], record.decision
        assert first.model.reference == f"{then.chosen.provider}/{then.chosen.model}"
        assert (choice.decision.propensity, first.expected_quality) == (then.propensity, then.expected_quality)
        assert choice.decision.reason == record.decision_reason
        assert [shadow.model.provider for shadow in record.shadows] == [r.partition("/")[0] for _, r in choice.shadows]
    assert {bool(record.decision.experiment) for record in kept.records} == {True, False}
    assert {record.decision.rule for record in kept.records} == {"", "law"}


async def test_an_operator_may_keep_a_shadows_answers(tmp_path: Path) -> None:
    watch = {"name": "watch", "kind": "shadow", "arms": {"third/m": 1.0}}
    scenarios = {"third": {"answer": "from third "}}
    for record_answers, text in ((True, "from third "), (False, "")):
        folder = tmp_path / str(record_answers)
        folder.mkdir()
        sections = {"experiments": [watch | {"record_answers": record_answers}]}
        async with running_mesh(folder, scenarios, sections=sections, telemetry=True) as mesh:
            await mesh.generate(ask(request_id="r"))
            (shadow,) = (await decisions(mesh, 1)).records[0].shadows
        assert (shadow.experiment, shadow.answer_text) == ("watch", text)
        assert shadow.usage.output_tokens == 2
