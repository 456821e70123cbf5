"""`pointsman train`: an operator's outcomes become a model that judges their prompts otherwise and others hardly."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from services.classifier.judgement import Judgement
from services.classifier.manifest import read_manifest
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from tests.e2e.billing import NEW_BILLING, NEW_OTHERS, write_requests
from tests.e2e.mesh_config import clean_environment
from tests.e2e.mesh_process import pointsman
from training.adapt.crossfit import LEAST_ROWS

ENVIRONMENT = clean_environment()
ROWS = 150


@dataclass(frozen=True, slots=True)
class Trained:
    """A run of the command and the folder that it wrote."""

    requests: Path
    folder: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    requests = write_requests(tmp_path_factory.mktemp("adapt") / "requests.jsonl", ROWS)
    done = pointsman("train", "--from", str(requests), environment=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return Trained(requests, requests.parent / "classifier-model", done.stdout, done.stderr)


@pytest.fixture(scope="module")
def models(trained: Trained) -> tuple[ClassifierModel, ClassifierModel]:
    """The shipped model and the adapted one."""
    before, after = (
        ClassifierModel(folder, threads=1, with_encoder=True) for folder in (SHIPPED_MODELS, trained.folder)
    )
    return before, after


def judged(model: ClassifierModel, text: str, tier: str) -> Judgement:
    prepared = model.prepare(text)
    return model.judge_fast(prepared) if tier == "fast" else model.judge_encoder([prepared])[0]


@pytest.mark.parametrize("tier", ["fast", "encoder"])
def test_the_operators_prompts_are_judged_by_their_outcomes(
    models: tuple[ClassifierModel, ClassifierModel], tier: str
) -> None:
    before, after = ([judged(model, text, tier) for text in NEW_BILLING] for model in models)
    extraction = [dict(found.intents)["extraction"] for found in after]
    assert float(np.median(extraction)) > 0.5
    earlier = [dict(found.intents)["extraction"] for found in before]
    assert all(new > old for old, new in zip(earlier, extraction, strict=True))
    small_before, small_after = (float(np.mean([j.right[0] for j in found])) for found in (before, after))
    assert small_after < 0.45
    assert small_after < small_before
    assert all(new.complexity > 0.3 for new in after)
    assert float(np.median([new.output_tokens.p50 for new in after])) < 70


@pytest.mark.parametrize("tier", ["fast", "encoder"])
def test_other_prompts_hardly_change(models: tuple[ClassifierModel, ClassifierModel], tier: str) -> None:
    before, after = ([judged(model, text, tier) for text in NEW_OTHERS] for model in models)
    kept = [old.intents[0][0] == new.intents[0][0] for old, new in zip(before, after, strict=True)]
    assert sum(kept) >= len(kept) - 3
    assert not [new for new in after if new.intents[0][0] == "extraction"]
    moved = [abs(old.right[0] - new.right[0]) for old, new in zip(before, after, strict=True)]
    assert float(np.mean(moved)) < 0.25


def test_the_command_tells_what_it_learned_and_where_it_is(trained: Trained) -> None:
    for told in ("accuracy", "log-loss", "ECE", "fast small", "encoder frontier", "median log error", "within p10-p90"):
        assert told in trained.stdout
    assert f"{ROWS} requests: {ROWS} with an intent" in trained.stderr
    assert f"wrote {trained.folder}, revision " in trained.stderr


def test_the_folder_is_whole_and_says_what_it_was_made_from(trained: Trained) -> None:
    found, base = read_manifest(trained.folder), read_manifest(SHIPPED_MODELS)
    assert found.revision != base.revision
    assert found.training["data_sha256"] == hashlib.sha256(trained.requests.read_bytes()).hexdigest()
    rows = found.training["rows"]
    assert isinstance(rows, dict)
    assert (rows["requests"], rows["intent"], rows["output_tokens"]) == (ROWS, ROWS, ROWS)
    assert set(found.files) == {path.name for path in trained.folder.iterdir()} - {"manifest.json"}
    assert [path.name for path in trained.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_no_prompt_lies_in_the_folder(trained: Trained) -> None:
    for name in ("manifest.json", read_manifest(trained.folder).adapter_file or ""):
        assert b"invoice" not in (trained.folder / name).read_bytes()


def test_classify_shows_the_adapted_model(trained: Trained) -> None:
    done = pointsman("classify", NEW_BILLING[0], "--models-dir", str(trained.folder), "--json", environment=ENVIRONMENT)
    found = json.loads(done.stdout)
    assert [judgement["tier"] for judgement in found["judgements"]] == ["fast", "encoder"]
    for judgement in found["judgements"]:
        assert judgement["intents"][0]["intent"] == "extraction"
        assert judgement["model_revision"] == read_manifest(trained.folder).revision


def test_an_adapted_model_is_adapted_from_its_base_and_to_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    again = tmp_path / "again"
    done = pointsman(
        *("train", "--from", str(trained.requests), "--models-dir", str(trained.folder), "--out", str(again)),
        environment=ENVIRONMENT,
    )
    assert done.returncode == 0
    assert "this starts from its base" in done.stderr
    assert (again / "manifest.json").read_bytes() == (trained.folder / "manifest.json").read_bytes()


def test_a_folder_that_is_there_gets_the_new_model(trained: Trained, tmp_path: Path) -> None:
    fewer = write_requests(tmp_path / "requests.jsonl", 90)
    folder = tmp_path / "model"
    for requests in (fewer, trained.requests):
        done = pointsman("train", "--from", str(requests), "--out", str(folder), "--force", environment=ENVIRONMENT)
        assert done.returncode == 0
    assert read_manifest(folder).revision == read_manifest(trained.folder).revision
    assert {path.name for path in folder.iterdir()} == {path.name for path in trained.folder.iterdir()}


def test_what_teaches_nothing_is_refused_unless_forced(tmp_path: Path) -> None:
    # Too few for any head, whatever they say.
    requests = write_requests(tmp_path / "few.jsonl", LEAST_ROWS - 1)
    done = pointsman("train", "--from", str(requests), environment=ENVIRONMENT)
    assert done.returncode == 1
    assert "nothing written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.jsonl"]
    assert pointsman("train", "--from", str(requests), "--force", environment=ENVIRONMENT).returncode == 0
    assert (tmp_path / "classifier-model" / "manifest.json").is_file()


def test_a_bad_line_ends_it_with_nothing_written(tmp_path: Path) -> None:
    requests = write_requests(tmp_path / "requests.jsonl", 30)
    with requests.open("a") as file:
        file.write('{"prompt": "Secret words", "tier": "small", "right": "yes"}\n')
    done = pointsman("train", "--from", str(requests), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pointsman: {requests}:31: right: expected true, false or a number from 0 to 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.jsonl"]
    skipped = pointsman("train", "--from", str(requests), "--skip-bad", "--force", environment=ENVIRONMENT)
    assert skipped.returncode == 0
    assert f"{requests}:31: right: expected" in skipped.stderr
    assert "1 bad line left out" in skipped.stderr
    assert "Secret" not in skipped.stderr


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (str(SHIPPED_MODELS), "expected another folder than that of the shipped model"),
        ("holiday", "expected a folder of model files, an empty one, or none yet"),
        ("requests.jsonl", "expected a folder"),
        ("none/model", "expected its parent folder to be there"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, target: str, told: str) -> None:
    requests = write_requests(tmp_path / "requests.jsonl", 30)
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.txt").write_text("a photo")
    done = pointsman("train", "--from", str(requests), "--out", str(tmp_path / target), environment=ENVIRONMENT)
    assert done.returncode == 2
    assert told in done.stderr
    assert (tmp_path / "holiday" / "photo.txt").read_text() == "a photo"
