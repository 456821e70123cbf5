"""What the telemetry service needs of the configuration, and the bounds on what it holds."""

from dataclasses import dataclass
from pathlib import Path

from pointsman.config.addresses import telemetry_address
from pointsman.config.load import LoadedConfig
from services.runtime.settings import Settings

DATABASE = "telemetry.sqlite3"


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """`tick_s` is the pace of a watcher that asks for none. The bounds keep the process below 100 MB.

    `database` is the file of decisions and of what was learned; None keeps the newest in memory, and nothing beyond the process' end.
    """

    address: str
    window_s: float
    tick_s: float
    database: Path | None = None
    decisions_kept: int = 20_000
    feedback_half_life_days: float = 14.0
    # More than one window's models are turned away; each that is busy holds some 100 KB.
    max_models: int = 256
    # The last 12 s at 5,000 requests a second: twice what a reporter waits before it sends a batch again.
    max_requests: int = 60_000
    max_records: int = 1_000
    max_watchers: int = 64
    # Least time between two updates of what was learned.
    abilities_tick_s: float = 1.0


def read_config(loaded: LoadedConfig, settings: Settings) -> TelemetryConfig:
    """Picks this service's values."""
    section = loaded.mesh.telemetry
    return TelemetryConfig(
        address=settings.address or telemetry_address(loaded.mesh, settings.run_dir),
        window_s=section.window_s,
        tick_s=section.tick_s,
        database=loaded.resolve(section.database) if section.database else settings.run_dir / DATABASE,
        decisions_kept=section.decisions_kept,
        feedback_half_life_days=section.feedback_half_life_days,
    )
