"""What a trace tells of one attempt that ended whole."""

from opentelemetry import trace

from pointsman import telemetry_names as names
from pointsman.config.catalogue import Model
from pointsman.llm.v1.generation_pb2 import FinishReason, GenerationFinished
from services.router.attempt import Attempt


def describe_attempt(span: trace.Span, model: Model, attempt: Attempt, finished: GenerationFinished) -> None:
    """Writes what an attempt used, cost and how fast it was."""
    if not span.is_recording():
        return
    usage = finished.usage
    span.set_attributes(
        {
            names.RESPONSE_MODEL: model.name,
            names.RESPONSE_FINISH_REASONS: [_finish_name(finished.reason)],
            names.RESPONSE_TIME_TO_FIRST_CHUNK: attempt.first_token_s or 0.0,
            names.INPUT_TOKENS: usage.input_tokens,
            names.OUTPUT_TOKENS: usage.output_tokens,
            names.CACHE_READ_INPUT_TOKENS: usage.cache_read_input_tokens,
            names.REASONING_OUTPUT_TOKENS: usage.reasoning_output_tokens,
            names.TOKENS_PER_SECOND: attempt.tokens_per_second(usage.output_tokens) or 0.0,
            names.COST_MICROS: usage.cost_micros,
        }
    )


def _finish_name(reason: FinishReason) -> str:
    """In lower case; a newer provider may know reasons that this process does not."""
    known = reason in FinishReason.values()
    return FinishReason.Name(reason).removeprefix("FINISH_REASON_").lower() if known else str(int(reason))
