"""From a request to a decision: check, classify, decide. The same for Generate, Complete and Explain."""

import uuid
from dataclasses import dataclass

from opentelemetry.trace import Span

from pointsman import errors
from pointsman import telemetry_names as names
from pointsman.classifier.v1.classifier_service_pb2 import ClassifierTier
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.candidates import Decision, Snapshot, Verdict
from services.router.choice import Asked, Choice, choose
from services.router.classify import Classified, Classify
from services.router.config import InForce
from services.router.decision import unmet
from services.router.experiments import digest
from services.router.fleet import Fleet
from services.router.messages import to_decision
from services.router.policy import Policy
from services.router.sessions import Sessions
from services.router.validate import Request, check_request
from services.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Routed:
    """A request with all that was decided about it, and the snapshot that it was decided on."""

    asked: Asked
    classified: Classified
    choice: Choice
    snapshot: Snapshot

    @property
    def request_id(self) -> str:
        """As the client gave it, or made here."""
        return self.asked.request_id

    @property
    def policy(self) -> Policy:
        """The policy that decided."""
        return self.choice.policy

    @property
    def decision(self) -> Decision:
        """The ranking."""
        return self.choice.decision

    @property
    def revision(self) -> str:
        """Of the configuration that the snapshot was made with."""
        return self.snapshot.config_revision

    def message(self) -> pb.RouteDecision:
        """The decision as the client reads it."""
        return to_decision(self.choice, self.asked, self.classified, self.revision)

    def describe(self, span: Span) -> None:
        """Writes the decision's attributes."""
        if not span.is_recording():
            return
        answer, ranked = self.classified.answer, self.decision.ranked
        tier = "none"
        # A newer classifier may have tiers that this process does not know.
        if answer and answer.tier in ClassifierTier.values():
            tier = ClassifierTier.Name(answer.tier).rpartition("_")[2].lower()
        span.set_attributes(
            {
                names.REQUEST_ID: self.request_id,
                names.INTENT: self.asked.judgement.intent,
                names.COMPLEXITY: self.decision.complexity,
                names.CLASSIFIER_TIER: tier,
                names.POLICY: self.policy.name,
                names.DECISION_REASON: self.decision.reason,
                names.CANDIDATES: [candidate.model.reference for candidate in ranked],
                names.CHOSEN_MODEL: ranked[0].model.reference if ranked else "",
                names.CONFIG_REVISION: self.revision,
            }
        )


class Router:
    """Decides; takes no action."""

    def __init__(self, in_force: InForce, classify: Classify, fleet: Fleet, sessions: Sessions, clock: Clock) -> None:
        self._in_force = in_force
        self._classify = classify
        self._fleet = fleet
        self._sessions = sessions
        self._clock = clock

    async def route(self, request: Request, remaining_s: float) -> Routed:
        """Checks and decides; raises InvalidRequest."""
        config = self._in_force.config
        needs = check_request(
            request,
            models=self._fleet.references,
            policies=config.routing.policies,
            max_prompt_bytes=config.limits.max_prompt_bytes,
        )
        section = config.section
        classified = await self._classify(
            request.prompt,
            timeout_s=min(section.classifier_timeout_ms / 1_000, remaining_s),
            confidence_bar=section.classifier_confidence_bar,
        )
        constraints = request.constraints
        session = digest(constraints.session_key)
        asked = Asked(
            request_id=request.request_id or uuid.uuid4().hex,
            judgement=classified.judgement,
            needs=needs,
            policy=constraints.policy,
            tenant=constraints.tenant,
            tags=frozenset(constraints.tags),
            metadata=dict(constraints.metadata),
            session=session,
            last=self._sessions.last(session, self._clock.monotonic()),
        )
        # Read together, after the wait: a reload swaps both.
        snapshot, routing = self._fleet.snapshot, self._in_force.config.routing
        return Routed(asked, classified, choose(routing, snapshot, asked), snapshot)


def no_candidate(decision: Decision) -> errors.PointsmanError:
    """The error for a decision without any eligible model: waiting helps where one is only unavailable."""
    told = unmet(decision)
    words = "; ".join(f"{reference}: {why}" for reference, why in told.items())
    if any(candidate.verdict in (Verdict.UNAVAILABLE, Verdict.CIRCUIT_OPEN) for candidate in decision.ruled_out):
        return errors.AllCandidatesUnavailable(f"every capable model is down: {words}", retry_after_s=1.0)
    return errors.NoCapableModel(f"no configured model can do this: {words}")
