"""The mesh that is soaked: real processes, scripted providers of which most fail in every way that there is."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from pointsman.config.load import load_config
from pointsman.supervisor.supervisor import Supervisor

TOKENS = 60
# Every model says the same, so that any seam shows; nothing is said twice, as that would look like a model's repeat at a seam.
ANSWER = "".join(f"{'train' if number % 2 else 'point'}{number} " for number in range(TOKENS))
FAULTS: list[Mapping[str, Any]] = [
    {"error": "PROVIDER_RATE_LIMITED", "retry_after_s": 0.05},
    {"error": "PROVIDER_RATE_LIMITED"},
    {"error": "PROVIDER_UNAVAILABLE"},
    {"error": "PROVIDER_UNREACHABLE"},
    {"error": "PROVIDER_PROTOCOL", "after_tokens": 10},
    {"error": "PROVIDER_UNAVAILABLE", "after_tokens": 25},
    {"cut_after_tokens": 0},
    {"cut_after_tokens": 7},
    {"cut_after_tokens": 40},
    {"stall_after_tokens": 0},
    {"stall_after_tokens": 20},
    {"slow_after_tokens": 10, "slow_tokens_per_second": 2.0},
    {"without_usage": True},
]
# Name, share of faults, whether it goes on from a prefix.
PROVIDERS = [("ada", 0.2, True), ("bob", 0.2, False), ("cleo", 0.2, True), ("dora", 0.05, False)]


@asynccontextmanager
async def run_mesh(folder: Path) -> AsyncIterator[Supervisor]:
    """All services as processes of their own, over Unix sockets in `folder`."""
    for seed, (name, share, _) in enumerate(PROVIDERS):
        model = {
            "answer": ANSWER,
            "first_token_s": 0.02,
            "tokens_per_second": 200.0,
            "chaos": {"share": share, "seed": seed, "behaviours": FAULTS},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"version": 1, "default": model}), encoding="utf-8")
    config = {
        "version": 1,
        "limits": {
            "max_attempts": 6,
            "first_token_timeout_s": 0.5,
            "stall_timeout_s": 0.5,
            "slow_tokens_per_second": 20.0,
            "slow_window_s": 0.5,
            "resume_s": 5.0,
        },
        "policies": {"balanced": {"success_value": 0.01, "second_value": 0.001, "hedge": 0.05, "explore": 0.1}},
        "providers": {name: {"kind": "scripted", "scenario": f"{name}.yaml"} for name, _, _ in PROVIDERS},
        "models": [
            {
                "provider": name,
                "model": "m",
                "quality": 0.8,
                "context_tokens": 100_000,
                "price": {"input": 1, "output": 2},
                "capabilities": ["continue_from_prefix"] if continues else [],
                "first_token_s": 0.05,
            }
            for name, _, continues in PROVIDERS
        ],
    }
    path = folder / "mesh.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    async with Supervisor(load_config(path), folder / "run", drain_grace_s=1) as mesh:
        for report in await mesh.wait_ready():
            if report.condition.value != "serving":
                raise RuntimeError(f"{report.name} is {report.condition.value}: {report.detail}")
        yield mesh
