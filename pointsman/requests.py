"""Builds the router's requests from what a Python user has at hand."""

import math
from collections.abc import Sequence
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
    # For the prompt cache of the model that answered last; the router does not use it yet.
    session_key: str
    # What may happen when a model fails in the middle of its answer; until switching then is served, the failure is raised.
    switch_mode: "SwitchMode"
    # Joins retries, traces and records.
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
        return ExplainRequest(prompt=self.prompt, sampling=self.sampling, constraints=self.constraints)


def make_ask(prompt: str | Prompt, **options: Unpack[AskOptions]) -> Ask:
    """Reads the options; raises InvalidRequest that names the one which is wrong."""
    constraints = RoutingConstraints(
        policy=options.get("policy", ""),
        required_capabilities=options.get("required_capabilities", ()),
        session_key=options.get("session_key", ""),
        switch_mode=options.get("switch_mode"),
    )
    if (pinned_model := options.get("pinned_model")) is not None:
        constraints.pinned_model.CopyFrom(parse_model(pinned_model))
    if (max_cost_usd := options.get("max_cost_usd")) is not None:
        if not (math.isfinite(max_cost_usd) and 0 <= max_cost_usd <= 1e9):
            raise errors.InvalidRequest.of("max_cost_usd", f"expected US dollars, 0 or more, found {max_cost_usd}")
        constraints.max_cost_micros = round(max_cost_usd * 1e6)
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
