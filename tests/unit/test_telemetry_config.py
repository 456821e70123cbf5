"""What the telemetry service takes from the configuration, and what of it is refused."""

from pathlib import Path

import pytest

from pointsman.config.load import ConfigError, load_config
from services.runtime.settings import read_settings
from services.telemetry.config import TelemetryConfig, read_config

MESH = """version: 1
providers:
  p: {kind: openai_http}
models:
  - {provider: p, model: m, quality: 0.5, context_tokens: 1000, price: {input: 1, output: 2}}
"""


def read(folder: Path, telemetry: str = "", *arguments: str) -> TelemetryConfig:
    path = folder / "mesh.yaml"
    path.write_text(MESH + telemetry)
    argv = ["--config", str(path), "--run-dir", str(folder), *arguments]
    return read_config(load_config(path), read_settings("telemetry", argv, {}))


def test_without_a_section_it_listens_in_the_run_folder(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert (config.address, config.window_s, config.tick_s) == (f"unix:{tmp_path}/telemetry.sock", 60.0, 1.0)


def test_the_section_is_heeded_and_an_argument_goes_before_it(tmp_path: Path) -> None:
    section = "telemetry: {address: '127.0.0.1:7473', window_s: 30, tick_s: 0.5}\n"
    config = read(tmp_path, section)
    assert (config.address, config.window_s, config.tick_s) == ("127.0.0.1:7473", 30.0, 0.5)
    assert read(tmp_path, section, "--address", "127.0.0.1:1").address == "127.0.0.1:1"


def test_the_database_lies_in_the_run_folder_or_beside_the_file_that_names_it(tmp_path: Path) -> None:
    assert read(tmp_path).database == tmp_path / "telemetry.sqlite3"
    named = read(tmp_path, "telemetry: {database: kept/t.db, decisions_kept: 500, feedback_half_life_days: 3}\n")
    assert named.database == tmp_path / "kept/t.db"
    assert (named.decisions_kept, named.feedback_half_life_days) == (500, 3.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("window_s", "4"), ("window_s", "3601"), ("window_s", ".nan"), ("tick_s", "0.05"), ("tick", "1")],
)
def test_a_value_out_of_range_is_told_with_its_line(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, f"telemetry:\n  {field}: {value}\n")
    assert [(problem.line, problem.field) for problem in raised.value.problems] == [(7, f"telemetry.{field}")]
