"""Copies of requests for models under observation: nobody receives their answers, nobody waits for them, and they have a budget.

request ──> answer                          record ──> telemetry
   └──copy──> shadow model ──> figures ────────┘       the record waits for its copies, the client does not
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from pointsman import errors
from pointsman.config.catalogue import Model
from pointsman.llm.v1.generation_pb2 import SamplingOptions, Usage
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest as ProviderRequest
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.allowance import Allowance
from services.router.attempt import Attempt, Patience
from services.router.candidates import Candidate
from services.router.config import InForce
from services.router.experiments import Experiment
from services.router.fleet import Fleet
from services.router.journal import Journal
from services.router.route import Routed
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

# More than so many at once, and the next is left out: copies never compete with real requests.
MAX_AT_ONCE = 32
LOG_EVERY = 100


class Shadows:
    """Runs copies within their budgets; `run` owns them all until it is cancelled. `left_out` counts by reason."""

    def __init__(self, in_force: InForce, fleet: Fleet, clock: Clock) -> None:
        self._in_force = in_force
        self._fleet = fleet
        self._clock = clock
        self._allowances: dict[str, Allowance] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running = 0
        self.left_out: Counter[str] = Counter()

    async def run(self) -> None:
        """Owns the copies; cancelling it cancels them."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    def start(
        self, routed: Routed, request: pb.GenerateRequest | pb.CompleteRequest, journal: Journal
    ) -> "list[asyncio.Task[None]]":
        """Sends the copies of a request that there is room and budget for."""
        started = []
        candidates = {c.model.reference: c for c in routed.decision.ranked}
        for experiment, reference in routed.choice.shadows:
            candidate = candidates[reference]
            if reason := self._refused(experiment, candidate):
                self.left_out[reason] += 1
                if self.left_out[reason] % LOG_EVERY == 1:
                    logger.warning("shadow %s: %d left out, %s", experiment.name, self.left_out[reason], reason)
                continue
            assert self._tasks is not None
            self._running += 1
            copy = self._copy(experiment, candidate, routed.request_id, request, journal)
            started.append(self._tasks.create_task(copy))
        return started

    @staticmethod
    def after(copies: "Sequence[asyncio.Task[None]]", then: Callable[[], None]) -> None:
        """Does `then` once all copies are done, or at once where there are none."""
        waiting = [copy for copy in copies if not copy.done()]
        if not waiting:
            then()
            return
        left = len(waiting)

        def one_done(_: "asyncio.Task[None]") -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for copy in waiting:
            copy.add_done_callback(one_done)

    def _refused(self, experiment: Experiment, candidate: Candidate) -> str:
        if self._tasks is None or self._running >= MAX_AT_ONCE:
            return f"{MAX_AT_ONCE} copies are on their way"
        allowance = self._allowances.get(experiment.name)
        if allowance is None or allowance.per_hour != experiment.max_cost_micros_per_hour:
            allowance = Allowance(experiment.max_cost_micros_per_hour, self._clock.monotonic())
            self._allowances[experiment.name] = allowance
        if not allowance.take(candidate.cost, self._clock.monotonic()):
            return "the hour's budget is spent"
        return ""

    async def _copy(
        self,
        experiment: Experiment,
        candidate: Candidate,
        request_id: str,
        request: pb.GenerateRequest | pb.CompleteRequest,
        journal: Journal,
    ) -> None:
        limits, model = self._in_force.config.limits, candidate.model
        attempt = Attempt(
            self._fleet.provider(model.provider),
            ProviderRequest(
                request_id=f"{request_id}-shadow",
                model=model.name,
                prompt=request.prompt,
                sampling=within(request.sampling, model),
            ),
            timeout_s=limits.default_deadline_s,
            patience=Patience(limits.first_token_timeout_s, limits.stall_timeout_s),
        )
        usage: Usage | None = None
        reason, texts, told = "", [], False
        self._fleet.begin(model.reference)
        try:
            while True:
                event = await attempt.next_event()
                match event.WhichOneof("event"):
                    case "text_delta" if experiment.record_answers:
                        texts.append(event.text_delta.text)
                    case "finished":
                        usage = event.finished.usage
                        break
            self._observe(model, attempt, usage.output_tokens, failed=False)
            told = True
        except errors.PointsmanError as error:
            reason = error.reason.value
            if not isinstance(error, errors.CallerError):
                self._observe(model, attempt, attempt.tokens, failed=True)
                told = True
        except Exception:
            # Nobody waits for a copy: a defect of ours ends this one and nothing else.
            logger.exception("a shadow failed")
            reason = errors.Reason.INTERNAL.value
        finally:
            if not told:
                self._fleet.let_go(model.reference)
            self._running -= 1
            answer = "".join(texts)
            journal.shadowed(model, attempt, usage, reason, experiment=experiment.name, answer=answer)
            attempt.close()
            spent = journal.record.shadows[-1].usage.cost_micros
            self._allowances[experiment.name].settle(candidate.cost, spent)

    def _observe(self, model: Model, attempt: Attempt, output_tokens: int, *, failed: bool) -> None:
        self._fleet.observe(
            model.reference,
            failed=failed,
            first_token_s=attempt.first_token_s,
            tokens_per_second=attempt.tokens_per_second(output_tokens),
        )


def within(sampling: SamplingOptions, model: Model) -> SamplingOptions:
    """The caller's options within the model's own limit, which a provider would refuse to go beyond."""
    if sampling.max_output_tokens <= model.max_output_tokens:
        return sampling
    limited = SamplingOptions()
    limited.CopyFrom(sampling)
    limited.max_output_tokens = model.max_output_tokens
    return limited
