"""`pointsman explain`: the decision that the router would take now, candidate by candidate."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pointsman.answer import reference
from pointsman.cli.ask import Question
from pointsman.cli.consoles import answers
from pointsman.cli.failures import run_command
from pointsman.cli.figures import money, plain, rate, seconds, share
from pointsman.cli.target import Whereabouts, find_target
from pointsman.client import Client
from pointsman.router.v1.router_service_pb2 import Candidate, RouteDecision


def run_explain(question: Question, where: Whereabouts) -> int:
    """Returns the exit code: 0 even where no model can answer, since that is what was asked."""
    address = ""

    async def ask() -> int:
        nonlocal address
        address = find_target(where).router
        async with Client(address) as client:
            decision = await client.explain(question.prompt(), **question.options())
        answers().print(decision_view(decision))
        return 0

    return run_command(ask, lambda: address)


def decision_view(decision: RouteDecision) -> Group:
    """The judgement of the prompt, the choice, and the candidates in the order in which they would be tried."""
    judged = decision.classification
    intents = ", ".join(f"{i.intent} {share(i.probability)}" for i in judged.intents[:3]) or "unknown"
    by_default = " by default: the classifier was silent, late or unsure" if decision.default_complexity else ""
    language = f", language {plain(judged.language_code)}" if judged.language_code else ""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim", justify="right")
    head.add_column(overflow="fold")
    chosen = reference(decision.chosen) if decision.HasField("chosen") else ""
    head.add_row("model", Text(chosen, "bold green") if chosen else Text("none can answer", "bold red"))
    head.add_row("why", plain(decision.reason))
    head.add_row("prompt", f"complexity {judged.complexity:.2f}{by_default}; intent {intents}{language}")
    head.add_row(
        "tokens", f"about {judged.estimated_input_tokens:,} in, {judged.estimated_output_tokens:,} out expected"
    )
    head.add_row("policy", f"{decision.policy}, configuration {decision.config_revision}")
    return Group(head, Text(), candidates_table(decision))


def candidates_table(decision: RouteDecision) -> Table:
    """One row a candidate."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("model", no_wrap=True)
    table.add_column("verdict")
    for title in ("right", "cost", "first token", "tokens/s", "score"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for rank, candidate in enumerate(decision.candidates, start=1):
        eligible = candidate.verdict == Candidate.VERDICT_ELIGIBLE
        style = "bold green" if eligible and rank == 1 else "" if eligible else "dim"
        table.add_row(
            str(rank) if eligible else "",
            reference(candidate.model),
            _verdict(candidate),
            *(_expectations(candidate) if eligible or candidate.expected_quality else ("-",) * 5),
            plain(candidate.detail),
            style=style,
        )
    return table


def _expectations(candidate: Candidate) -> tuple[str, ...]:
    return (
        share(candidate.expected_quality),
        money(candidate.expected_cost_micros),
        seconds(candidate.expected_first_token_seconds),
        rate(candidate.expected_tokens_per_second),
        # Micros of a US dollar, as the cost is.
        money(candidate.score),
    )


def _verdict(candidate: Candidate) -> str:
    # A newer router may have verdicts that this client does not know.
    if candidate.verdict not in Candidate.Verdict.values():
        return f"verdict {candidate.verdict}"
    return Candidate.Verdict.Name(candidate.verdict).removeprefix("VERDICT_").lower().replace("_", " ")
