"""A folder of model files is taken whole or refused with a reason that names the file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.classifier.manifest import ModelFilesError, read_manifest
from services.classifier.model import SHIPPED_MODELS, ClassifierModel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED_MODELS, tmp_path / "models"))


def change(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")


def test_the_shipped_folder_is_whole() -> None:
    manifest = read_manifest(SHIPPED_MODELS)
    assert "code" in manifest.taxonomy
    assert sum((SHIPPED_MODELS / name).stat().st_size for name in manifest.files) <= 32_000_000


def test_a_changed_file_is_refused_by_name(folder: Path) -> None:
    with (folder / "fast.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelFilesError, match=r"fast\.onnx: expected sha256 [0-9a-f]{64}, found"):
        ClassifierModel(folder, threads=1, with_encoder=False)


def test_a_missing_file_is_refused_by_name(folder: Path) -> None:
    (folder / "encoder.onnx").unlink()
    with pytest.raises(ModelFilesError, match=r"encoder\.onnx: expected a readable file"):
        read_manifest(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="expected a readable manifest"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": 99}, "format: expected 2, found 99"),
        ({"features": ["weight"]}, "features: expected log_characters"),
        ({"tokens_per_character": [0.1]}, "tokens_per_character: expected 19 rates"),
        ({"revision": ""}, "revision"),
        ({"files": {}}, "files: expected a sha256 for"),
        ({"surprise": 1}, "surprise"),
        ({"output_tokens": {}}, "output_tokens: expected one entry for each intent"),
    ],
)
def test_a_manifest_that_does_not_fit_names_the_field(folder: Path, fields: dict[str, Any], message: str) -> None:
    change(folder, **fields)
    with pytest.raises(ModelFilesError, match=message):
        read_manifest(folder)


def test_a_file_that_is_no_model_is_refused_by_name(folder: Path) -> None:
    import hashlib

    (folder / "fast.onnx").write_bytes(b"not a model")
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    change(folder, files=files | {"fast.onnx": hashlib.sha256(b"not a model").hexdigest()})
    with pytest.raises(ModelFilesError, match=r"fast\.onnx: expected an ONNX model"):
        ClassifierModel(folder, threads=1, with_encoder=False)
