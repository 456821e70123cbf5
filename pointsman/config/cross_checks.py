"""What no single field can know: names that point to nothing, things given twice, fields that go with another kind."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from pointsman.config.schema import MeshConfig, ScriptedSection, TritonSection

Location = tuple[int | str, ...]
MAX_PORT = 65_535


def cross_check(mesh: MeshConfig, folder: Path) -> Iterator[tuple[Location, str]]:
    """Yields the place of each problem and what was expected there; `folder` is where relative paths start."""
    if mesh.router.default_policy not in mesh.policies:
        yield (
            ("router", "default_policy"),
            f"expected one of {_names(mesh.policies)}, found {mesh.router.default_policy!r}",
        )
    routes_file = mesh.classifier.routes_file
    if routes_file is not None and not _resolve(folder, routes_file).is_file():
        yield ("classifier", "routes_file"), f"expected an existing file, found {str(routes_file)!r}"
    yield from _models(mesh, folder)
    references = [f"{m.provider}/{m.model}" for m in mesh.models]
    for name, policy in mesh.policies.items():
        for field in ("allow", "deny"):
            for index, pattern in enumerate(getattr(policy, field)):
                if not any(fnmatchcase(reference, pattern) for reference in references):
                    yield ("policies", name, field, index), f"expected a pattern that fits a model, found {pattern!r}"
    for name, provider in mesh.providers.items():
        if isinstance(provider, ScriptedSection) and not _resolve(folder, provider.scenario).is_file():
            yield ("providers", name, "scenario"), f"expected an existing file, found {str(provider.scenario)!r}"
    yield from _addresses(mesh)


def _models(mesh: MeshConfig, folder: Path) -> Iterator[tuple[Location, str]]:
    seen: set[tuple[str, str]] = set()
    for index, model in enumerate(mesh.models):
        provider = mesh.providers.get(model.provider)
        if provider is None:
            yield ("models", index, "provider"), f"expected one of {_names(mesh.providers)}, found {model.provider!r}"
        if (key := (model.provider, model.model)) in seen:
            yield ("models", index, "model"), f"expected each model once; {model.provider}/{model.model} is given twice"
        seen.add(key)
        if isinstance(provider, TritonSection):
            if model.chat_template is None:
                yield (
                    ("models", index, "chat_template"),
                    "expected a Jinja2 template or a file of one; Triton's models need it",
                )
            elif "{" not in model.chat_template and not _resolve(folder, Path(model.chat_template)).is_file():
                yield ("models", index, "chat_template"), f"expected an existing file, found {model.chat_template!r}"
        elif model.chat_template is not None and provider is not None:
            yield ("models", index, "chat_template"), f"expected only for kind triton, not {provider.kind}"


def _addresses(mesh: MeshConfig) -> Iterator[tuple[Location, str]]:
    taken: dict[str, str] = {}
    given: list[tuple[Location, str | None]] = [
        (("router", "address"), mesh.router.address),
        (("classifier", "address"), mesh.classifier.address),
        (("telemetry", "address"), mesh.telemetry.address),
        *((("providers", name, "address"), provider.address) for name, provider in mesh.providers.items()),
    ]
    for location, address in given:
        if address is None:
            continue
        if (port := _port(address)) is not None and not 1 <= port <= MAX_PORT:
            yield location, f"expected a port from 1 to {MAX_PORT}, found {port}"
        if address in taken:
            yield location, f"expected an address of its own; {taken[address]} has {address}"
        taken[address] = ".".join(str(part) for part in location)
    for name, provider in mesh.providers.items():
        if isinstance(provider, TritonSection) and not 1 <= (port := _port(provider.url) or 0) <= MAX_PORT:
            yield ("providers", name, "url"), f"expected a port from 1 to {MAX_PORT}, found {port}"


def _port(address: str) -> int | None:
    """None for a Unix socket."""
    return None if address.startswith("unix:") else int(address.rpartition(":")[2])


def _resolve(folder: Path, path: Path) -> Path:
    return path if path.is_absolute() else folder / path


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
