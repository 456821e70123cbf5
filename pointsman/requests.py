"""Builds the router's requests from what a Python user has at hand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from pointsman import errors
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.llm.v1.model_pb2 import Capability, ModelRef
from pointsman.llm.v1.prompt_pb2 import ROLE_SYSTEM, ROLE_USER, Part, Prompt, Turn
from pointsman.router.v1.router_service_pb2 import (
    CompleteRequest,
    ExplainRequest,
    GenerateRequest,
    RoutingConstraints,
    SwitchMode,
)

# A day: no limit on a wait is longer.
LONGEST_S = 86_400


class AskOptions(TypedDict, total=False):
    """What may be said beside the prompt; all of it may be left out.

    Enums stand in quotes: as protobuf generates them they are types to a type checker only.
    """

    sampling: SamplingOptions
    # A policy's name from the mesh's configuration.
    policy: str
    # `provider/model`.
    pinned_model: str | ModelRef
    required_capabilities: "Sequence[Capability]"
    # US dollars that the answer may cost.
    max_cost_usd: float
    # Requests with the same key prefer the model that answered last, for its prompt cache, and stay in the same arm of an experiment.
    session_key: str
    # Who asks and what for, which rules and experiments of the mesh's configuration may look at.
    tenant: str
    tags: Sequence[str]
    metadata: Mapping[str, str]
    # How private the prompt is; a policy may keep some classes on self-hosted models.
    data_class: str
    # Models that are slower than this now are ruled out.
    max_first_token_s: float
    min_tokens_per_second: float
    # What may happen when a model fails in the middle of its answer; until switching then is served, the failure is raised.
    switch_mode: "SwitchMode"
    # Joins retries, traces and records; experiments and exploration draw by it.
    request_id: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What to answer and within which bounds, ready for any of the router's methods."""

    prompt: Prompt
    sampling: SamplingOptions | None
    constraints: RoutingConstraints
    request_id: str

    def generate(self) -> GenerateRequest:
        """For a streamed answer."""
        return GenerateRequest(
            request_id=self.request_id, prompt=self.prompt, sampling=self.sampling, constraints=self.constraints
        )

    def complete(self) -> CompleteRequest:
        """For a whole answer."""
        return CompleteRequest(
            request_id=self.request_id, prompt=self.prompt, sampling=self.sampling, constraints=self.constraints
        )

    def explain(self) -> ExplainRequest:
        """For the decision alone."""
        return ExplainRequest(
            request_id=self.request_id, prompt=self.prompt, sampling=self.sampling, constraints=self.constraints
        )


def make_ask(prompt: str | Prompt, **options: Unpack[AskOptions]) -> Ask:
    """Reads the options; raises InvalidRequest that names the one which is wrong."""
    constraints = RoutingConstraints(
        policy=options.get("policy", ""),
        required_capabilities=options.get("required_capabilities", ()),
        session_key=options.get("session_key", ""),
        switch_mode=options.get("switch_mode"),
        tenant=options.get("tenant", ""),
        tags=options.get("tags", ()),
        metadata=options.get("metadata", {}),
        data_class=options.get("data_class", ""),
    )
    if (pinned_model := options.get("pinned_model")) is not None:
        constraints.pinned_model.CopyFrom(parse_model(pinned_model))
    if (max_cost_usd := options.get("max_cost_usd")) is not None:
        if not (math.isfinite(max_cost_usd) and 0 <= max_cost_usd <= 1e9):
            raise errors.InvalidRequest.of("max_cost_usd", f"expected US dollars, 0 or more, found {max_cost_usd}")
        constraints.max_cost_micros = round(max_cost_usd * 1e6)
    if (max_first_token_s := options.get("max_first_token_s")) is not None:
        if not 0 < max_first_token_s <= LONGEST_S:
            expected = f"expected seconds, above 0 and at most {LONGEST_S}, found {max_first_token_s}"
            raise errors.InvalidRequest.of("max_first_token_s", expected)
        constraints.max_first_token_time.FromNanoseconds(round(max_first_token_s * 1e9))
    if (rate := options.get("min_tokens_per_second")) is not None:
        if not (math.isfinite(rate) and rate >= 0):
            raise errors.InvalidRequest.of("min_tokens_per_second", f"expected a rate, 0 or more, found {rate}")
        constraints.min_tokens_per_second = rate
    whole = make_prompt(prompt) if isinstance(prompt, str) else prompt
    return Ask(whole, options.get("sampling"), constraints, options.get("request_id", ""))


def make_prompt(user: str, *, system: str | None = None) -> Prompt:
    """A prompt of one user turn, behind a system turn where one is given; raises InvalidRequest for text that UTF-8 cannot carry."""
    for field, text in (("prompt", user), ("system", system or "")):
        # Lone surrogates, as Python reads bytes that are no UTF-8 from a command line.
        if not _encodes(text):
            raise errors.InvalidRequest.of(field, "expected text in UTF-8")
    turns = [Turn(role=ROLE_SYSTEM, parts=[Part(text=system)])] if system is not None else []
    return Prompt(turns=[*turns, Turn(role=ROLE_USER, parts=[Part(text=user)])])


def parse_model(model: str | ModelRef) -> ModelRef:
    """Reads `provider/model`; only the first slash parts, since model names may hold more. Raises InvalidRequest."""
    if isinstance(model, ModelRef):
        return model
    provider, slash, name = model.partition("/")
    if not (provider and slash and name):
        raise errors.InvalidRequest.of("pinned_model", f"expected provider/model, found {model!r}")
    return ModelRef(provider=provider, model=name)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
