"""An operator's own routes as a file says them; see docs/routes.md. Pydantic, since untrusted text comes in here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from pointsman.config.fields import Name, Section
from pointsman.config.yaml_file import ConfigError, Location, read_yaml

LEAST_EXAMPLES = 3
MOST_ROUTES = 500
MOST_EXAMPLES = 10_000
MOST_CHARACTERS = 20_000


class RouteFileError(ConfigError):
    """A file of routes cannot be used; `problems` holds all that is wrong with it."""


def _utterance(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("utterance", "expected an utterance, found no text")
    if len(text) > MOST_CHARACTERS:
        raise PydanticCustomError(
            "utterance",
            "expected at most {most} characters, found {found}",
            {"most": MOST_CHARACTERS, "found": len(text)},
        )
    return text


def _enough(examples: list[str]) -> list[str]:
    if len(examples) < LEAST_EXAMPLES:
        raise PydanticCustomError(
            "examples",
            "expected at least {least} examples, found {found}",
            {"least": LEAST_EXAMPLES, "found": len(examples)},
        )
    return examples


Utterance = Annotated[str, AfterValidator(_utterance)]


class RouteSection(Section):
    """One route."""

    description: str = ""
    examples: Annotated[list[Utterance], AfterValidator(_enough)]
    # Instead of the one that cross-validation finds; a cosine, on the scale that answers carry.
    threshold: Annotated[float, Field(gt=-1, le=1)] | None = None


class RouteFile(Section):
    """The whole file; `negatives` belong to no route."""

    routes: dict[Name, RouteSection]
    negatives: list[Utterance] = Field(default_factory=list)


def read_route_file(path: Path) -> RouteFile:
    """Reads and validates `path`; raises RouteFileError with the line and the field of everything that is wrong."""
    try:
        file = read_yaml(path)
        found = RouteFile.model_validate(file.content)
    except ValidationError as error:
        raise RouteFileError(path, file.invalid(error).problems) from error
    except ConfigError as error:
        raise RouteFileError(path, error.problems) from error
    problems = [file.problem(location, expected) for location, expected in _cross_check(found)]
    if problems:
        raise RouteFileError(path, sorted(problems, key=lambda problem: problem.line))
    return found


def _cross_check(found: RouteFile) -> Iterator[tuple[Location, str]]:
    if not found.routes:
        yield ("routes",), "expected at least 1 route, found none"
    if len(found.routes) > MOST_ROUTES:
        yield ("routes",), f"expected at most {MOST_ROUTES} routes, found {len(found.routes)}"
    count = sum(len(route.examples) for route in found.routes.values()) + len(found.negatives)
    if count > MOST_EXAMPLES:
        yield ("routes",), f"expected at most {MOST_EXAMPLES} examples and negatives together, found {count}"
    seen: dict[str, str] = {}
    for location, text in _utterances(found):
        # What differs in letter case or white space alone is the same to the model.
        key = " ".join(text.casefold().split())
        if key in seen:
            yield location, f"expected each utterance once; it is {seen[key]} too"
        else:
            seen[key] = ".".join(map(str, location))


def _utterances(found: RouteFile) -> Iterator[tuple[Location, str]]:
    for name, route in found.routes.items():
        for index, text in enumerate(route.examples):
            yield ("routes", name, "examples", index), text
    for index, text in enumerate(found.negatives):
        yield ("negatives", index), text
