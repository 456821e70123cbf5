"""Chooses how to ask a Claude model for more or less thought, in the form that the model takes.

                 low, medium, high                          none
newer models     thinking: adaptive, output_config.effort   thinking: disabled, or the lowest effort
older models     thinking: enabled, with a token budget     thinking: disabled

Source: Anthropic's guides "Thinking" and "Effort". What a model takes is in the API's own list of models.
"""

from dataclasses import dataclass
from typing import Self, cast

from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.http_health import ModelJson
from services.providers.prompt_json import JsonObject

EFFORTS = {
    generation.REASONING_EFFORT_NONE: "low",
    generation.REASONING_EFFORT_LOW: "low",
    generation.REASONING_EFFORT_MEDIUM: "medium",
    generation.REASONING_EFFORT_HIGH: "high",
}
BUDGET_TOKENS = {
    generation.REASONING_EFFORT_LOW: 1_024,
    generation.REASONING_EFFORT_MEDIUM: 4_096,
    generation.REASONING_EFFORT_HIGH: 16_384,
}
MIN_BUDGET_TOKENS = 1_024


@dataclass(frozen=True, slots=True)
class ThinkingSupport:
    """Which forms a model takes; those of the newer models until the API's list says otherwise."""

    adaptive: bool = True
    budget: bool = False
    disabled: bool = True
    effort: bool = True

    @classmethod
    def of(cls, model: ModelJson) -> Self:
        """Reads a model of the API's list; an API that says nothing of capabilities leaves the defaults."""
        capabilities = model.get("capabilities")
        if not capabilities:
            return cls()
        types = capabilities.get("thinking", {}).get("types", {})
        return cls(
            adaptive=types.get("adaptive", {}).get("supported", False),
            budget=types.get("enabled", {}).get("supported", False),
            disabled=types.get("disabled", {}).get("supported", True),
            effort=capabilities.get("effort", {}).get("supported", False),
        )


def add_thinking(request: GenerateRequest, support: ThinkingSupport, body: JsonObject) -> None:
    """Adds what `sampling.reasoning_effort` asks for, as far as the rest of the request lets the model think."""
    effort = request.sampling.reasoning_effort
    if effort == generation.REASONING_EFFORT_NONE and support.disabled:
        body["thinking"] = {"type": "disabled"}
        return
    if support.effort:
        output_config = cast(JsonObject, body.setdefault("output_config", {}))
        output_config["effort"] = EFFORTS[effort]
    # A tool that must be called leaves no room to think.
    if effort == generation.REASONING_EFFORT_NONE or request.prompt.tool_choice.mode == pb.ToolChoice.MODE_REQUIRED:
        return
    if support.adaptive:
        # Newer models keep their thoughts to themselves unless asked for a summary.
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
    elif support.budget and not _answers_tools(request.prompt):
        budget = min(BUDGET_TOKENS[effort], cast(int, body["max_tokens"]) // 2)
        if budget >= MIN_BUDGET_TOKENS:
            body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _answers_tools(prompt: pb.Prompt) -> bool:
    # With a budget, the API wants the thoughts before a tool call back with its result; a prompt does not hold them.
    return bool(prompt.turns) and prompt.turns[-1].role == pb.ROLE_TOOL
