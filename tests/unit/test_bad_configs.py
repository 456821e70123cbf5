"""Each file of `bad_configs` is refused with just the problems that its first comment lines give.

A line is `# LINE: FIELD: what was expected`, of which the beginning is enough.
"""

from itertools import takewhile
from pathlib import Path

import pytest

from pointsman.config.load import ConfigError, load_config

FILES = sorted((Path(__file__).parent / "bad_configs").glob("*.yaml"))


def announced(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("# "), lines)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_config_is_refused_as_it_announces(path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    told = str(raised.value).splitlines()
    expected = [f"{path}:{words}" for words in announced(path)]
    assert len(told) == len(expected) > 0, told
    for found, beginning in zip(told, expected, strict=True):
        assert found.startswith(beginning)
