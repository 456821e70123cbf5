"""What a reload can change in a running router, and what it cannot. Pure."""

from collections.abc import Iterator

from pointsman.config.schema import MeshConfig
from pointsman.config.yaml_file import ConfigError, Location, Problem
from services.router.config import RouterConfig

RESTART = "a change of this needs a restart"


def check_scope(old: RouterConfig, new: RouterConfig) -> None:
    """Raises ConfigError where the new configuration asks for what only a restart brings: other addresses or providers."""
    if found := [_problem(new, location, expected) for location, expected in _fixed(old, new)]:
        raise ConfigError(new.loaded.path, found)


def _problem(new: RouterConfig, location: Location, expected: str) -> Problem:
    return new.loaded.problem(location, f"expected {expected}, as at the start; {RESTART}")


def _fixed(old: RouterConfig, new: RouterConfig) -> Iterator[tuple[Location, str]]:
    for section in ("router", "classifier", "telemetry"):
        field = "address" if section == "router" else f"{section}_address"
        if getattr(old, field) != getattr(new, field):
            yield (section, "address"), str(getattr(old, field))
    before, after = old.loaded.mesh.providers, new.loaded.mesh.providers
    if before.keys() != after.keys():
        yield ("providers",), f"the providers {', '.join(sorted(before))}"
    for name in before.keys() & after.keys():
        if before[name].kind != after[name].kind:
            yield ("providers", name, "kind"), before[name].kind
        if old.providers[name] != new.providers[name]:
            yield ("providers", name, "address"), old.providers[name]


def owned_elsewhere(old: MeshConfig, new: MeshConfig) -> list[str]:
    """The changed parts that other services own, which take them when they are started again."""
    found = [name for name in ("classifier", "telemetry") if getattr(old, name) != getattr(new, name)]
    for name in sorted(old.providers.keys() & new.providers.keys()):
        if old.providers[name] != new.providers[name] or _served(old, name) != _served(new, name):
            found.append(f"providers.{name}")
    return found


def _served(mesh: MeshConfig, provider: str) -> set[tuple[str, str | None]]:
    return {(model.model, model.chat_template) for model in mesh.models if model.provider == provider}
