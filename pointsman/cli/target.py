"""Finds the mesh that a command is meant for."""

import os
from dataclasses import dataclass
from pathlib import Path

from pointsman.config.addresses import classifier_address, router_address, socket_address, telemetry_address
from pointsman.config.load import load_config
from pointsman.config.run_dir import default_run_dir
from pointsman.supervisor.claim import read_claim


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the command line says of it; None where it says nothing."""

    address: str | None
    config: Path | None
    run_dir: Path | None
    telemetry: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Addresses of the services that a command talks to."""

    router: str
    telemetry: str


def find_target(where: Whereabouts) -> Target:
    """An address that was given, else what the configuration says, else the sockets of the run folder.

    The configuration is the one that was given, or that of the mesh which is up in the run folder. Raises ConfigError.
    """
    run_dir = choose_run_dir(where.run_dir)
    path = find_config(where)
    if where.address and (where.telemetry or path is None):
        return Target(where.address, where.telemetry or socket_address(run_dir, "telemetry"))
    if path is None:
        return Target(socket_address(run_dir, "router"), where.telemetry or socket_address(run_dir, "telemetry"))
    mesh = load_config(path).mesh
    return Target(where.address or router_address(mesh, run_dir), where.telemetry or telemetry_address(mesh, run_dir))


def find_classifier(where: Whereabouts) -> str:
    """The classifier's address, found likewise; `where.address` is taken for the classifier's. Raises ConfigError."""
    if where.address:
        return where.address
    run_dir = choose_run_dir(where.run_dir)
    path = find_config(where)
    return (
        socket_address(run_dir, "classifier") if path is None else classifier_address(load_config(path).mesh, run_dir)
    )


def find_config(where: Whereabouts) -> Path | None:
    """The configuration that was given, else that of the mesh which is up in the run folder; None where neither is there."""
    if where.config is not None:
        return where.config
    claim = read_claim(choose_run_dir(where.run_dir))
    return claim.config_path if claim else None


def choose_run_dir(given: Path | None) -> Path:
    """The run folder that was given, else the user's own."""
    return given if given is not None else default_run_dir(os.environ)
