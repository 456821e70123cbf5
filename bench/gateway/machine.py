"""What the figures were measured on."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path


def describe_machine() -> dict[str, object]:
    """Processor, cores, versions, the day, and how busy the machine was with other work when this began."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "grpcio": importlib.metadata.version("grpcio"),
        "load_before": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
