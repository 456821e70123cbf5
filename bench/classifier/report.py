"""What the last training told beside its artefacts: figures that need more than one training, or labels that it alone has."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "report.json"


@dataclass(frozen=True, slots=True)
class Report:
    """`report.json`; where there is none, what the manifest tells of the one model that is shipped."""

    source: str
    content: Mapping[str, Any] = field(default_factory=dict)

    def number(self, *path: str) -> float | None:
        """The number at a path of keys; None where there is none."""
        found = self.get(*path)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def get(self, *path: str) -> Any:
        """Whatever lies at a path of keys, or None."""
        found: Any = self.content
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                return None
            found = found[key]
        return found


def read_report(models_dir: Path, metrics: Mapping[str, Any]) -> Report:
    """Read the report of a folder of artefacts; `metrics` are its manifest's. Raises json.JSONDecodeError."""
    path = models_dir / FILE_NAME
    if path.is_file():
        return Report(FILE_NAME, json.loads(path.read_text("utf-8")))
    encoder = metrics.get("encoder")
    told = encoder if isinstance(encoder, Mapping) else {}
    return Report(
        "the manifest (one training, groups held out whole)",
        {
            "intent": {"macro_f1": told.get("intent_macro_f1")},
            "calibration": {"intent_ece": told.get("intent_ece"), "right_ece": told.get("right_ece")},
        },
    )
