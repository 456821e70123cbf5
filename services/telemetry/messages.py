"""The window's picture and what was learned, as protobuf; what a watcher reads."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.telemetry.knowledge import Key, Learned
from services.telemetry.records import ModelKey
from services.telemetry.sketch import Sketch
from services.telemetry.tally import Tally
from services.telemetry.window import Picture

SHARES = (0.1, 0.5, 0.9, 0.99)


def to_tick(picture: Picture, wall_time_s: float) -> pb.WatchStatsResponse:
    """One tick; `window` is the time that the figures cover, which is short after a start."""
    end, window = Timestamp(), Duration()
    end.FromNanoseconds(int(wall_time_s * 1e9))
    window.FromNanoseconds(int(picture.covered_s * 1e9))
    models = [_stats(key, tally) for key, tally in sorted(picture.models.items())]
    return pb.WatchStatsResponse(window_end_time=end, window=window, models=models)


def to_learned(key: Key, learned: Learned) -> pb.LearnedAbility:
    """What was learned of one model and intent."""
    (provider, model), intent = key
    return pb.LearnedAbility(
        model=ModelRef(provider=provider, model=model),
        intent=intent,
        offset=learned.offset,
        deviation=learned.deviation,
        weight=learned.weight,
        output_ratio=learned.output_ratio,
    )


def _stats(key: ModelKey, tally: Tally) -> pb.ModelStats:
    provider, model = key
    return pb.ModelStats(
        model=ModelRef(provider=provider, model=model),
        attempts=tally.attempts,
        failures=tally.failures,
        cancelled=tally.cancelled,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost_micros=tally.cost_micros,
        failures_by_reason=tally.failures_by_reason,
        first_token_seconds=_quantiles(tally.first_token_s),
        tokens_per_second=_quantiles(tally.tokens_per_second),
        total_seconds=_quantiles(tally.total_s),
    )


def _quantiles(sketch: Sketch) -> pb.Quantiles | None:
    """Unset where nothing was measured, so that nobody takes a 0 for a figure."""
    if not sketch.count:
        return None
    p10, p50, p90, p99 = sketch.quantiles(SHARES)
    return pb.Quantiles(p10=p10, p50=p50, p90=p90, p99=p99)
