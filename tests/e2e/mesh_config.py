"""A mesh of scripted providers, one of a real API without its key."""

import os
from pathlib import Path

CONFIG = """
version: 1
limits: {first_token_timeout_s: 10}
providers:
  small: {kind: scripted, scenario: scenario.yaml}
  large: {kind: scripted, scenario: scenario.yaml}
  openai: {kind: openai_http, api_key_env: OPENAI_API_KEY}
models:
  - {provider: small, model: tiny, quality: 0.4, context_tokens: 8000, price: {input: 0.05, output: 0.1}}
  - {provider: large, model: big, quality: 0.9, context_tokens: 200000, price: {input: 2, output: 8}}
  - {provider: openai, model: gpt, quality: 0.8, context_tokens: 400000, price: {input: 1, output: 4}}
"""
SCENARIO = """
version: 1
default: {answer: "Ice keeps the blades from moving.", first_token_s: 0, tokens_per_second: null}
models:
  big:
    answer: "Heaters keep the ice away."
    first_token_s: 0
    tokens_per_second: 400
"""


def write_config(folder: Path, config: str = CONFIG) -> Path:
    """Writes the configuration and its scenario; returns the configuration's path."""
    (folder / "scenario.yaml").write_text(SCENARIO)
    path = folder / "mesh.yaml"
    path.write_text(config)
    return path


def clean_environment(**more: str) -> dict[str, str]:
    """This process' environment without what would change a mesh."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("POINTSMAN_", "OTEL_")) and not key.endswith("_API_KEY")
    }
    return kept | more
