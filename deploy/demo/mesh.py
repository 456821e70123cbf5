"""Writes the demonstration's configuration: Triton with the small model, and two commercial APIs, simulated or real."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
CHAT_TEMPLATE = REPOSITORY / "deploy" / "triton" / "chat_template.jinja"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the providers are; a base URL of None is the real API."""

    triton: str
    openai: str | None
    anthropic: str | None


def write_config(path: Path, endpoints: Endpoints) -> None:
    """Writes the file that `pointsman up` reads."""
    path.write_text(yaml.safe_dump(_config(endpoints), sort_keys=False), encoding="utf-8")


def _config(endpoints: Endpoints) -> Mapping[str, object]:
    openai: dict[str, object] = {"kind": "openai_http", "api_key_env": "OPENAI_API_KEY", "health_interval_s": 2}
    anthropic: dict[str, object] = {
        "kind": "anthropic_http",
        "api_key_env": "ANTHROPIC_API_KEY",
        "health_interval_s": 2,
    }
    if endpoints.openai:
        openai["base_url"] = endpoints.openai
    else:
        openai["max_tokens_field"] = "max_completion_tokens"
    if endpoints.anthropic:
        anthropic["base_url"] = endpoints.anthropic
    return {
        "version": 1,
        "limits": {"first_token_timeout_s": 10},
        "providers": {
            "triton": {"kind": "triton", "url": endpoints.triton, "max_in_flight": 32, "health_interval_s": 2},
            "openai": openai,
            "anthropic": anthropic,
        },
        "models": [
            {
                "provider": "triton",
                "model": "tiny-chat",
                # It stands in for an open model of 8 billion parameters; its own three million know far less.
                "quality": 0.0,
                "context_tokens": 1024,
                "max_output_tokens": 160,
                "price": {"input": 0.02, "output": 0.04},
                "first_token_s": 0.1,
                "tokens_per_second": 150,
                "chat_template": str(CHAT_TEMPLATE),
                "capabilities": ["seed", "continue_from_prefix"],
            },
            _commercial("openai", "gpt-5-mini", 0.3, 160),
            _commercial("openai", "gpt-5", 0.5, 90),
            _commercial("anthropic", "claude-haiku-4-5", 0.3, 170),
            _commercial("anthropic", "claude-sonnet-4-5", 0.5, 110),
        ],
        # What an operator prefers comes before the score; where none of these can serve, the others do.
        "rules": [{"name": "a kind word", "when": {"intents": ["advice", "rewriting"]}, "use": ["anthropic/*"]}],
    }


def _commercial(provider: str, model: str, first_token_s: float, rate: float) -> Mapping[str, object]:
    """Prices and windows come from genai-prices, abilities are shipped."""
    return {
        "provider": provider,
        "model": model,
        "max_output_tokens": 1024,
        "first_token_s": first_token_s,
        "tokens_per_second": rate,
        "capabilities": ["tools"],
    }
