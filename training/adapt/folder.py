"""Writes a folder of model files so that whoever loads it finds the old model or the new one, never half of each."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.adapter import Adapter, save_adapter
from services.classifier.manifest import FILE_NAME, Manifest, ModelFilesError, read_manifest, write_manifest
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from training.adapt.support import save_centroids

BASE_KEY = "adapted_from"
REVISION_LENGTH = 64
KINDS = ADAPTER, SUPPORT = ("adapter", "support")


def read_base(directory: Path) -> Manifest:
    """Read the manifest to start from: of a model that was adapted before, the one it was adapted from.

    Raises ModelFilesError.
    """
    manifest = read_manifest(directory)
    if manifest.adapter_file is None:
        return manifest
    try:
        return Manifest.model_validate(manifest.training[BASE_KEY])
    except (KeyError, ValueError) as error:
        raise ModelFilesError(
            f"{directory / FILE_NAME}: expected a model without an adapter, or with one that `pointsman train` wrote"
        ) from error


def check_target(target: Path) -> None:
    """Raise ModelFilesError where a model cannot be written to."""
    if target.resolve() == SHIPPED_MODELS.resolve():
        raise ModelFilesError(f"{target}: expected another folder than that of the shipped model")
    if target.exists() and not target.is_dir():
        raise ModelFilesError(f"{target}: expected a folder")
    if target.exists() and any(target.iterdir()) and not (target / FILE_NAME).is_file():
        raise ModelFilesError(f"{target}: expected a folder of model files, an empty one, or none yet")
    if not target.parent.is_dir():
        raise ModelFilesError(f"{target}: expected its parent folder to be there")


@dataclass(frozen=True, slots=True)
class NewFiles:
    """What an adapted model has beside its base's files: corrections by tier, and centroids by tier where they grew."""

    adapters: dict[str, Adapter]
    support: dict[str, NDArray[np.float32]] | None


def write_folder(base_directory: Path, base: Manifest, adapted: Manifest, new: NewFiles, target: Path) -> Manifest:
    """Write the adapted model with a revision of its own, prove that it loads, and put it in the target's place.

    A target that holds a model gets the new files first and the manifest last. Raises ModelFilesError.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as made:
            staged = Path(made) / "model"
            staged.mkdir()
            manifest = _stage(base_directory, base, adapted, new, staged)
            ClassifierModel(staged, threads=1, with_encoder=manifest.encoder is not None)
            if target.exists():
                _replace(staged, target)
            else:
                staged.rename(target)
        return manifest
    except OSError as error:
        raise ModelFilesError(f"{target}: expected to be able to write there ({error.strerror})") from error


def _stage(base_directory: Path, base: Manifest, adapted: Manifest, new: NewFiles, staged: Path) -> Manifest:
    for name in base.files:
        shutil.copyfile(base_directory / name, staged / name)
    made = staged / "made.npz"
    save_adapter(made, new.adapters)
    files = dict(base.files)
    names = {"adapter_file": _name_for_content(made, ADAPTER, files)}
    if new.support is not None:
        save_centroids(made, new.support)
        names["support_file"] = _name_for_content(made, SUPPORT, files)
    manifest = adapted.model_copy(update={**names, "files": files})
    mark = f"-adapted-{hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()[:8]}"
    manifest = manifest.model_copy(update={"revision": base.revision[: REVISION_LENGTH - len(mark)] + mark})
    write_manifest(manifest, staged)
    return manifest


def _name_for_content(made: Path, kind: str, files: dict[str, str]) -> str:
    """Rename it, so that a file that an older manifest lists stays what it was until that manifest is replaced."""
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    name = f"{kind}-{digest[:12]}.npz"
    made.rename(made.parent / name)
    files[name] = digest
    return name


def _replace(staged: Path, target: Path) -> None:
    old = {path.name for kind in KINDS for path in target.glob(f"{kind}-*.npz")}
    new = {path.name for path in staged.iterdir()}
    for name in sorted(new - {FILE_NAME}):
        if not _same(staged / name, target / name):
            (staged / name).replace(target / name)
    (staged / FILE_NAME).replace(target / FILE_NAME)
    for name in old - new:
        (target / name).unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    if not other.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    return hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()
