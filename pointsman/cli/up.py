"""`pointsman up`: all services on one machine, their logs on standard error, until Ctrl-C."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointsman.cli.consoles import answers, notes
from pointsman.cli.failures import run_command
from pointsman.cli.figures import plain
from pointsman.cli.target import choose_run_dir
from pointsman.config.load import load_config
from pointsman.supervisor.readiness import Condition, Report
from pointsman.supervisor.supervisor import Supervisor

COLOURS = ("cyan", "magenta", "blue", "green", "bright_cyan", "bright_magenta", "bright_blue", "bright_green")
CONDITION_STYLES = {
    Condition.SERVING: "green",
    Condition.NOT_SERVING: "yellow",
    Condition.NOT_REACHED: "red",
    Condition.GIVEN_UP: "red",
}


def run_up(
    config: Path, run_dir: Path | None, drain_grace_s: float, log_level: str | None, envoy_file: Path | None
) -> int:
    """Returns the exit code: 0 when told to end, the router's or Envoy's own where it gave up."""

    async def up() -> int:
        loaded = load_config(config)
        environment = os.environ | ({"POINTSMAN_LOG_LEVEL": log_level} if log_level else {})
        journal = ConsoleJournal(notes())
        mesh = Supervisor(
            loaded,
            choose_run_dir(run_dir),
            environment=environment,
            journal=journal,
            drain_grace_s=drain_grace_s,
            envoy_file=envoy_file,
        )
        with _signals(mesh) as told_to_end:
            async with mesh:
                return await _run(mesh, told_to_end, f"--run-dir {run_dir} " if run_dir else "")

    return run_command(up)


async def _run(mesh: Supervisor, told_to_end: asyncio.Event, where: str) -> int:
    announced = asyncio.create_task(_announce(mesh, where))
    given_up = asyncio.create_task(mesh.entry_given_up())
    end = asyncio.create_task(told_to_end.wait())
    tasks = (announced, given_up, end)
    try:
        await asyncio.wait({given_up, end}, return_when=asyncio.FIRST_COMPLETED)
        return given_up.result() if given_up.done() else 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _announce(mesh: Supervisor, where: str) -> None:
    began_s = time.monotonic()
    reports = await mesh.wait_ready()
    console = answers()
    for line in announcement(reports, time.monotonic() - began_s, where):
        console.print(line)


def announcement(reports: Sequence[Report], took_s: float, where: str) -> tuple[Text, Table, Text]:
    """What is up, where, and what is not and why; `where` are the options by which other commands find this mesh."""
    up = sum(report.condition is Condition.SERVING for report in reports)
    whole = up == len(reports)
    head = Text(f"{'mesh is up' if whole else f'{up} of {len(reports)} services are up'} after {took_s:.1f} s")
    head.stylize("bold green" if whole else "bold yellow")
    table = Table.grid(padding=(0, 2))
    for report in reports:
        state = Text(report.condition.value, CONDITION_STYLES[report.condition])
        if report.detail:
            state.append(f": {plain(report.detail)}")
        table.add_row(f"  {report.name}", Text(report.address, "dim"), state)
    entry = reports[-1]
    hint = f'ask it: pointsman chat {where}"Why do points freeze in winter?"'
    return (
        head,
        table,
        Text(hint if entry.condition is Condition.SERVING else f"{entry.name} does not serve yet", "dim"),
    )


class ConsoleJournal:
    """Prints each line behind its service's name, each name in a colour of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours = cycle(COLOURS)
        self._names: dict[str, str] = {}

    def output(self, service: str, line: str) -> None:
        """Prints what a service wrote."""
        self._print(service, Text(plain(line)))

    def notice(self, service: str, message: str) -> None:
        """Prints what the supervisor tells."""
        self._print(service, Text(message, "bold yellow"))

    def _print(self, service: str, line: Text) -> None:
        if service not in self._names:
            self._names[service] = next(self._colours)
        name = Text(f"{service:<16} ", self._names[service])
        # A long line is left to the terminal to fold: a log is searched and copied.
        self._console.print(name + line, soft_wrap=True)


@contextmanager
def _signals(mesh: Supervisor) -> Iterator[asyncio.Event]:
    """The first SIGINT or SIGTERM asks the mesh to end, a second one kills it. SIGHUP goes on to the router.

    A terminal that is closed sends SIGHUP too, and ends the mesh as it ends all that runs in it.
    """
    told_to_end = asyncio.Event()

    def on_signal() -> None:
        if told_to_end.is_set():
            mesh.kill()
        told_to_end.set()

    had_terminal = _has_terminal()

    def on_hang_up() -> None:
        if had_terminal and not _has_terminal():
            on_signal()
        else:
            mesh.reload()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, on_hang_up)
    try:
        yield told_to_end
    finally:
        for number in (*numbers, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _has_terminal() -> bool:
    """Whether this process runs in a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
