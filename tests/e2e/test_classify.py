"""`pointsman classify`: the classifier's view of a prompt, from a mesh or from the model files alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.classifier.manifest import read_manifest
from services.classifier.model import SHIPPED_MODELS
from tests.e2e.mesh_config import CONFIG, clean_environment, write_config
from tests.e2e.mesh_process import MeshProcess, pointsman, running_mesh

ENVIRONMENT = clean_environment()
PROMPT = "Write a Python function that reverses a linked list."
ROUTES = """
routes:
  billing:
    examples: ["Why was I charged twice?", "Send me invoice 12", "What is on my bill?", "When is the invoice due?"]
  weather:
    examples: ["Will it rain tomorrow?", "How warm is it in Rome?", "Is there snow in the mountains?", "Forecast for Sunday"]
"""
REVISION = read_manifest(SHIPPED_MODELS).revision


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    folder = tmp_path_factory.mktemp("mesh")
    with running_mesh(write_config(folder), folder / "run", ENVIRONMENT) as running:
        running.wait_until_ready()
        yield running


def test_a_mesh_is_asked(mesh: MeshProcess) -> None:
    done = pointsman("classify", PROMPT, "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    for told in ("intent  code", "right answer  small", "complexity", "confidence", "output", "input", "script Latn"):
        assert told in done.stdout
    assert f"model {REVISION}; one call to the classifier at unix:{mesh.run_dir}/classifier.sock" in done.stdout


@pytest.mark.parametrize("tier", ["fast", "encoder"])
def test_the_tier_that_is_wanted_speaks(mesh: MeshProcess, tier: str) -> None:
    address = f"unix:{mesh.run_dir}/classifier.sock"
    done = pointsman("classify", PROMPT, "--tier", tier, "--address", address, "--json", environment=ENVIRONMENT)
    found = json.loads(done.stdout)
    assert found["address"] == address
    (judgement,) = found["judgements"]
    assert judgement["tier"] == tier
    assert judgement["intents"][0]["intent"] == "code"
    assert judgement["seconds"] > 0


def test_the_mesh_and_the_files_alone_agree(mesh: MeshProcess) -> None:
    there = pointsman(
        "classify", PROMPT, "--tier", "fast", "--run-dir", str(mesh.run_dir), "--json", environment=ENVIRONMENT
    )
    here = pointsman("classify", PROMPT, "--tier", "fast", "--local", "--json", environment=ENVIRONMENT)
    one, other = (json.loads(done.stdout)["judgements"][0] for done in (there, here))
    for varying in ("seconds", "from_cache"):
        del one[varying], other[varying]
    assert one == other


def test_without_a_mesh_the_files_judge_and_the_command_says_so(tmp_path: Path) -> None:
    done = pointsman("classify", "hello", "--run-dir", str(tmp_path), environment=ENVIRONMENT)
    assert done.returncode == 0
    assert done.stderr == f"no classifier at unix:{tmp_path}/classifier.sock; the model files on this machine judge\n"
    assert "fast" in done.stdout and "encoder" in done.stdout
    assert "on one core of this machine" in done.stdout


def test_a_mesh_that_was_named_is_not_replaced(tmp_path: Path) -> None:
    done = pointsman("classify", "hello", "--address", f"unix:{tmp_path}/none.sock", environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"pointsman: no classifier at unix:{tmp_path}/none.sock; start one with")


def test_another_service_is_no_classifier(mesh: MeshProcess) -> None:
    done = pointsman("classify", "hello", "--address", f"unix:{mesh.run_dir}/router.sock", environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"what listens at unix:{mesh.run_dir}/router.sock is no classifier of Pointsman" in done.stderr


def test_both_tiers_of_the_files_with_all_their_figures() -> None:
    done = pointsman("classify", "-", "--local", "--json", environment=ENVIRONMENT, stdin=PROMPT)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["address"] is None
    assert [judgement["tier"] for judgement in found["judgements"]] == ["fast", "encoder"]
    for judgement in found["judgements"]:
        assert sum(intent["probability"] for intent in judgement["intents"]) == pytest.approx(1, abs=1e-4)
        assert set(judgement["right"]) == {"small", "medium", "frontier"}
        length = judgement["output_tokens"]
        assert length["p10"] <= length["p50"] <= length["p90"]
        assert (judgement["model_revision"], judgement["from_cache"]) == (REVISION, False)


def test_the_configurations_model_is_what_judges_here(tmp_path: Path) -> None:
    config = write_config(tmp_path, CONFIG + "classifier: {models_dir: nowhere}\n")
    done = pointsman("classify", "hello", "--local", "--config", str(config), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pointsman: {tmp_path}/nowhere/manifest.json: expected a readable manifest" in done.stderr


def test_the_configurations_routes_are_matched_here(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = write_config(tmp_path, CONFIG + "classifier: {routes_file: routes.yaml}\n")
    done = pointsman(
        *("classify", "What does invoice 9 charge me for?", "--local", "--config", str(config), "--json"),
        environment=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    for judgement in json.loads(done.stdout)["judgements"]:
        assert judgement["routes"][0]["route"] == "billing"
        assert judgement["routes"][0]["similarity"] > judgement["routes"][1]["similarity"]


def test_routes_that_are_wrong_are_told_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: {billing: {examples: [one]}}")
    config = write_config(tmp_path, CONFIG + "classifier: {routes_file: routes.yaml}\n")
    done = pointsman("classify", "hello", "--local", "--config", str(config), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path}/routes.yaml" in done.stderr
    assert "at least 3 examples" in done.stderr


def test_an_empty_prompt_is_judged_without_confidence() -> None:
    done = pointsman("classify", "-", "--local", "--json", environment=ENVIRONMENT, stdin="")
    assert [judgement["confidence"] for judgement in json.loads(done.stdout)["judgements"]] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hello", "--tier", "slow"], "--tier"),
        (["hello", "--models-dir", "/nowhere"], "/nowhere/manifest.json: expected a readable manifest"),
    ],
)
def test_what_cannot_be_judged_is_told(arguments: list[str], told: str) -> None:
    done = pointsman("classify", *arguments, environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
