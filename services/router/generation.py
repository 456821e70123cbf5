"""Drives one request: performs what `failover` says, forwards what models say, and tells everybody who should know.

decided ──> attempt ──events──> client
              │ fails
              └──> switched ──> next attempt: afresh, going on, or aligned ──events──> client ... finished, or one error
"""

import asyncio
import random
from dataclasses import replace
from typing import NamedTuple, assert_never

from opentelemetry import trace

from pointsman import errors
from pointsman import telemetry_names as names
from pointsman.config.catalogue import Model
from pointsman.llm.v1.generation_pb2 import FINISH_REASON_LENGTH, GenerationEvent, GenerationFinished, Usage
from pointsman.router.v1 import router_service_pb2 as pb
from services.router import failover
from services.router.asking import Request, provider_request, seam, switch_mode, track, used_up
from services.router.attempt import Attempt
from services.router.attempt_span import describe_attempt
from services.router.budget import SHARE_OF_TIME, Budget, tells_of_the_model
from services.router.candidates import Candidate
from services.router.delivery import Delivery, Send
from services.router.failover import How
from services.router.gate import Gate
from services.router.hedge import BothFailedError, Won, race
from services.router.journal import Journal
from services.router.messages import to_duration, to_ref
from services.router.route import Routed, no_candidate
from services.router.seam import Diverged, Fresh
from services.router.workings import Workings
from services.runtime import tracing

FULL_RETRY_AFTER_S = 1.0


class _Hedged(NamedTuple):
    """Who speaks of two, its first event, what failed or was beaten; `error` where neither spoke, and then it is the first one's."""

    place: int
    attempt: Attempt
    event: GenerationEvent | None
    failures: list[failover.Failure]
    error: errors.PointsmanError | None


class Generation:
    """One request on its way."""

    def __init__(
        self, workings: Workings, routed: Routed, request: Request, budget: Budget, began_s: float, send: Send
    ) -> None:
        self._limits = workings.in_force.config.limits
        self._workings = workings
        self._fleet = workings.fleet
        self._clock = workings.clock
        self._routed = routed
        self._request = request
        self._budget = budget
        self._delivery = Delivery(send)
        self._first_token_s = 0.0
        self._snapshot = workings.reporter.recorded(routed.snapshot)
        self._journal = Journal(
            routed, self._clock, began_s, snapshot_id=self._snapshot.id, retry_of=self._retry_of(request)
        )

    def _retry_of(self, request: Request) -> str:
        constraints = request.constraints
        return self._workings.memory.repeats.earlier(
            f"{constraints.tenant}\0{constraints.session_key}",
            request.prompt.SerializeToString(),
            self._routed.request_id,
            self._clock.monotonic(),
        )

    async def run(self, span: trace.Span, own_s: float | None) -> None:
        """Answers, within `own_s` seconds where they are given, and reports what became of it."""
        outcome: errors.PointsmanError | None = None
        reporter, shadows = self._workings.reporter, self._workings.shadows
        copies = shadows.start(self._routed, self._request, self._journal) if self._routed.choice.shadows else []
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
            self._workings.memory.recent.add(record, self._snapshot)
            shadows.after(copies, lambda: reporter.put(record, self._snapshot))

    async def _answer(self, span: trace.Span) -> None:
        """Goes from attempt to attempt until one ends whole or none is left."""
        ranked = self._routed.decision.ranked
        if not ranked:
            raise no_candidate(self._routed.decision)
        state, action = failover.begin([track(candidate) for candidate in ranked])
        while True:
            match action:
                case failover.TryModel(_, how) if used_up(self._request, how, self._delivery):
                    await self._end_at_limit()
                    return
                case failover.TryModel(index, how, after_s):
                    if after_s:
                        await asyncio.sleep(after_s)
                    others = len(state.failures) + 1 < len(ranked)
                    rival = self._rival(state, index, how)
                    failures = await self._admitted(index, how, others=others, rival=rival)
                    if not failures:
                        return
                    for failure in failures:
                        state, action = failover.attempt_failed(state, failure, self._position())
                    if isinstance(action, failover.TryModel):
                        await self._switch(failures[-1], action, span)
                case failover.GiveUp(error):
                    raise error
                case unreachable:
                    assert_never(unreachable)

    async def _end_at_limit(self) -> None:
        """All that the caller asked for is there; only the model's own end of it was lost."""
        usage = Usage(output_tokens=self._delivery.tokens, estimated=True)
        usage.input_tokens = self._routed.asked.judgement.input_tokens
        self._delivery.join(Fresh(), None)
        await self._finish(GenerationFinished(reason=FINISH_REASON_LENGTH, usage=usage), 0)

    def _position(self) -> failover.Position:
        delivery, constraints = self._delivery, self._request.constraints
        spent = sum(attempt.usage.cost_micros for attempt in self._journal.record.attempts)
        left = None
        if constraints.HasField("max_cost_micros"):
            left = max(0, constraints.max_cost_micros - spent)
        return failover.Position(
            attempts_left=self._budget.attempts,
            seconds_left=self._budget.remaining_s(self._clock.monotonic()),
            cost_left_micros=left,
            delivered_text=delivery.has_text,
            delivered_call=delivery.called,
            structured=self._request.prompt.output_format.WhichOneof("format") is not None,
            mode=switch_mode(self._request),
            switch_on_refusal=self._routed.policy.switch_on_refusal,
            jitter=random.random(),  # noqa: S311
            resting=frozenset(
                index for index, c in enumerate(self._routed.decision.ranked) if self._fleet.rests(c.model.reference)
            ),
        )

    def _rival(self, state: failover.State, index: int, how: How) -> int | None:
        """The candidate that a hedge would ask; None where nothing is hedged."""
        share = self._routed.policy.hedge
        if not share or how is not How.FRESH or state.failures or self._budget.attempts < 2:
            return None
        self._workings.hedges.earn(share)
        following = index + 1
        if following >= len(state.candidates):
            return None
        # A hedge never waits for a place, and never takes the last ones.
        return None if self._routed.decision.ranked[following].model.max_in_flight else following

    async def _switch(self, failure: failover.Failure, action: failover.TryModel, span: trace.Span) -> None:
        """Tells a switch at once where nothing was delivered; else the delivery tells it when it knows what stands."""
        ranked, delivery, reason = self._routed.decision.ranked, self._delivery, failure.error.reason.value
        failed, following = ranked[failure.candidate].model, ranked[action.candidate].model
        kept = len(delivery.text) if action.how is How.CONTINUE else 0
        span.add_event("switch", {names.SWITCH_REASON: reason, names.SWITCH_KEPT_CHARACTERS: kept})
        switch = pb.ModelSwitch(from_model=to_ref(failed), to_model=to_ref(following), reason=reason)
        if action.how is not How.FRESH:
            delivery.join(seam(action.how, delivery.text, self._request), switch)
        elif following is not failed:
            # Where there was no place at the first model, nothing was told yet.
            await self._tell_decision()
            await delivery.send(pb.GenerateResponse(switched=switch))

    async def _tell_decision(self) -> None:
        if not self._delivery.sequence:
            await self._delivery.send(pb.GenerateResponse(decided=self._routed.message()))

    def _gate(self, model: Model) -> Gate | None:
        return self._workings.gates.of(model.reference, model.max_in_flight, self._limits.queue_size)

    async def _admitted(self, index: int, how: How, *, others: bool, rival: int | None) -> list[failover.Failure]:
        """An attempt, once there is a place at its model; where there is none and `others` may serve, they do."""
        model = self._routed.decision.ranked[index].model
        gate = self._gate(model)
        if gate is None:
            return await self._attempt(index, how, others=others, rival=rival)
        left_s = self._budget.remaining_s(self._clock.monotonic())
        if not await gate.enter(0.0 if others else min(self._limits.queue_timeout_s, left_s * SHARE_OF_TIME)):
            full = errors.Overloaded(
                f"{model.reference}: its {gate.places} places are taken", retry_after_s=FULL_RETRY_AFTER_S
            )
            return [failover.Failure(index, model.reference, full, how)]
        try:
            return await self._attempt(index, how, others=others, rival=rival)
        finally:
            gate.leave()

    def _open(self, candidate: Candidate, how: How, *, others: bool) -> tuple[Attempt, float]:
        """Begins a call; returns it and how long it may be silent."""
        limits, model = self._limits, candidate.model
        now_s = self._clock.monotonic()
        patience = self._fleet.patience(model.reference, limits)
        first_token_s = self._budget.first_token_limit_s(now_s, patience.first_token_s, others=others)
        self._budget = self._budget.spend_attempt()
        attempt = Attempt(
            self._fleet.provider(model.provider),
            provider_request(self._request, self._routed.request_id, model, how, self._delivery),
            timeout_s=self._budget.remaining_s(now_s),
            patience=replace(patience, first_token_s=first_token_s),
        )
        self._fleet.begin(model.reference)
        return attempt, first_token_s

    async def _attempt(self, index: int, how: How, *, others: bool, rival: int | None) -> list[failover.Failure]:
        """Calls one model, or two where it is hedged, and forwards what it says; returns what failed, nothing where it ended whole."""
        ranked = self._routed.decision.ranked
        candidate = ranked[index]
        model = candidate.model
        attributes = {
            names.OPERATION_NAME: names.ATTEMPT_OPERATION,
            names.PROVIDER_NAME: model.provider,
            names.REQUEST_MODEL: model.name,
            names.REQUEST_STREAM: True,
            names.ATTEMPT: self._limits.max_attempts - self._budget.attempts + 1,
        }
        failures: list[failover.Failure] = []
        with tracing.span(f"{names.ATTEMPT_OPERATION} {model.name}", trace.SpanKind.CLIENT, attributes) as span:
            attempt, limit_s = self._open(candidate, how, others=others)
            ended = False
            before = self._delivery.tokens if how is How.CONTINUE else 0
            event: GenerationEvent | None = None
            try:
                # Only now, so that the provider is already at work while the client is told.
                await self._tell_decision()
                if rival is not None:
                    hedged = await self._hedge(index, attempt, limit_s, rival)
                    failures += hedged.failures
                    index, attempt, event = hedged.place, hedged.attempt, hedged.event
                    candidate, model = ranked[index], ranked[index].model
                    if hedged.error is not None:
                        raise hedged.error
                finished = await self._stream(attempt, event)
                ended = True
                self._journal.succeeded(model, attempt, finished.usage)
                self._observe(model, attempt, finished.usage.output_tokens)
                self._remember(model, finished.usage)
                describe_attempt(span, model, attempt, finished)
                await self._finish(finished, before)
                await attempt.end()
                return []
            except Diverged:
                ended = True
                self._journal.cancelled(model, attempt)
                self._fleet.let_go(model.reference)
                diverged = errors.SwitchNotAllowed(f"{model.reference} says something else than what was delivered")
                return [failover.Failure(index, model.reference, diverged, how)]
            except errors.PointsmanError as error:
                ended = True
                self._fail(candidate, attempt, limit_s, error)
                tracing.fail(span, error.reason.value)
                return [*failures, failover.Failure(index, model.reference, error, how)]
            finally:
                if not ended:
                    self._journal.cancelled(model, attempt)
                    self._fleet.let_go(model.reference)
                attempt.close()

    async def _hedge(self, index: int, first: Attempt, limit_s: float, rival: int) -> "_Hedged":
        """Waits for who speaks first, and writes the other down."""
        ranked = self._routed.decision.ranked
        opened: list[tuple[Attempt, float]] = []

        def second() -> Attempt | None:
            if not self._workings.hedges.take():
                return None
            opened.append(self._open(ranked[rival], How.FRESH, others=False))
            return opened[0][0]

        won: Won | None = None
        try:
            won = await race(first, self._fleet.hedge_after_s(ranked[index].model), second)
        except BothFailedError as both:
            self._fail(ranked[rival], *opened[0], both.second)
            opened[0][0].close()
            failure = failover.Failure(rival, ranked[rival].model.reference, both.second)
            opened.clear()
            return _Hedged(index, first, None, [failure], both.first)
        finally:
            if won is None and opened:
                self._journal.cancelled(ranked[rival].model, opened[0][0], hedge=True)
                self._fleet.let_go(ranked[rival].model.reference)
                opened[0][0].close()
        if won.loser is None:
            return _Hedged(index, won.attempt, won.event, [], None)
        beaten, speaks = (index, rival) if won.loser is first else (rival, index)
        model = ranked[beaten].model
        if won.error is not None:
            self._fail(ranked[beaten], won.loser, limit_s if won.loser is first else opened[0][1], won.error)
        else:
            self._journal.cancelled(model, won.loser, hedge=True)
            self._fleet.let_go(model.reference)
        won.loser.close()
        error = won.error or errors.ProviderSilent(
            f"{model.reference} was slower than {ranked[speaks].model.reference}"
        )
        if speaks == rival:
            switch = pb.ModelSwitch(
                from_model=to_ref(model), to_model=to_ref(ranked[rival].model), reason=error.reason.value
            )
            await self._delivery.send(pb.GenerateResponse(switched=switch))
        return _Hedged(speaks, won.attempt, won.event, [failover.Failure(beaten, model.reference, error)], None)

    async def _stream(self, attempt: Attempt, first: GenerationEvent | None) -> GenerationFinished:
        """Forwards everything up to the last event, and returns that; `first` came already. Raises Diverged."""
        while True:
            event = await attempt.next_event() if first is None else first
            first = None
            if event.WhichOneof("event") == "finished":
                await self._delivery.flush()
                return event.finished
            if not self._delivery.began:
                self._first_token_s = self._journal.elapsed_s
            await self._delivery.take(event)

    async def _finish(self, finished: GenerationFinished, before: int) -> None:
        """The end as the client reads it: with the tokens that stood `before` the last attempt, and what all attempts cost."""
        usage = finished.usage
        usage.output_tokens += before
        usage.cost_micros = sum(attempt.usage.cost_micros for attempt in self._journal.record.attempts)
        usage.time_to_first_token.CopyFrom(to_duration(self._first_token_s))
        usage.total_time.CopyFrom(to_duration(self._journal.elapsed_s))
        await self._delivery.send(pb.GenerateResponse(event={"finished": finished}))

    def _fail(
        self, candidate: Candidate, attempt: Attempt, first_token_limit_s: float, error: errors.PointsmanError
    ) -> None:
        """Writes an attempt down that failed, as far as it says something of the model."""
        model = candidate.model
        if isinstance(error, errors.ProviderSilent) and not tells_of_the_model(
            first_token_limit_s, self._limits.first_token_timeout_s, candidate.expected_first_token_s
        ):
            self._journal.cancelled(model, attempt)
            self._fleet.let_go(model.reference)
            return
        self._journal.failed(model, attempt, error)
        # A model is not less reliable because a request does not suit it.
        if isinstance(error, errors.CallerError):
            self._fleet.let_go(model.reference)
        else:
            self._observe(model, attempt, attempt.tokens, error)

    def _remember(self, model: Model, usage: Usage) -> None:
        """The session's next prompt begins with this one and its answer, which the provider may have cached."""
        tokens = usage.input_tokens + usage.output_tokens
        session = self._routed.asked.session
        self._workings.memory.sessions.served(session, model.reference, tokens, self._clock.monotonic())

    def _observe(
        self, model: Model, attempt: Attempt, output_tokens: int, error: errors.PointsmanError | None = None
    ) -> None:
        self._fleet.observe(
            model.reference,
            failed=error is not None,
            first_token_s=attempt.first_token_s,
            tokens_per_second=attempt.tokens_per_second(output_tokens),
            retry_after_s=(error.retry_after_s or 0.0) if error else 0.0,
        )
