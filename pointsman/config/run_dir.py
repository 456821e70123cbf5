"""The folder in which the Unix sockets of a mesh lie when nobody says otherwise."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def default_run_dir(environment: Mapping[str, str]) -> Path:
    """A folder that is private to the user and gone after a reboot."""
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "pointsman"
    return Path(tempfile.gettempdir()) / f"pointsman-{os.getuid()}"
