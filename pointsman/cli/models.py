"""`pointsman models`: what can be asked for."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from pointsman.answer import reference
from pointsman.cli.consoles import answers
from pointsman.cli.failures import run_command
from pointsman.cli.figures import plain, price, rate, seconds, size
from pointsman.cli.target import Whereabouts, find_target
from pointsman.client import Client
from pointsman.llm.v1.model_pb2 import Capability
from pointsman.router.v1.router_service_pb2 import ModelStatus

TIMEOUT_S = 10.0


def run_models(where: Whereabouts) -> int:
    """Returns the exit code."""
    address = ""

    async def ask() -> int:
        nonlocal address
        address = find_target(where).router
        async with Client(address) as client:
            models = await client.list_models(timeout_s=TIMEOUT_S)
        answers().print(models_table(models))
        return 0

    return run_command(ask, lambda: address)


def models_table(models: Sequence[ModelStatus]) -> Table:
    """One row a model; prices in US dollars per million tokens."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    table.add_column("state", overflow="fold")
    for title in ("in $/M", "out $/M", "context", "longest answer", "first token", "tokens/s"):
        table.add_column(title, justify="right")
    table.add_column("can", overflow="fold")
    for status in models:
        card = status.card
        table.add_row(
            reference(card.ref),
            state(status),
            price(card.price.input_micros_per_mtok),
            price(card.price.output_micros_per_mtok),
            size(card.context_tokens),
            size(card.max_output_tokens),
            seconds(status.first_token_seconds),
            rate(status.tokens_per_second),
            ", ".join(_name(capability) for capability in card.capabilities),
            style="" if status.available else "dim",
        )
    return table


def state(status: ModelStatus) -> Text:
    """Up, or down and why."""
    return Text("up", "green") if status.available else Text(f"down: {plain(status.detail) or 'unknown'}", "red")


def _name(capability: Capability) -> str:
    known = capability in Capability.values()
    return Capability.Name(capability).removeprefix("CAPABILITY_").lower() if known else f"capability {capability}"
