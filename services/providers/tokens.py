"""Counts tokens where a provider does not say, roughly; whatever is counted here is flagged as estimated."""

from pointsman.llm.v1.prompt_pb2 import Prompt

# English prose has about four characters a token in the vocabularies in use (OpenAI's own rule of thumb).
CHARACTERS_PER_TOKEN = 4
LONGEST_TOKEN_CHARACTERS = 16


def estimate_tokens(text: str) -> int:
    """A rough count, at least 1 for any text."""
    return max(1, round(len(text) / CHARACTERS_PER_TOKEN)) if text else 0


def estimate_piece_tokens(text: str) -> int:
    """A rough count for one piece of a stream: most APIs send a token a piece, and few tokens are longer than this."""
    return 1 if len(text) <= LONGEST_TOKEN_CHARACTERS else round(len(text) / CHARACTERS_PER_TOKEN)


def estimate_prompt_tokens(prompt: Prompt) -> int:
    """A rough count of everything that a model reads, tools included."""
    characters = sum(
        len(part.text) + len(part.tool_call.arguments_json) + len(part.tool_result.content)
        for turn in prompt.turns
        for part in turn.parts
    ) + sum(len(tool.description) + len(tool.parameters_json_schema) for tool in prompt.tools)
    return max(1, round(characters / CHARACTERS_PER_TOKEN))
