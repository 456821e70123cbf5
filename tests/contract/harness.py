"""What an adapter must bring to be held to the contract: a harness that puts it before an upstream of known behaviour.

To add an adapter, write a Harness for it and put it into HARNESSES of test_adapter_contract.py.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.contract import Adapter

ANSWER = "The points are set, and the train goes on its way."
WAIT_S = 30.0


class Case(Enum):
    """How the upstream behaves."""

    # Says ANSWER, in several pieces, and how many tokens that took.
    TEXT = "text"
    # Calls `set_points` with {"track": 2} and `ring` without arguments.
    TOOL_CALLS = "tool_calls"
    # Stops at the limit of tokens, in the middle of ANSWER.
    LENGTH = "length"
    UNKNOWN_MODEL = "unknown_model"
    BAD_KEY = "bad_key"
    # Asks to wait for 7 seconds.
    RATE_LIMITED = "rate_limited"
    # Is overloaded.
    OVERLOADED = "overloaded"
    # Says some of ANSWER and nothing more, and keeps the call open.
    STALLED = "stalled"
    # Says some of ANSWER and is gone.
    CUT = "cut"
    # Says some of ANSWER and then what its format does not allow.
    BROKEN = "broken"
    # Does not listen.
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Running:
    """An adapter before its upstream. `upstream_closed` is set when the upstream sees its call closed.

    The test sets `go_on` when it has the first events; only then the upstream does what CUT and BROKEN say.
    """

    adapter: Adapter
    upstream_closed: asyncio.Event
    go_on: asyncio.Event


class Harness(Protocol):
    """One kind of adapter. `cases` are those that its upstream can play."""

    name: str
    model: str
    cases: frozenset[Case]

    def run(self, case: Case) -> AbstractAsyncContextManager[Running]:
        """Starts an upstream that plays `case` and an adapter for it; ends both."""
        ...


def request_for(harness: Harness) -> GenerateRequest:
    """A request with tools at hand, of which only TOOL_CALLS makes use."""
    prompt = pb.Prompt(
        turns=[pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(text="Which track?")])],
        tools=[pb.ToolSpec(name="set_points", parameters_json_schema='{"type": "object"}'), pb.ToolSpec(name="ring")],
    )
    return GenerateRequest(request_id="r1", model=harness.model, prompt=prompt)
