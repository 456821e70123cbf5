"""What the classifier's process needs of the configuration."""

from dataclasses import dataclass
from pathlib import Path

from pointsman.config.addresses import classifier_address
from pointsman.config.load import LoadedConfig
from pointsman.config.schema import ClassifierTierChoice
from services.classifier.cores import encoder_threads, given_cores
from services.classifier.model import SHIPPED_MODELS
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """`models_dir` holds a manifest.json; `threads` are the encoder's, for one batch.

    A prompt waits at most `encoder_wait_s` for the encoder. 0 `cache_entries` or `reload_interval_s`: no cache, no looking.
    """

    address: str
    tier: ClassifierTierChoice
    models_dir: Path
    routes_file: Path | None
    threads: int
    max_batch: int
    queue_size: int
    encoder_wait_s: float
    cache_entries: int
    reload_interval_s: float


def read_config(loaded: LoadedConfig, settings: Settings) -> ClassifierConfig:
    """Picks the classifier's section; a relative folder is relative to the file."""
    section = loaded.mesh.classifier
    folder = section.models_dir
    return ClassifierConfig(
        address=settings.address or classifier_address(loaded.mesh, settings.run_dir),
        tier=section.tier,
        models_dir=SHIPPED_MODELS if folder is None else loaded.path.parent / folder,
        routes_file=None if section.routes_file is None else loaded.resolve(section.routes_file),
        threads=encoder_threads(given_cores()) if section.threads is None else section.threads,
        max_batch=section.max_batch,
        queue_size=section.queue_size,
        encoder_wait_s=section.encoder_wait_ms / 1000,
        cache_entries=section.cache_entries,
        reload_interval_s=section.reload_interval_s,
    )
