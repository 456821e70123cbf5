"""What the classifier's process needs of the configuration."""

from dataclasses import dataclass
from pathlib import Path

from pointsman.config.addresses import classifier_address
from pointsman.config.load import LoadedConfig
from pointsman.config.schema import ClassifierTierChoice
from services.classifier.model import SHIPPED_MODELS
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """`models_dir` holds a manifest.json; `threads` are the encoder's, for one batch."""

    address: str
    tier: ClassifierTierChoice
    models_dir: Path
    threads: int
    max_batch: int
    queue_size: int


def read_config(loaded: LoadedConfig, settings: Settings) -> ClassifierConfig:
    """Picks the classifier's section; a relative folder is relative to the file."""
    section = loaded.mesh.classifier
    folder = section.models_dir
    return ClassifierConfig(
        address=settings.address or classifier_address(loaded.mesh, settings.run_dir),
        tier=section.tier,
        models_dir=SHIPPED_MODELS if folder is None else loaded.path.parent / folder,
        threads=section.threads,
        max_batch=section.max_batch,
        queue_size=section.queue_size,
    )
