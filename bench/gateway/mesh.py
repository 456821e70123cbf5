"""Starts the mesh of the benchmark: one provider of kind openai_http before the paced upstream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from pointsman.config.load import load_config
from pointsman.supervisor.supervisor import Supervisor


@asynccontextmanager
async def run_mesh(folder: Path, base_url: str, tier: str) -> AsyncIterator[Supervisor]:
    """All services as processes of their own, over Unix sockets in `folder`; `tier` is the classifier's."""
    models = [
        {
            "provider": "upstream",
            "model": name,
            "quality": 0.5,
            "context_tokens": 100_000,
            "price": {"input": 1, "output": 2},
        }
        for name in ("paced", "instant")
    ]
    config = {
        "version": 1,
        "classifier": {"tier": tier},
        "providers": {"upstream": {"kind": "openai_http", "base_url": base_url}},
        "models": models,
    }
    path = folder / f"{tier}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    async with Supervisor(load_config(path), folder / tier, drain_grace_s=1) as mesh:
        for report in await mesh.wait_ready():
            if report.condition.value != "serving":
                raise RuntimeError(f"{report.name} is {report.condition.value}: {report.detail}")
        yield mesh
