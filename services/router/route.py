"""From a request to a decision: check, classify, decide. The same for Generate, Complete and Explain."""

import uuid
from dataclasses import dataclass

from opentelemetry.trace import Span

from pointsman import errors
from pointsman import telemetry_names as names
from pointsman.classifier.v1.classifier_service_pb2 import ClassifierTier
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.classify import Classified, Classify
from services.router.config import RouterConfig
from services.router.decision import Decision, Needs, Verdict, decide, unmet
from services.router.fleet import Fleet
from services.router.messages import to_decision
from services.router.policy import Policy
from services.router.validate import Request, check_request


@dataclass(frozen=True, slots=True)
class Routed:
    """A request with all that was decided about it."""

    request_id: str
    policy: Policy
    needs: Needs
    classified: Classified
    decision: Decision
    revision: str

    def message(self) -> pb.RouteDecision:
        """The decision as the client reads it."""
        return to_decision(
            self.decision, self.classified, policy=self.policy.name, revision=self.revision, request_id=self.request_id
        )

    def describe(self, span: Span) -> None:
        """Writes the decision's attributes."""
        if not span.is_recording():
            return
        judgement, answer, ranked = self.classified.judgement, self.classified.answer, self.decision.ranked
        tier = "none"
        # A newer classifier may have tiers that this process does not know.
        if answer and answer.tier in ClassifierTier.values():
            tier = ClassifierTier.Name(answer.tier).rpartition("_")[2].lower()
        span.set_attributes(
            {
                names.REQUEST_ID: self.request_id,
                names.INTENT: judgement.intent,
                names.COMPLEXITY: judgement.complexity,
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

    def __init__(self, config: RouterConfig, classify: Classify, fleet: Fleet) -> None:
        self._config = config
        self._classify = classify
        self._fleet = fleet
        self._references = frozenset(model.reference for model in config.models)

    async def route(self, request: Request, remaining_s: float) -> Routed:
        """Checks and decides; raises InvalidRequest."""
        config = self._config
        needs = check_request(
            request,
            models=self._references,
            policies=config.policies,
            max_prompt_bytes=config.limits.max_prompt_bytes,
        )
        policy = config.policies[request.constraints.policy or config.default_policy]
        classified = await self._classify(request.prompt, policy, remaining_s)
        snapshot = self._fleet.snapshot
        return Routed(
            request_id=getattr(request, "request_id", "") or uuid.uuid4().hex,
            policy=policy,
            needs=needs,
            classified=classified,
            decision=decide(snapshot, policy, classified.judgement, needs),
            revision=snapshot.config_revision,
        )


def no_candidate(decision: Decision) -> errors.PointsmanError:
    """The error for a decision without any eligible model: waiting helps where one is only unavailable."""
    told = unmet(decision)
    words = "; ".join(f"{reference}: {why}" for reference, why in told.items())
    if any(candidate.verdict is Verdict.UNAVAILABLE for candidate in decision.ruled_out):
        return errors.AllCandidatesUnavailable(f"every capable model is down: {words}", retry_after_s=1.0)
    return errors.NoCapableModel(f"no configured model can do this: {words}")
