"""Where each service of a mesh listens: what the file says, or a Unix socket in the run folder."""

from pathlib import Path

from pointsman.config.schema import MeshConfig


def router_address(mesh: MeshConfig, run_dir: Path) -> str:
    """The router's address."""
    return mesh.router.address or socket_address(run_dir, "router")


def classifier_address(mesh: MeshConfig, run_dir: Path) -> str:
    """The classifier's address."""
    return mesh.classifier.address or socket_address(run_dir, "classifier")


def telemetry_address(mesh: MeshConfig, run_dir: Path) -> str:
    """The telemetry service's address."""
    return mesh.telemetry.address or socket_address(run_dir, "telemetry")


def provider_address(mesh: MeshConfig, run_dir: Path, provider: str) -> str:
    """The address of one provider's process."""
    return mesh.providers[provider].address or socket_address(run_dir, f"provider-{provider}")


def socket_address(run_dir: Path, name: str) -> str:
    """The Unix socket of a process in the run folder."""
    return f"unix:{run_dir.absolute() / name}.sock"
