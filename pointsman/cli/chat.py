"""`pointsman chat`: streams an answer to standard output, and tells on standard error where it came from.

A terminal shows the answer as it comes. Anything else gets it in one piece at the end, since text that a switch of models takes back
cannot be taken back from a pipe.
"""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text as Styled

from pointsman import errors
from pointsman.cli.ask import Question
from pointsman.cli.consoles import notes
from pointsman.cli.failures import reason_words, run_command
from pointsman.cli.figures import money, plain, rate, seconds, share
from pointsman.cli.target import Whereabouts, find_target
from pointsman.client import Client
from pointsman.items import Decided, Finished, FinishReason, Reasoning, Switched, Text, ToolCalled
from pointsman.router.v1.router_service_pb2 import RouteDecision
from pointsman.stream import AnswerStream

# Endings that a person should hear of.
ENDINGS = {
    FinishReason.LENGTH: "cut off at its token limit",
    FinishReason.CONTENT_FILTER: "cut off by the provider's content filter",
}


def run_chat(question: Question, where: Whereabouts) -> int:
    """Returns the exit code."""
    address = ""

    async def ask() -> int:
        nonlocal address
        address = find_target(where).router
        async with Client(address) as client:
            prompt, options = question.prompt(), question.options()
            async with client.generate(prompt, timeout_s=question.timeout_s, **options) as stream:
                await _show(stream, live=sys.stdout.isatty())
        assert stream.decision is not None and stream.finished is not None
        notes().print(summary(stream.decision, stream.finished, stream.switches, stream.model))
        return 0

    return run_command(ask, lambda: address)


async def _show(stream: AnswerStream, *, live: bool) -> None:
    console = notes()
    screen = _Screen(console) if live else None
    try:
        with console.status("choosing a model", spinner="dots") as status:
            async for item in stream:
                if screen:
                    screen.show(item, stream, status)
                elif isinstance(item, Decided):
                    status.update(f"{stream.model} answers")
    except errors.ProviderUnreachable as error:
        if stream.decision is None:
            raise
        raise errors.StreamCut(f"the router went away in the middle of the answer ({error.message})") from error
    finally:
        if screen:
            screen.end_line()
            console.print()
    if not live:
        text = stream.text + "".join(f"\n{call.name}({call.arguments_json})" for call in stream.tool_calls)
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.flush()


class _Screen:
    """A terminal with an answer that grows."""

    def __init__(self, notes: Console) -> None:
        self._notes = notes
        self._line_open = False

    def show(self, item: object, stream: AnswerStream, status: Status) -> None:
        """Shows the next item."""
        match item:
            case Decided():
                status.update(f"{stream.model} answers")
            case Reasoning():
                status.update(f"{stream.model} thinks")
            case Text():
                status.stop()
                self._write(item.text)
            case Switched() if item.lost_text:
                # What scrolled by cannot be taken back, so what stands is shown again below a line.
                status.stop()
                self.end_line()
                self._notes.rule(
                    f"{item.from_model} failed ({reason_words(item.reason)}); from {item.to_model}:", style="yellow"
                )
                self._write(stream.text)
            case Switched():
                status.update(f"{item.to_model} answers")
            case ToolCalled():
                status.stop()
                self.end_line()
                self._write(f"{item.call.name}({item.call.arguments_json})\n")
            case _:
                status.stop()

    def end_line(self) -> None:
        """Ends the line that the answer stopped in."""
        if self._line_open:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text := plain(text):
            sys.stdout.write(text)
            sys.stdout.flush()
            self._line_open = not text.endswith("\n")


def summary(decision: RouteDecision, finished: Finished, switches: Sequence[Switched], model: str) -> Table:
    """Where an answer came from, why, how fast and for how much."""
    usage, judged = finished.usage, decision.classification
    intent = f"{judged.intents[0].intent} {share(judged.intents[0].probability)}" if judged.intents else "unknown"
    about = "about " if usage.estimated else ""
    thought = f" ({usage.reasoning_output_tokens:,} of them thought)" if usage.reasoning_output_tokens else ""
    speed = f" at {rate(usage.tokens_per_second)} tokens/s" if usage.tokens_per_second else ""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    table.add_row("model", Styled(model, "bold green"))
    table.add_row("why", plain(decision.reason))
    table.add_row(
        "prompt",
        f"intent {intent}, complexity {judged.complexity:.2f}{' by default' if decision.default_complexity else ''}",
    )
    table.add_row("speed", f"first token {seconds(usage.time_to_first_token_s)}, whole {seconds(usage.total_time_s)}")
    table.add_row("tokens", f"{about}{usage.input_tokens:,} in, {usage.output_tokens:,} out{thought}{speed}")
    table.add_row("cost", f"{about}{money(usage.cost_micros)}")
    for switch in switches:
        kept = f"{switch.kept_characters:,} characters kept"
        table.add_row(
            "switch",
            Styled(f"{switch.from_model} -> {switch.to_model}: {reason_words(switch.reason)}, {kept}", "yellow"),
        )
    if ending := ENDINGS.get(finished.reason):
        table.add_row("ending", Styled(ending, "yellow"))
    return table
