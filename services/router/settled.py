"""Reads a small file that somebody else may be writing at this moment. Blocks: for worker threads."""

import time
from pathlib import Path

# An editor that empties a file and then fills it is done well within this.
SETTLE_S = 0.1


def read_settled(path: Path, known: bytes | None, most_bytes: int) -> bytes | None:
    """The content where it is another than `known`; None where it is not, or where it is being changed: look again later.

    Of a file larger than `most_bytes` one byte more than that. Raises OSError.
    """
    found = _read(path, most_bytes)
    if found == known:
        return None
    time.sleep(SETTLE_S)
    return found if _read(path, most_bytes) == found else None


def _read(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most_bytes + 1)
