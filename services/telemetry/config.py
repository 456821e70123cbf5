"""What the telemetry service needs of the configuration, and the bounds on what it holds."""

from dataclasses import dataclass

from pointsman.config.addresses import telemetry_address
from pointsman.config.load import LoadedConfig
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """`tick_s` is the pace of a watcher that asks for none. The bounds keep the process below 100 MB."""

    address: str
    window_s: float
    tick_s: float
    # More than one window's models are turned away; each that is busy holds some 100 KB.
    max_models: int = 256
    # The last 12 s at 5,000 requests a second: twice what a reporter waits before it sends a batch again.
    max_requests: int = 60_000
    max_records: int = 1_000
    max_watchers: int = 64


def read_config(loaded: LoadedConfig, settings: Settings) -> TelemetryConfig:
    """Picks this service's values."""
    section = loaded.mesh.telemetry
    return TelemetryConfig(
        address=settings.address or telemetry_address(loaded.mesh, settings.run_dir),
        window_s=section.window_s,
        tick_s=section.tick_s,
    )
