"""Recorded requests, taken again by another policy and with another file, as a shell runs it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.replay import fetch
from pointsman.client import Client
from tests.e2e.mesh_config import CONFIG, clean_environment, write_config
from tests.e2e.mesh_process import MeshProcess, pointsman, running_mesh

ENVIRONMENT = clean_environment()
REQUESTS = 12
# The mesh's own policy sends what is easy to the small model.
ECONOMICAL = CONFIG.replace("limits:", "router: {default_policy: economy}\nlimits:")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """A mesh that answered some requests, of which telemetry keeps the decisions."""
    folder = tmp_path_factory.mktemp("mesh")
    with running_mesh(write_config(folder, ECONOMICAL), folder / "run", ENVIRONMENT) as running:
        running.wait_until_ready()
        asyncio.run(asyncio.wait_for(ask(running), 60))
        yield running


async def ask(mesh: MeshProcess) -> None:
    async with Client(f"unix:{mesh.run_dir}/router.sock") as client:
        for number in range(REQUESTS):
            answer = await client.complete(f"Say hello to guest {number}.", request_id=f"r{number}", tenant="acme")
            assert answer.decision.chosen.model == "tiny"
    # Reports go in batches.
    while len((await fetch(f"unix:{mesh.run_dir}/telemetry.sock", REQUESTS)).records) < REQUESTS:
        pass


def replayed(mesh: MeshProcess, *arguments: str) -> dict[str, Any]:
    done = run(mesh, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def run(mesh: MeshProcess, *arguments: str) -> Any:
    return pointsman("replay", *arguments, "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)


def test_the_same_policy_changes_nothing(mesh: MeshProcess) -> None:
    done = run(mesh, "--policy", "economy")
    assert f"nothing changes: all {REQUESTS} decisions stay as they were" in done.stdout
    assert "small/tiny           100%   100%       -" in done.stdout


def test_another_policy_moves_the_requests_to_the_better_model(mesh: MeshProcess) -> None:
    found = replayed(mesh, "--policy", "quality_first")
    assert found["changed"] == REQUESTS
    (move,) = found["moves"]
    assert (move["from"], move["to"], move["count"]) == ("small/tiny", "large/big", REQUESTS)
    assert "quality_first prefers it to small/tiny" in move["why"]
    assert found["cost_per_1k"]["after"] > found["cost_per_1k"]["before"] > 0
    assert found["expected_quality"]["after"] > found["expected_quality"]["before"]


def test_another_file_is_tried_with_its_models_and_prices(mesh: MeshProcess, tmp_path: Path) -> None:
    cheaper = ECONOMICAL.replace("price: {input: 2, output: 8}", "price: {input: 0.01, output: 0.01}")
    found = replayed(mesh, "--last", "5", "--new-config", str(write_config(tmp_path, cheaper)))
    assert (found["replayed"], found["changed"]) == (5, 5)
    assert [share for share in found["shares"] if share["after"]] == [{"model": "large/big", "before": 0, "after": 1}]
    assert found["cost_per_1k"]["after"] < found["cost_per_1k"]["before"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--policy", "nonsense"], 2, "--policy: expected one of balanced, economy, latency_first, quality_first"),
        (["--new-config", "/nonexistent.yaml"], 2, "/nonexistent.yaml"),
        (["--last", "0"], 2, "--last"),
        (["--telemetry", "unix:/nonexistent.sock"], 1, "no telemetry at unix:/nonexistent.sock; start one with"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(mesh: MeshProcess, arguments: list[str], code: int, told: str) -> None:
    done = run(mesh, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_mesh_it_says_what_it_needs(tmp_path: Path) -> None:
    done = pointsman("replay", "--run-dir", str(tmp_path), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pointsman: expected --config or --new-config: no mesh is up here")
