"""What no single field can know: names that point to nothing, things given twice, fields that go with another kind."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from pointsman.config.routing_schema import PricesSection, WhenSection
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
            yield from _patterns(("policies", name, field), getattr(policy, field), references)
    yield from _rules(mesh, references)
    yield from _experiments(mesh, references)
    yield from _prices(mesh.prices, references, folder)
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


def _patterns(location: Location, patterns: Iterable[str], references: list[str]) -> Iterator[tuple[Location, str]]:
    for index, pattern in enumerate(patterns):
        if not any(fnmatchcase(reference, pattern) for reference in references):
            yield (*location, index), f"expected a pattern that fits a model, found {pattern!r}"


def _rules(mesh: MeshConfig, references: list[str]) -> Iterator[tuple[Location, str]]:
    seen: set[str] = set()
    for index, rule in enumerate(mesh.rules):
        yield from _once(("rules", index, "name"), rule.name, seen)
        if rule.policy is None and not rule.use:
            yield ("rules", index), "expected policy or use; the rule does nothing"
        if rule.policy is not None and rule.policy not in mesh.policies:
            yield ("rules", index, "policy"), f"expected one of {_names(mesh.policies)}, found {rule.policy!r}"
        if rule.strict and not rule.use:
            yield ("rules", index, "strict"), "expected use beside it: the models that may answer"
        yield from _patterns(("rules", index, "use"), rule.use, references)
        yield from _when(("rules", index, "when"), rule.when, mesh)


def _experiments(mesh: MeshConfig, references: list[str]) -> Iterator[tuple[Location, str]]:
    seen: set[str] = set()
    for index, experiment in enumerate(mesh.experiments):
        yield from _once(("experiments", index, "name"), experiment.name, seen)
        for reference in experiment.arms:
            if reference not in references:
                yield ("experiments", index, "arms", reference), f"expected one of {_names(references)}"
        # Ten tenths are a little more than 1.
        if (total := sum(experiment.arms.values())) > 1 + 1e-9:
            yield ("experiments", index, "arms"), f"expected shares of together at most 1, found {total:g}"
        yield from _when(("experiments", index, "when"), experiment.when, mesh)


def _when(location: Location, when: WhenSection, mesh: MeshConfig) -> Iterator[tuple[Location, str]]:
    for name in sorted(when.policies - mesh.policies.keys()):
        yield (*location, "policies"), f"expected any of {_names(mesh.policies)}, found {name!r}"
    for least, most in (("min_input_tokens", "max_input_tokens"), ("min_complexity", "max_complexity")):
        low, high = getattr(when, least), getattr(when, most)
        if low is not None and high is not None and low > high:
            yield (*location, least), f"expected at most {most}, {high:g}; nothing fits"


def _prices(prices: PricesSection, references: list[str], folder: Path) -> Iterator[tuple[Location, str]]:
    for reference in prices.models:
        if reference not in references:
            yield ("prices", "models", reference), f"expected one of {_names(references)}"
    if prices.file is not None and not _resolve(folder, prices.file).is_file():
        yield ("prices", "file"), f"expected an existing file, found {str(prices.file)!r}"
    if prices.url is not None and not _has_host(prices.url):
        yield ("prices", "url"), f"expected a host and, where there is one, a port from 1 to {MAX_PORT}"


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _once(location: Location, name: str, seen: set[str]) -> Iterator[tuple[Location, str]]:
    if name in seen:
        yield location, f"expected a name of its own; {name!r} is given twice"
    seen.add(name)


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
