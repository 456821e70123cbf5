"""The simulated commercial APIs of the demonstration: which models they have, how fast they are, what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

PROMPTS = Path(__file__).with_name("prompts.yaml")
# Sent by the mesh and checked by the simulators; not a secret.
SIMULATED_KEY = "simulated-key"


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt of the demonstration, the simulated answer to it, and the policy asked for; empty is the mesh's own."""

    prompt: str
    answer: str
    policy: str


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """One model's pace: milliseconds to its first token, tokens per second from then on."""

    name: str
    first_token_ms: int
    tokens_per_second: int


OPENAI = (SimulatedModel("gpt-5-mini", 140, 160), SimulatedModel("gpt-5", 320, 90))
ANTHROPIC = (SimulatedModel("claude-haiku-4-5", 120, 170), SimulatedModel("claude-sonnet-4-5", 260, 110))


def read_prompts() -> list[Asked]:
    """Reads prompts.yaml."""
    entries = yaml.safe_load(PROMPTS.read_text(encoding="utf-8"))
    return [Asked(entry["prompt"], entry["answer"], entry.get("policy", "")) for entry in entries]


def fixtures(models: Sequence[SimulatedModel], asked: Sequence[Asked]) -> list[Mapping[str, object]]:
    """What aimock should answer, in its own format: every prompt by every model, at that model's pace."""
    return [
        {
            "match": {"userMessage": one.prompt, "model": model.name},
            "response": {"content": one.answer},
            "streamingProfile": {"ttft": model.first_token_ms, "tps": model.tokens_per_second, "jitter": 0.1},
        }
        for model in models
        for one in asked
    ]
