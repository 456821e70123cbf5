"""Reads a YAML file that people write, and tells what is wrong with it by file, line, field and what was expected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `field` is the path in the file (`models.2.price.input`)."""

    line: int
    field: str
    expected: str


class ConfigError(Exception):
    """The file, or what a URL answered, cannot be used; `problems` holds all that is wrong with it."""

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}:{p.line}: {p.field}: {p.expected}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file's content, and where in the file each part of it stands."""

    path: Path | str
    root: yaml.Node
    content: Any

    def problem(self, location: Location, expected: str) -> Problem:
        """What is wrong at `location`, with the line of that field or of the nearest thing around it that the file has."""
        return Problem(_line(self.root, location), _dotted(location), expected)

    def invalid(self, error: ValidationError) -> ConfigError:
        """All that pydantic found, as problems of this file from its top to its end."""
        found = [self._issue(issue["loc"], issue["type"], issue["msg"]) for issue in error.errors()]
        return ConfigError(self.path, sorted(found, key=lambda problem: problem.line))

    def _issue(self, location: Location, kind: str, message: str) -> Problem:
        match kind:
            case "extra_forbidden":
                expected = "expected no such field; check its spelling"
            case "missing":
                expected = "expected a value; it is required"
            case _:
                expected = message[0].lower() + message[1:]
                expected = expected if expected.startswith("expected") else f"expected otherwise: {expected}"
        return self.problem(_in_file(self.root, location, missing=kind == "missing"), expected)


def read_yaml(path: Path) -> YamlFile:
    """Reads a file that holds one mapping; raises ConfigError, for a key that is given twice too."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(path, [Problem(0, "(file)", f"expected a readable file: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, [Problem(0, "(file)", f"expected UTF-8 text: {error}")]) from error
    return parse_yaml(path, text)


def parse_yaml(path: Path | str, text: str) -> YamlFile:
    """The same for text that was read already; `path` is where it came from."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(path, [Problem(1, "(file)", "expected a mapping, field by field")])
        duplicates = list(_duplicate_keys(root, ()))
        if duplicates:
            raise ConfigError(path, duplicates)
        return YamlFile(path, root, yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError(path, [Problem(line, "(syntax)", f"expected YAML: {error.problem}")]) from error
    except RecursionError as error:
        raise ConfigError(path, [Problem(0, "(syntax)", "expected YAML that is nested less deeply")]) from error
    # Python's own words for a date or a number that cannot be.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(path, [Problem(0, "(syntax)", f"expected YAML: {error}")]) from error


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
