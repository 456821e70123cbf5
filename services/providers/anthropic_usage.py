"""Reads the token counts of the Anthropic Messages API, where cached input is counted beside the input, not in it."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from services.providers.contract import Usage

# The contract's counts are unsigned 32-bit numbers, and some are sums of three of these.
Count = Annotated[int, Field(ge=0, le=10**9)]


class OutputDetailsJson(TypedDict, total=False):
    thinking_tokens: Count | None


class UsageJson(TypedDict, total=False):
    input_tokens: Count | None
    output_tokens: Count | None
    cache_read_input_tokens: Count | None
    cache_creation_input_tokens: Count | None
    output_tokens_details: OutputDetailsJson | None


def read_usage(usage: UsageJson) -> Usage | None:
    """The counts; None where the server gave none, or only zeros, as simulators and some gateways do."""
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    input_tokens, output_tokens = (usage.get("input_tokens") or 0) + read + written, usage.get("output_tokens") or 0
    if not input_tokens and not output_tokens:
        return None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_input_tokens=read,
        cache_write_input_tokens=written,
        reasoning_output_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
    )
