"""An operator's own prompts become part of what the model knows."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from services.classifier.adapter import Adapter
from services.classifier.manifest import Manifest, read_manifest, write_manifest
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from tests.e2e.billing import NEW_BILLING, NEW_OTHERS, write_requests
from training.adapt.embed import embed
from training.adapt.folder import BASE_KEY, NewFiles, read_base, write_folder
from training.adapt.records import Record, read_records
from training.adapt.support import extended_support, own_centroids, save_centroids

WIDE_AWAKE = {"support_midpoint": 0.6, "support_scale": 0.05}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model as if it had been trained on a handful of prompts, none of them about bills."""
    folder = tmp_path_factory.mktemp("base")
    manifest = read_base(SHIPPED_MODELS)
    for name in manifest.files:
        shutil.copyfile(SHIPPED_MODELS / name, folder / name)
    model = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=True)
    assert model.encoder is not None
    prompts = [model.prepare(text) for text in NEW_OTHERS]
    features = np.stack([p.features for p in prompts])
    centroids = {}
    for name, tier in (("fast", model.fast), ("encoder", model.encoder)):
        embedding = tier.run([p.token_ids for p in prompts], features).embedding
        assert embedding is not None
        centroids[name] = embedding
    save_centroids(folder / "support.npz", centroids)
    parts = {
        name: part.model_copy(update={"confidence": part.confidence.model_copy(update=WIDE_AWAKE)})
        for name, part in (("fast", manifest.fast), ("encoder", manifest.encoder))
        if part is not None
    }
    digest = hashlib.sha256((folder / "support.npz").read_bytes()).hexdigest()
    files = {**manifest.files, "support.npz": digest}
    write_manifest(manifest.model_copy(update={**parts, "support_file": "support.npz", "files": files}), folder)
    return folder


def records(folder: Path, manifest: Manifest) -> tuple[Record, ...]:
    path = write_requests(folder / "requests.jsonl", 60)
    return read_records(path, manifest.taxonomy, skip_bad=False).rows


def test_support_grows_where_the_operators_prompts_lie(base: Path, tmp_path: Path) -> None:
    manifest = read_manifest(base)
    rows = records(tmp_path, manifest)
    embedded = embed(base, manifest, rows)
    support = extended_support(base, manifest, embedded, rows)
    assert support is not None
    adapters = {
        tier.value: Adapter(
            *(
                np.zeros(shape, np.float32)
                for shape in ((wide, len(manifest.taxonomy)), (len(manifest.taxonomy),), (wide, 3), (3,))
            )
        )
        for tier, wide in ((tier, seen.design.shape[1] - 1) for tier, seen in embedded.tiers.items())
    }
    adapted = manifest.model_copy(update={"training": {BASE_KEY: manifest.model_dump(mode="json")}})
    written = write_folder(base, manifest, adapted, NewFiles(adapters, support), tmp_path / "model")
    assert written.support_file != manifest.support_file
    before, after = (ClassifierModel(f, threads=1, with_encoder=True) for f in (base, tmp_path / "model"))
    for text in NEW_BILLING:
        for old, new in (
            (before.judge_fast(before.prepare(text)), after.judge_fast(after.prepare(text))),
            (before.judge_encoder([before.prepare(text)])[0], after.judge_encoder([after.prepare(text)])[0]),
        ):
            assert new.support > old.support + 0.1
            assert new.confidence >= old.confidence
            assert new.right == pytest.approx(old.right)
    # The base is found again under what was added.
    assert read_base(tmp_path / "model") == manifest


def test_prompts_without_an_outcome_add_nothing(base: Path, tmp_path: Path) -> None:
    manifest = read_manifest(base)
    rows = tuple(Record(row.text, row.intent, None, None, row.output_tokens) for row in records(tmp_path, manifest))
    assert extended_support(base, manifest, embed(base, manifest, rows), rows) is None


def test_centroids_lie_in_the_middle_of_what_is_alike() -> None:
    random = np.random.default_rng(0)
    kinds = np.eye(8)[:3]
    rows = np.repeat(kinds, 20, axis=0) + 0.05 * random.normal(size=(60, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = own_centroids(np.zeros((0, 8)), rows)
    assert len(found) == 6
    assert (kinds @ found.T).max(axis=1) == pytest.approx(1, abs=0.02)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
