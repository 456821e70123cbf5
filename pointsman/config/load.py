"""Reads a configuration file once, validates it whole, freezes and hashes it.

Every problem is told with file, line, field and what was expected; all of them at once.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pointsman.config.cross_checks import cross_check
from pointsman.config.schema import MeshConfig
from pointsman.config.yaml_file import ConfigError, Location, Problem, YamlFile, read_yaml

__all__ = ["ConfigError", "LoadedConfig", "Problem", "load_config"]


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration: `revision` is 12 hex digits of the SHA-256 over its content, `path` where it lies."""

    mesh: MeshConfig
    revision: str
    path: Path
    file: YamlFile

    def resolve(self, path: Path) -> Path:
        """A path that the file gives, relative to the file."""
        return path if path.is_absolute() else self.path.parent / path

    def problem(self, location: Location, expected: str) -> Problem:
        """What only shows once the configuration is put to use, with the line in the file."""
        return self.file.problem(location, expected)


def load_config(path: Path) -> LoadedConfig:
    """Reads and validates `path`; raises ConfigError. Prices are not looked up here, see `catalogue`."""
    file = read_yaml(path)
    try:
        mesh = MeshConfig.model_validate(file.content)
    except ValidationError as error:
        raise file.invalid(error) from error
    found = [file.problem(location, expected) for location, expected in cross_check(mesh, path.parent)]
    if found:
        raise ConfigError(path, found)
    digest = hashlib.sha256(json.dumps(_canonical(mesh.model_dump()), default=str).encode()).hexdigest()
    return LoadedConfig(mesh, digest[:12], path.resolve(), file)


def _canonical(value: object) -> object:
    """Sets in one order: theirs differs from process to process, and all processes of a mesh must tell the same revision."""
    match value:
        case dict():
            return {str(key): _canonical(part) for key, part in value.items()}
        case set() | frozenset():
            return sorted(str(part) for part in value)
        case list() | tuple():
            return [_canonical(part) for part in value]
        case _:
            return value
