"""Which processes a configuration asks for, and what each may see."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from pointsman.config.addresses import (
    classifier_address,
    provider_address,
    router_address,
    socket_address,
    telemetry_address,
)
from pointsman.config.load import LoadedConfig
from pointsman.config.schema import AnyProvider, MeshConfig

# One that ends or dies leaves one.
ROUTERS_BEHIND_ENVOY = 2
# Envoy's health checks find out within a third of that (deploy/envoy/envoy.yaml).
DRAIN_DELAY_S = 2.0


class Kind(Enum):
    """The service that a process runs."""

    CLASSIFIER = auto()
    TELEMETRY = auto()
    PROVIDER = auto()
    ROUTER = auto()
    ENVOY = auto()


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One process: `module` is run with `arguments`; `environment` is all that it sees, with no secret but its own."""

    name: str
    kind: Kind
    module: str
    arguments: tuple[str, ...]
    address: str
    environment: Mapping[str, str]

    def command(self, parent_pid: int) -> list[str]:
        """What to execute; the process ends with `parent_pid`."""
        return [sys.executable, "-m", "pointsman.supervisor.launch", str(parent_pid), self.module, *self.arguments]


def plan_services(
    loaded: LoadedConfig,
    run_dir: Path,
    environment: Mapping[str, str],
    drain_grace_s: float,
    envoy_file: Path | None = None,
) -> tuple[ServiceSpec, ...]:
    """All processes of the mesh, last the one that clients come to: the router, or with `envoy_file` Envoy before two of them."""
    mesh = loaded.mesh
    arguments = ("--config", str(loaded.path), "--run-dir", str(run_dir), "--drain-grace", f"{drain_grace_s:g}")
    public = {key: value for key, value in environment.items() if key not in _secrets(mesh)}
    # Their logs go through a pipe, where Python would hold them back.
    public["PYTHONUNBUFFERED"] = "1"
    providers = [
        ServiceSpec(
            f"provider-{name}",
            Kind.PROVIDER,
            "services.providers",
            ("--provider", name, *arguments),
            provider_address(mesh, run_dir, name),
            public | _own_secret(section, environment),
        )
        for name, section in mesh.providers.items()
    ]

    def spec(name: str, kind: Kind, address: str) -> ServiceSpec:
        return ServiceSpec(name, kind, f"services.{name}", arguments, address, public)

    def numbered(number: int) -> ServiceSpec:
        name = f"router-{number}"
        address = socket_address(run_dir, name)
        more = ("--address", address, "--drain-delay", f"{DRAIN_DELAY_S:g}")
        return ServiceSpec(name, Kind.ROUTER, "services.router", (*arguments, *more), address, public)

    entry = router_address(mesh, run_dir)
    if envoy_file is None:
        last = [spec("router", Kind.ROUTER, entry)]
    else:
        routers = [numbered(number + 1) for number in range(ROUTERS_BEHIND_ENVOY)]
        last = [*routers, _envoy(envoy_file, run_dir, entry, [router.address for router in routers], public)]

    return (
        spec("telemetry", Kind.TELEMETRY, telemetry_address(mesh, run_dir)),
        spec("classifier", Kind.CLASSIFIER, classifier_address(mesh, run_dir)),
        *providers,
        *last,
    )


def _envoy(
    file: Path, run_dir: Path, listen: str, routers: Sequence[str], environment: Mapping[str, str]
) -> ServiceSpec:
    arguments = ["--file", str(file), "--listen", listen, "--run-dir", str(run_dir)]
    for router in routers:
        arguments += ["--router", router]
    return ServiceSpec("envoy", Kind.ENVOY, "pointsman.supervisor.envoy", tuple(arguments), listen, environment)


def key_variable(section: AnyProvider) -> str | None:
    """The environment variable that holds the provider's key; None for one that needs no key."""
    variable: str | None = getattr(section, "api_key_env", None)
    return variable


def _secrets(mesh: MeshConfig) -> frozenset[str]:
    return frozenset(variable for section in mesh.providers.values() if (variable := key_variable(section)))


def _own_secret(section: AnyProvider, environment: Mapping[str, str]) -> dict[str, str]:
    variable = key_variable(section)
    return {variable: environment[variable]} if variable and variable in environment else {}
