"""Drives one request: performs what `failover` says, forwards events, and tells everybody who should know.

route ──> decided ──> attempt ──events──> client
                        │ fails before its first token
                        └──> switched ──> next attempt ... ──> finished, or one error
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from opentelemetry import trace

from pointsman import errors
from pointsman import telemetry_names as names
from pointsman.config.catalogue import Model
from pointsman.llm.v1.generation_pb2 import GenerationFinished, Usage
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest as ProviderRequest
from pointsman.router.v1 import router_service_pb2 as pb
from services.router import failover
from services.router.attempt import Attempt
from services.router.attempt_span import describe_attempt
from services.router.budget import Budget, tells_of_the_model
from services.router.candidates import Candidate
from services.router.config import InForce
from services.router.fleet import Fleet
from services.router.journal import Journal
from services.router.messages import to_duration, to_ref
from services.router.recent import Recent
from services.router.repeats import Repeats
from services.router.report import Reporter
from services.router.route import Routed, Router, no_candidate
from services.router.sessions import Sessions
from services.router.shadow import Shadows, within
from services.runtime import tracing
from services.runtime.clock import Clock

Send = Callable[[pb.GenerateResponse], Awaitable[None]]
RETRY_AFTER_S = 0.5
# The provider's call has the same deadline and tells more when it passes; this long after it, it is the client that holds us up.
UNREAD_S = 0.5


@dataclass(frozen=True, slots=True)
class Memory:
    """What a router remembers of requests past: who answered a session, what was asked again, what was decided."""

    sessions: Sessions
    repeats: Repeats
    recent: Recent


class Generator:
    """Answers requests, `max_in_flight` at a time."""

    def __init__(
        self,
        in_force: InForce,
        router: Router,
        fleet: Fleet,
        reporter: Reporter,
        shadows: Shadows,
        memory: "Memory",
        clock: Clock,
    ) -> None:
        self._in_force = in_force
        self._router = router
        self._fleet = fleet
        self._reporter = reporter
        self._shadows = shadows
        self._memory = memory
        self._clock = clock
        self.in_flight = 0

    async def run(
        self, request: pb.GenerateRequest | pb.CompleteRequest, remaining_s: float | None, send: Send
    ) -> None:
        """Answers through `send`, frame by frame; raises the one error that the client should see.

        `remaining_s` is the time that the client gives, None where it sets no deadline.
        """
        limits = self._in_force.config.limits
        if self.in_flight >= limits.max_in_flight:
            raise errors.Overloaded(
                f"{limits.max_in_flight} requests are in flight, the limit", retry_after_s=RETRY_AFTER_S
            )
        self.in_flight += 1
        try:
            began_s = self._clock.monotonic()
            given_s, remaining_s = remaining_s, limits.default_deadline_s if remaining_s is None else remaining_s
            with tracing.span(names.ROUTE_SPAN, trace.SpanKind.INTERNAL, {}) as span:
                routed = await self._router.route(request, remaining_s)
                routed.describe(span)
                budget = Budget(began_s + remaining_s, limits.max_attempts)
                # gRPC ends a call at the client's deadline; without one nobody else ends a call that the client does not read.
                own_s = None if given_s is not None else budget.remaining_s(self._clock.monotonic()) + UNREAD_S
                await _Generation(self, routed, request, budget, began_s, send).run(span, own_s)
        finally:
            self.in_flight -= 1


class _Generation:
    """One request on its way."""

    def __init__(
        self,
        generator: Generator,
        routed: Routed,
        request: pb.GenerateRequest | pb.CompleteRequest,
        budget: Budget,
        began_s: float,
        send: Send,
    ) -> None:
        self._limits = generator._in_force.config.limits
        self._fleet = generator._fleet
        self._reporter = generator._reporter
        self._shadows = generator._shadows
        self._memory = generator._memory
        self._clock = generator._clock
        self._routed = routed
        self._request = request
        self._budget = budget
        self._send = send
        self._sequence = 0
        self._delivered = False
        self._first_token_s = 0.0
        self._snapshot = self._reporter.recorded(routed.snapshot)
        self._journal = Journal(
            routed, self._clock, began_s, snapshot_id=self._snapshot.id, retry_of=self._retry_of(request)
        )

    def _retry_of(self, request: pb.GenerateRequest | pb.CompleteRequest) -> str:
        constraints = request.constraints
        return self._memory.repeats.earlier(
            f"{constraints.tenant}\0{constraints.session_key}",
            request.prompt.SerializeToString(),
            self._routed.request_id,
            self._clock.monotonic(),
        )

    async def run(self, span: trace.Span, own_s: float | None) -> None:
        """Answers, within `own_s` seconds where they are given, and reports what became of it."""
        outcome: errors.PointsmanError | None = None
        copies = self._shadows.start(self._routed, self._request, self._journal) if self._routed.choice.shadows else []
        try:
            async with asyncio.timeout(own_s):
                await self._answer(span)
        except TimeoutError:
            outcome = errors.DeadlineExceeded(
                "the answer was not read within the time that a request without a deadline has"
            )
            raise outcome from None
        except errors.PointsmanError as error:
            outcome = error
            raise
        finally:
            record = self._journal.close(outcome)
            span.set_attributes({names.ATTEMPTS: len(record.attempts), names.COST_MICROS: record.cost_micros})
            self._memory.recent.add(record, self._snapshot)
            self._shadows.after(copies, lambda: self._reporter.put(record, self._snapshot))

    async def _answer(self, span: trace.Span) -> None:
        """Goes from attempt to attempt until one ends whole or none is left."""
        ranked = self._routed.decision.ranked
        if not ranked:
            raise no_candidate(self._routed.decision)
        state, action = failover.begin([candidate.model.reference for candidate in ranked])
        while True:
            match action:
                case failover.TryModel(index):
                    model = ranked[index].model
                    failed = await self._attempt(ranked[index], others=len(state.failures) + 1 < len(ranked))
                    if failed is None:
                        return
                    now_s = self._clock.monotonic()
                    state, action = failover.attempt_failed(
                        state,
                        failover.Failure(index, model.reference, failed),
                        delivered=self._delivered,
                        attempts_left=self._budget.attempts,
                        seconds_left=self._budget.remaining_s(now_s),
                    )
                    if isinstance(action, failover.TryModel):
                        await self._switch(model, ranked[action.candidate].model, failed, span)
                case failover.GiveUp(error):
                    raise error
                case unreachable:
                    assert_never(unreachable)

    async def _attempt(self, candidate: Candidate, *, others: bool) -> errors.PointsmanError | None:
        """Calls one model and forwards what it says; returns the error of an attempt that failed."""
        limits, model = self._limits, candidate.model
        now_s = self._clock.monotonic()
        first_token_s = self._budget.first_token_limit_s(now_s, limits.first_token_timeout_s, others=others)
        self._budget = self._budget.spend_attempt()
        attributes = {
            names.OPERATION_NAME: names.ATTEMPT_OPERATION,
            names.PROVIDER_NAME: model.provider,
            names.REQUEST_MODEL: model.name,
            names.REQUEST_STREAM: True,
            names.ATTEMPT: limits.max_attempts - self._budget.attempts,
        }
        with tracing.span(f"{names.ATTEMPT_OPERATION} {model.name}", trace.SpanKind.CLIENT, attributes) as span:
            attempt = Attempt(
                self._fleet.provider(model.provider),
                ProviderRequest(
                    request_id=self._routed.request_id,
                    model=model.name,
                    prompt=self._request.prompt,
                    sampling=within(self._request.sampling, model),
                ),
                timeout_s=self._budget.remaining_s(now_s),
                first_token_s=first_token_s,
                stall_s=limits.stall_timeout_s,
            )
            ended = False
            self._fleet.begin(model.reference)
            try:
                if not self._sequence:
                    # Only now, so that the provider is already at work while the client is told.
                    await self._forward(pb.GenerateResponse(decided=self._routed.message()))
                finished = await self._stream(attempt)
                ended = True
                self._journal.succeeded(model, attempt, finished.usage)
                self._observe(model, attempt, finished.usage.output_tokens, failed=False)
                self._remember(model, finished.usage)
                describe_attempt(span, model, attempt, finished)
                finished.usage.time_to_first_token.CopyFrom(to_duration(self._first_token_s))
                finished.usage.total_time.CopyFrom(to_duration(self._journal.elapsed_s))
                await self._forward(pb.GenerateResponse(event={"finished": finished}))
                await attempt.end()
                return None
            except errors.PointsmanError as error:
                ended = True
                if isinstance(error, errors.ProviderSilent) and not tells_of_the_model(
                    first_token_s, limits.first_token_timeout_s, candidate.expected_first_token_s
                ):
                    self._journal.cancelled(model, attempt)
                    self._fleet.let_go(model.reference)
                else:
                    self._journal.failed(model, attempt, error)
                    # A model is not less reliable because a request does not suit it.
                    if isinstance(error, errors.CallerError):
                        self._fleet.let_go(model.reference)
                    else:
                        self._observe(
                            model, attempt, attempt.tokens, failed=True, retry_after_s=error.retry_after_s or 0.0
                        )
                tracing.fail(span, error.reason.value)
                return error
            finally:
                if not ended:
                    self._journal.cancelled(model, attempt)
                    self._fleet.let_go(model.reference)
                attempt.close()

    async def _stream(self, attempt: Attempt) -> GenerationFinished:
        """Forwards everything up to the last event, and returns that."""
        while True:
            event = await attempt.next_event()
            if event.WhichOneof("event") == "finished":
                return event.finished
            if not self._delivered:
                self._delivered = True
                self._first_token_s = self._journal.elapsed_s
            await self._forward(pb.GenerateResponse(event=event))

    async def _forward(self, frame: pb.GenerateResponse) -> None:
        self._sequence += 1
        frame.sequence = self._sequence
        await self._send(frame)

    async def _switch(self, failed: Model, following: Model, error: errors.PointsmanError, span: trace.Span) -> None:
        span.add_event("switch", {names.SWITCH_REASON: error.reason.value, names.SWITCH_KEPT_CHARACTERS: 0})
        switch = pb.ModelSwitch(from_model=to_ref(failed), to_model=to_ref(following), reason=error.reason.value)
        await self._forward(pb.GenerateResponse(switched=switch))

    def _remember(self, model: Model, usage: Usage) -> None:
        """The session's next prompt begins with this one and its answer, which the provider may have cached."""
        tokens = usage.input_tokens + usage.output_tokens
        session = self._routed.asked.session
        self._memory.sessions.served(session, model.reference, tokens, self._clock.monotonic())

    def _observe(
        self, model: Model, attempt: Attempt, output_tokens: int, *, failed: bool, retry_after_s: float = 0.0
    ) -> None:
        self._fleet.observe(
            model.reference,
            failed=failed,
            first_token_s=attempt.first_token_s,
            tokens_per_second=attempt.tokens_per_second(output_tokens),
            retry_after_s=retry_after_s,
        )
