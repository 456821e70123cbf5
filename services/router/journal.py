"""Writes down one request: the record that telemetry gets, and what each attempt used and cost."""

from google.protobuf.timestamp_pb2 import Timestamp

from pointsman import errors
from pointsman.config.catalogue import Model
from pointsman.llm.v1.generation_pb2 import Usage
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.router.attempt import Attempt
from services.router.messages import to_duration, to_ref
from services.router.recording import to_features
from services.router.route import Routed
from services.runtime import tracing
from services.runtime.clock import Clock


class Journal:
    """Collects attempts while a request runs; `close` gives the record. Times are seconds since the request began."""

    def __init__(self, routed: Routed, clock: Clock, began_s: float, *, snapshot_id: str, retry_of: str) -> None:
        self._clock = clock
        self._began_s = began_s
        judgement = routed.asked.judgement
        self._input_tokens = judgement.input_tokens
        start = Timestamp()
        start.FromNanoseconds(int((clock.wall_time() - self.elapsed_s) * 1e9))
        self.record = pb.RequestRecord(
            request_id=routed.request_id,
            trace_id=tracing.trace_id(),
            start_time=start,
            policy=routed.policy.name,
            intent=judgement.intent,
            complexity=routed.decision.complexity,
            decision_time=to_duration(self.elapsed_s),
            decision_reason=routed.decision.reason,
            config_revision=routed.revision,
            decision=to_features(routed.asked, routed.choice, snapshot_id),
            retry_of=retry_of,
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request came in."""
        return self._clock.monotonic() - self._began_s

    def succeeded(self, model: Model, attempt: Attempt, usage: Usage) -> None:
        """An attempt that ended whole; sets the cost in `usage`, at the price in force."""
        usage.cost_micros = _cost(model, usage)
        self._add(model, attempt, usage, pb.Attempt.OUTCOME_SUCCEEDED, "")

    def failed(self, model: Model, attempt: Attempt, error: errors.PointsmanError) -> None:
        """An attempt that failed; what it delivered is paid for, as far as anybody can tell."""
        self._add(model, attempt, self._used(model, attempt), pb.Attempt.OUTCOME_FAILED, error.reason.value)

    def cancelled(self, model: Model, attempt: Attempt, *, hedge: bool = False) -> None:
        """An attempt that the caller ended, by a cancel or by giving it less time than it takes; or that lost to its `hedge`."""
        self._add(model, attempt, self._used(model, attempt), pb.Attempt.OUTCOME_CANCELLED, "")
        self.record.attempts[-1].hedge = hedge

    def close(self, error: errors.PointsmanError | None) -> pb.RequestRecord:
        """The whole record; `error` is what the client received."""
        self.record.total_time.CopyFrom(to_duration(self.elapsed_s))
        self.record.cost_micros = sum(attempt.usage.cost_micros for attempt in self.record.attempts)
        self.record.error_reason = error.reason.value if error else ""
        return self.record

    def shadowed(
        self, model: Model, attempt: Attempt, usage: Usage | None, reason: str, *, experiment: str, answer: str
    ) -> None:
        """A copy's attempt that nobody received: with its usage where it ended whole, `reason` where it failed."""
        outcome = pb.Attempt.OUTCOME_FAILED if reason else pb.Attempt.OUTCOME_CANCELLED
        if usage is None:
            usage = self._used(model, attempt)
        else:
            outcome = pb.Attempt.OUTCOME_SUCCEEDED
            usage.cost_micros = _cost(model, usage)
        entry = self.record.shadows.add(experiment=experiment, answer_text=answer)
        self._fill(entry, model, attempt, usage, outcome, reason)

    def _used(self, model: Model, attempt: Attempt) -> Usage:
        """Without a first token nothing is charged; after it, the prompt and what came."""
        if attempt.first_token_s is None:
            return Usage(estimated=True)
        return Usage(
            input_tokens=self._input_tokens,
            output_tokens=attempt.tokens,
            cost_micros=model.price.cost_micros(self._input_tokens, attempt.tokens),
            estimated=True,
        )

    def _add(self, model: Model, attempt: Attempt, usage: Usage, outcome: pb.Attempt.Outcome, reason: str) -> None:
        self._fill(self.record.attempts.add(), model, attempt, usage, outcome, reason)

    def _fill(
        self,
        entry: pb.Attempt,
        model: Model,
        attempt: Attempt,
        usage: Usage,
        outcome: pb.Attempt.Outcome,
        reason: str,
    ) -> None:
        entry.model.CopyFrom(to_ref(model))
        entry.start_offset.CopyFrom(to_duration(max(0.0, self.elapsed_s - attempt.total_s)))
        entry.usage.CopyFrom(usage)
        entry.outcome = outcome
        entry.error_reason = reason
        entry.tokens_per_second = attempt.tokens_per_second(usage.output_tokens) or 0.0
        entry.usage.total_time.CopyFrom(to_duration(attempt.total_s))
        entry.usage.ClearField("time_to_first_token")
        if attempt.first_token_s is not None:
            entry.usage.time_to_first_token.CopyFrom(to_duration(attempt.first_token_s))


def _cost(model: Model, usage: Usage) -> int:
    """At the price in force when it was decided."""
    return model.price.cost_micros(
        usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens
    )
