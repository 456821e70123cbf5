"""docs/promises.md names a test in each row, and each exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
NAMED = re.compile(r"`(tests/\S+\.py)::(\w+)`")


def rows() -> list[str]:
    """The rows of all tables, without their heads."""
    lines = PAGE.read_text().splitlines()
    return [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if line.startswith("|") and before.startswith("|") and not line.startswith("|---")
    ]


def names_in(path: Path) -> set[str]:
    """What a test file defines or names at its top level."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("row", rows())
def test_a_promise_is_held_by_tests_that_exist(row: str) -> None:
    tests = NAMED.findall(row)
    assert tests, "expected a test in each row"
    for path, name in tests:
        assert name in names_in(ROOT / path), f"{path} has no {name}"


def test_every_fault_that_is_tested_is_promised() -> None:
    promised = {(path, name) for path, name in NAMED.findall(PAGE.read_text())}
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        tests = {name for name in names_in(path) if name.startswith("test_")}
        assert tests <= {name for where, name in promised if where == str(path.relative_to(ROOT))}, path.name
