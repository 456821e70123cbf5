"""The encoder's threads follow the cores that a process was given."""

import os
from pathlib import Path

import pytest

from services.classifier.cores import encoder_threads, given_cores, quota_cores


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 2), (5, 4), (64, 4)])
def test_a_core_is_left_to_the_event_loop(cores: int, threads: int) -> None:
    assert encoder_threads(cores) == threads


@pytest.mark.parametrize(
    ("text", "cores"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("1 0", None), ("-1 100000", None)],
)
def test_a_containers_quota_is_read(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000\n", 3.0), ("-1\n", None)])
def test_an_older_containers_quota_is_read(tmp_path: Path, quota: str, cores: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert quota_cores(tmp_path) == cores


def test_a_quota_bounds_the_cores(tmp_path: Path) -> None:
    assert 1 <= given_cores(tmp_path) <= (os.cpu_count() or 1)
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert given_cores(tmp_path) == 1
