"""`pointsman explain`: the decision that the router would take now, and why."""

import json
from typing import Any

from google.protobuf import json_format

from pointsman.cli.ask import Question
from pointsman.cli.consoles import answers
from pointsman.cli.decision_view import decision_view
from pointsman.cli.failures import run_command
from pointsman.cli.target import Whereabouts, find_config, find_target
from pointsman.client import Client
from pointsman.config.load import ConfigError, load_config
from pointsman.config.routing_schema import PolicySection
from pointsman.router.v1.router_service_pb2 import RouteDecision


def run_explain(question: Question, where: Whereabouts, *, as_json: bool = False) -> int:
    """Returns the exit code: 0 even where no model can answer, since that is what was asked."""
    address = ""

    async def ask() -> int:
        nonlocal address
        address = find_target(where).router
        async with Client(address) as client:
            decision = await client.explain(question.prompt(), **question.options())
        if as_json:
            print(json.dumps(decision_json(decision), ensure_ascii=False))
        else:
            answers().print(decision_view(decision, _policy(where, decision)))
        return 0

    return run_command(ask, lambda: address)


def _policy(where: Whereabouts, decision: RouteDecision) -> PolicySection | None:
    """What the file says of the policy that decided; None unless it is the very file that the router decided by."""
    if (file := find_config(where)) is None:
        return None
    try:
        loaded = load_config(file)
    except ConfigError:
        # The router goes on with the good one when a file breaks; so does this command.
        return None
    return loaded.mesh.policies.get(decision.policy) if loaded.revision == decision.config_revision else None


def decision_json(decision: RouteDecision) -> dict[str, Any]:
    """The message's fields by their names, all numbers as numbers, and all that are not set too."""
    found: dict[str, Any] = json_format.MessageToDict(
        decision, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for candidate in found["candidates"]:
        # protobuf's JSON has numbers of 64 bits as text.
        candidate["expected_cost_micros"] = int(candidate["expected_cost_micros"])
    return found
