"""A bad configuration is told by file, line, field and what was expected; a good one is frozen and hashed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.config.catalogue import complete_models
from pointsman.config.load import ConfigError, load_config

GOOD = """version: 1
providers:
  p: {kind: openai_http}
models:
  - provider: p
    model: m
    quality: 0.5
    context_tokens: 1000
    price: {input: 1, output: 2}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mesh.yaml"
    path.write_text(text)
    return path


BAD = [
    ("", "1: (file): expected a mapping"),
    ("- 1\n", "1: (file): expected a mapping"),
    ("version: [", "1: (syntax): expected YAML"),
    (GOOD + "router: !own {}\n", "10: (syntax): expected YAML: could not determine a constructor for the tag '!own'"),
    (GOOD + "router: 2001-99-99\n", "0: (syntax): expected YAML: month must be in 1..12"),
    (GOOD + "? [a]\n: b\n", "10: (syntax): expected YAML: found unhashable key"),
    ("a: &a [*a]\n", "0: (syntax): expected YAML that is nested less deeply"),
    ("[" * 5_000, "0: (syntax): expected YAML that is nested less deeply"),
    (GOOD + "version: 1\n", "10: version: expected once; it is given twice"),
    (GOOD.replace("version: 1\n", ""), "1: version: expected a value; it is required"),
    (GOOD + "limts: {}\n", "10: limts: expected no such field; check its spelling"),
    (GOOD + "limits:\n  max_attempts: 0\n", "11: limits.max_attempts: expected"),
    (GOOD + "limits:\n  stall_timeout_s: .nan\n", "11: limits.stall_timeout_s: expected"),
    (GOOD.replace("quality: 0.5", "quality: .nan"), "7: models.0.quality: expected"),
    (GOOD.replace("provider: p", "provider: q"), "5: models.0.provider: expected one of p, found 'q'"),
    (GOOD.replace("openai_http", "openai"), "3: providers.p: expected"),
    (GOOD + "router: {default_policy: thrifty}\n", "10: router.default_policy: expected one of balanced, economy"),
    (GOOD + "policies:\n  x:\n    allow: ['q/*']\n", "12: policies.x.allow.0: expected a pattern that fits a model"),
    (GOOD + "router: {address: 'localhost'}\n", "10: router.address: expected"),
]


@pytest.mark.parametrize(("text", "told"), BAD)
def test_a_bad_file_is_told_by_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert any(line.startswith(f"{path}:{told}") for line in str(raised.value).splitlines()), str(raised.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("quality: 0.5", "quality: 7").replace("input: 1", "input: -1")
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, text))
    assert [(problem.line, problem.field) for problem in raised.value.problems] == [
        (7, "models.0.quality"),
        (9, "models.0.price.input"),
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=words):
            load_config(path)
    (tmp_path / "latin.yaml").write_bytes(b"version: \xff")
    with pytest.raises(ConfigError, match="expected UTF-8 text"):
        load_config(tmp_path / "latin.yaml")


def test_a_price_that_nobody_knows_is_told_with_its_line(tmp_path: Path) -> None:
    loaded = load_config(written(tmp_path, GOOD.replace("    price: {input: 1, output: 2}\n", "")))
    with pytest.raises(ConfigError) as raised:
        complete_models(loaded)
    assert [(problem.line, problem.field) for problem in raised.value.problems] == [(5, "models.0.price")]


def test_the_revision_is_of_the_content_not_of_the_spelling(tmp_path: Path) -> None:
    first = load_config(written(tmp_path, GOOD)).revision
    assert load_config(written(tmp_path, "# a word\n" + GOOD.replace("0.5", "0.50"))).revision == first
    assert load_config(written(tmp_path, GOOD.replace("0.5", "0.6"))).revision != first
    assert len(first) == 12


def test_every_mesh_has_the_shipped_policies_and_may_change_each(tmp_path: Path) -> None:
    mesh = load_config(written(tmp_path, GOOD + "policies: {economy: {success_value: 7}, own: {}}\n")).mesh
    assert set(mesh.policies) == {"balanced", "quality_first", "economy", "latency_first", "own"}
    assert mesh.policies["economy"].success_value == 7


def test_every_process_of_a_mesh_tells_the_same_revision(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + "    residency: [eu, us, ch, uk, jp]\n    capabilities: [tools, seed, reasoning]\n")
    program = (
        "import sys, pathlib, pointsman.config.load as l; print(l.load_config(pathlib.Path(sys.argv[1])).revision)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
