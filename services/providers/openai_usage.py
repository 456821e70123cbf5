"""Reads the token counts of chat completions APIs, which agree on the names but not on what the sums include."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from services.providers.contract import Usage

# The contract's counts are unsigned 32-bit numbers, and some are sums of three of these.
Count = Annotated[int, Field(ge=0, le=10**9)]


class PromptDetailsJson(TypedDict, total=False):
    cached_tokens: Count | None
    cache_write_tokens: Count | None


class CompletionDetailsJson(TypedDict, total=False):
    reasoning_tokens: Count | None


class UsageJson(TypedDict, total=False):
    prompt_tokens: Count | None
    completion_tokens: Count | None
    total_tokens: Count | None
    prompt_tokens_details: PromptDetailsJson | None
    completion_tokens_details: CompletionDetailsJson | None
    # DeepSeek's older name for cached tokens.
    prompt_cache_hit_tokens: Count | None


def read_usage(usage: UsageJson | None) -> Usage | None:
    """The counts; None where the server gave none, or only zeros, as simulators and some gateways do."""
    if not usage:
        return None
    input_tokens, output_tokens = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    if not input_tokens and not output_tokens:
        return None
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    reasoning_tokens = completion.get("reasoning_tokens") or 0
    # xAI and Google count reasoning beside the completion, not in it; only the total tells.
    if reasoning_tokens and usage.get("total_tokens") == input_tokens + output_tokens + reasoning_tokens:
        output_tokens += reasoning_tokens
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_input_tokens=prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0,
        cache_write_input_tokens=prompt.get("cache_write_tokens") or 0,
        reasoning_output_tokens=reasoning_tokens,
    )
