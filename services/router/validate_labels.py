"""Checks what a request says of itself beside its prompt: who asks, what for, how private it is, how fast it has to be."""

import math
from collections.abc import Iterator

from google.protobuf.duration_pb2 import Duration

from pointsman.errors import FieldViolation
from pointsman.router.v1 import router_service_pb2 as pb

MAX_LABEL = 128
MAX_LABELS = 32
MAX_VALUE = 512
LONGEST_S = 86_400.0


def check_labels(constraints: pb.RoutingConstraints) -> Iterator[FieldViolation]:
    """Yields each fault. Labels are recorded with the decision, so they are bounded."""
    for name in ("tenant", "data_class"):
        yield from _text(f"constraints.{name}", getattr(constraints, name), MAX_LABEL)
    if len(constraints.tags) > MAX_LABELS:
        yield FieldViolation("constraints.tags", f"expected at most {MAX_LABELS}, found {len(constraints.tags)}")
    for index, tag in enumerate(constraints.tags[:MAX_LABELS]):
        yield from _text(f"constraints.tags[{index}]", tag, MAX_LABEL)
    if len(constraints.metadata) > MAX_LABELS:
        found = len(constraints.metadata)
        yield FieldViolation("constraints.metadata", f"expected at most {MAX_LABELS} entries, found {found}")
        return
    for name, value in sorted(constraints.metadata.items()):
        yield from _text("constraints.metadata", name, MAX_LABEL)
        yield from _text(f"constraints.metadata[{name[:MAX_LABEL]!r}]", value, MAX_VALUE)
    if constraints.HasField("max_first_token_time"):
        limit_s = seconds_of(constraints.max_first_token_time)
        if not 0 < limit_s <= LONGEST_S:
            told = f"expected above 0 and at most {LONGEST_S:g} seconds, found {limit_s:g}"
            yield FieldViolation("constraints.max_first_token_time", told)
    if constraints.HasField("min_tokens_per_second"):
        rate = constraints.min_tokens_per_second
        if not (math.isfinite(rate) and rate >= 0):
            yield FieldViolation("constraints.min_tokens_per_second", f"expected 0 or more, found {rate:g}")


def seconds_of(duration: Duration) -> float:
    """A google.protobuf.Duration in seconds."""
    return float(duration.seconds + duration.nanos / 1e9)


def _text(field: str, text: str, limit: int) -> Iterator[FieldViolation]:
    if len(text) > limit or not text.isprintable():
        yield FieldViolation(field, f"expected at most {limit} printable characters")
