"""The bytes of two APIs, as the wall says them: OpenAI's chat completions and Anthropic's Messages, both streaming.

Sources: OpenAI, "Streaming events" of chat completions and "Error codes"; Anthropic, "Streaming Messages" and "Errors".
"""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic_core import to_json

from tests.contract.http_harness import anthropic_frame, openai_frame

Json = Mapping[str, Any]
PROMPT_TOKENS = 9


class Speech(Protocol):
    """One API's way to say the same things."""

    # The kind of provider that speaks it, and what is behind its base URL.
    kind: str
    path: str

    def opening(self) -> bytes:
        """What comes before the first text."""
        ...

    def text(self, text: str) -> bytes:
        """One piece of text."""
        ...

    def ending(self, output_tokens: int | None) -> bytes:
        """Why the model stopped, with the usage where it is given."""
        ...

    def mark(self) -> bytes:
        """The end marker."""
        ...

    def error(self, name: str, message: str) -> bytes:
        """An error event in the middle of a stream."""
        ...

    def error_body(self, name: str, message: str) -> bytes:
        """The body of an answer that is an error."""
        ...


class OpenAi:
    """Chat completions."""

    kind = "openai_http"
    path = "/v1/chat/completions"

    def opening(self) -> bytes:
        return openai_frame({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})

    def text(self, text: str) -> bytes:
        return openai_frame({"choices": [{"index": 0, "delta": {"content": text}}]})

    def ending(self, output_tokens: int | None) -> bytes:
        said = openai_frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if output_tokens is None:
            return said
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": output_tokens}
        return said + openai_frame({"choices": [], "usage": usage | {"total_tokens": PROMPT_TOKENS + output_tokens}})

    def mark(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, name: str, message: str) -> bytes:
        return openai_frame(_openai_error(name, message))

    def error_body(self, name: str, message: str) -> bytes:
        return to_json(_openai_error(name, message))


class Anthropic:
    """Messages."""

    kind = "anthropic_http"
    path = "/v1/messages"

    def opening(self) -> bytes:
        usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": 1}
        return anthropic_frame("message_start", message={"role": "assistant", "content": [], "usage": usage}) + (
            anthropic_frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
        )

    def text(self, text: str) -> bytes:
        return anthropic_frame("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def ending(self, output_tokens: int | None) -> bytes:
        usage = {} if output_tokens is None else {"usage": {"output_tokens": output_tokens}}
        stopped = anthropic_frame("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, **usage)
        return anthropic_frame("content_block_stop", index=0) + stopped

    def mark(self) -> bytes:
        return anthropic_frame("message_stop")

    def error(self, name: str, message: str) -> bytes:
        return anthropic_frame("error", error={"type": name, "message": message})

    def error_body(self, name: str, message: str) -> bytes:
        return to_json({"type": "error", "error": {"type": name, "message": message}})


# By the name of the provider in the mesh.
SPEECHES: Mapping[str, Speech] = {"openai": OpenAi(), "anthropic": Anthropic()}


def _openai_error(name: str, message: str) -> Json:
    return {"error": {"message": message, "type": name, "code": name}}


def prefix_in(body: Json) -> str:
    """What a request asks to go on from: an assistant's message at the end."""
    last = body["messages"][-1]
    return str(last["content"]) if last["role"] == "assistant" else ""


def words(text: str) -> list[str]:
    """A text in the pieces in which it is said, one a token: words with the white space behind them."""
    parts = text.split(" ")
    return [part + " " for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
