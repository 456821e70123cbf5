"""A mesh of two scripted providers, of which the first is far better; each model's behaviour is the test's to write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

AT_ONCE = {"first_token_s": 0, "tokens_per_second": None}


def write_two_providers(folder: Path, first: Mapping[str, Any], second: Mapping[str, Any], **sections: Any) -> Path:
    """Writes the configuration and both scenarios; returns the configuration's path."""
    providers, models = {}, []
    for name, behaviour, quality in (("first", first, 0.95), ("second", second, 0.3)):
        scenario = {"version": 1, "default": AT_ONCE | dict(behaviour)}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(scenario))
        providers[name] = {"kind": "scripted", "scenario": f"{name}.yaml"}
        models.append(
            {"provider": name, "model": "m", "quality": quality, "context_tokens": 8_000}
            | {"price": {"input": 1, "output": 2}}
        )
    path = folder / "mesh.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "providers": providers, "models": models} | sections))
    return path
