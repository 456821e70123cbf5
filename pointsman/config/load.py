"""Reads a configuration file once, validates it whole, freezes and hashes it.

Every problem is told with file, line, field and what was expected; all of them at once.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pointsman.config.cross_checks import cross_check
from pointsman.config.schema import MeshConfig

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `field` is the path in the file (`models.2.price.input`)."""

    line: int
    field: str
    expected: str


class ConfigError(Exception):
    """The file cannot be used; `problems` holds all that is wrong with it."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}:{p.line}: {p.field}: {p.expected}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration: `revision` is 12 hex digits of the SHA-256 over its content, `path` where it lies."""

    mesh: MeshConfig
    revision: str
    path: Path

    def resolve(self, path: Path) -> Path:
        """A path that the file gives, relative to the file."""
        return path if path.is_absolute() else self.path.parent / path


def load_config(path: Path) -> LoadedConfig:
    """Reads and validates `path`; raises ConfigError. Prices are not looked up here, see `catalogue`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(path, [Problem(0, "(file)", f"expected a readable file: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, [Problem(0, "(file)", f"expected UTF-8 text: {error}")]) from error
    root = _compose(path, text)
    duplicates = list(_duplicate_keys(root, ()))
    if duplicates:
        raise ConfigError(path, duplicates)
    try:
        mesh = MeshConfig.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        problems = [_problem(root, issue["loc"], issue["type"], issue["msg"]) for issue in error.errors()]
        raise ConfigError(path, problems) from error
    found = [
        Problem(_line(root, location), _dotted(location), expected)
        for location, expected in cross_check(mesh, path.parent)
    ]
    if found:
        raise ConfigError(path, found)
    digest = hashlib.sha256(mesh.model_dump_json().encode()).hexdigest()
    return LoadedConfig(mesh, digest[:12], path.resolve())


def _compose(path: Path, text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError(path, [Problem(line, "(syntax)", f"expected YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise ConfigError(path, [Problem(0, "(syntax)", f"expected YAML: {error}")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(path, [Problem(1, "(file)", "expected a mapping with version, providers and models")])
    return root


def _duplicate_keys(node: yaml.Node, location: Location) -> Iterable[Problem]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield Problem(key.start_mark.line + 1, _dotted((*location, name)), "expected once; it is given twice")
            seen.add(name)
            yield from _duplicate_keys(value, (*location, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicate_keys(item, (*location, index))


def _problem(root: yaml.Node, location: Location, kind: str, message: str) -> Problem:
    location = _in_file(root, location, missing=kind == "missing")
    match kind:
        case "extra_forbidden":
            expected = "expected no such field; check its spelling"
        case "missing":
            expected = "expected a value; it is required"
        case _:
            expected = message[0].lower() + message[1:]
            expected = expected if expected.startswith("expected") else f"expected otherwise: {expected}"
    return Problem(_line(root, location), _dotted(location), expected)


def _in_file(root: yaml.Node, location: Location, *, missing: bool) -> Location:
    """Leaves out what pydantic adds to a location and the file does not have, such as a union's tag."""
    kept: list[int | str] = []
    node: yaml.Node | None = root
    for position, part in enumerate(location):
        below = _child(node, part) if node is not None else None
        if below is not None:
            kept.append(part)
            node = below
        elif missing and position == len(location) - 1:
            kept.append(part)
    return tuple(kept)


def _child(node: yaml.Node, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value) == str(part):
                return value  # type: ignore[no-any-return]
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]  # type: ignore[no-any-return]
    return None


def _line(root: yaml.Node, location: Location) -> int:
    """The line of the field, or of the nearest thing around it that the file has."""
    node, line = root, root.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if str(key.value) == str(part):
                    line = key.start_mark.line + 1
        below = _child(node, part)
        if below is None:
            break
        node = below
        if isinstance(part, int):
            line = node.start_mark.line + 1
    return line


def _dotted(location: Iterable[Any]) -> str:
    return ".".join(str(part) for part in location) or "(file)"
