"""How many cores this process was given: by its affinity, and by a container's quota of time."""

import math
import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
MOST_ENCODER_THREADS = 4


def encoder_threads(cores: int) -> int:
    """Threads for the encoder: one core stays for the event loop and the fast tier, and more than four gain little."""
    return max(1, min(MOST_ENCODER_THREADS, cores - 1))


def given_cores(cgroup_root: Path = CGROUP_ROOT) -> int:
    """Whole cores that this process may use, at least 1."""
    # macOS and Windows have no affinity.
    affine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = quota_cores(cgroup_root)
    return affine if quota is None else max(1, min(affine, math.ceil(quota)))


def quota_cores(cgroup_root: Path) -> float | None:
    """A container's quota in cores; None where there is none or it cannot be read.

    Version 2 has `cpu.max` with "quota period" or "max period", version 1 two files (kernel.org, cgroup-v2 and sched-bwc).
    """
    try:
        quota, period = (cgroup_root / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (cgroup_root / "cpu" / f"cpu.cfs_{name}_us").read_text("ascii").strip() for name in ("quota", "period")
            )
        except OSError:
            return None
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)
