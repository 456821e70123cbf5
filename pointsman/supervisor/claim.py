"""A run folder belongs to one supervisor at a time; the lock on a file in it ends with the process, however that dies."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "up.json"


class RunDirTaken(Exception):
    """Another supervisor holds the folder, or it is not ours to use; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a run folder, and with which configuration."""

    pid: int
    config_path: Path


@contextmanager
def claim_run_dir(run_dir: Path, config_path: Path) -> Iterator[None]:
    """Holds `run_dir`, which is made where it is not there; raises RunDirTaken."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise RunDirTaken(f"cannot use {run_dir} as run folder: {error.strerror}; choose another --run-dir") from error
    if run_dir.stat().st_uid != os.getuid():
        raise RunDirTaken(f"cannot use {run_dir} as run folder: it belongs to another user; choose another --run-dir")
    with (run_dir / FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = read_claim(run_dir)
            who = f"process {holder.pid}" if holder else "another process"
            raise RunDirTaken(
                f"a mesh is already up in {run_dir} ({who}); end that one, or choose another --run-dir"
            ) from error
        file.truncate(0)
        json.dump({"pid": os.getpid(), "config": str(config_path)}, file)
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def read_claim(run_dir: Path) -> Claim | None:
    """Who holds `run_dir`, or held it last and was killed; None where nobody does."""
    try:
        found: dict[str, Any] = json.loads((run_dir / FILE).read_text(encoding="utf-8"))
        return Claim(int(found["pid"]), Path(found["config"]))
    except (OSError, ValueError, KeyError, TypeError):
        # There is none, or its holder is just about to write it.
        return None
