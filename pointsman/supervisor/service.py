"""Keeps one service's process alive.

starting ──> running ──died──> waiting ──back-off over──> starting
                │                 │
                │  exit code 2 or 3, or died when told to stop
                └────────────────────> given up, stopped
"""

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import suppress
from enum import Enum

from pointsman.supervisor.backoff import Backoff, BackoffLimits
from pointsman.supervisor.journal import Journal
from pointsman.supervisor.lines import read_lines
from pointsman.supervisor.plan import ServiceSpec

# Exit codes of a service that starting again does not help.
HOPELESS = {2: "its configuration or arguments are wrong", 3: "its address is taken"}
# What a process wrote before it died is in the pipe; this long we wait for the pipe to run dry.
LAST_WORDS_S = 1.0


class State(Enum):
    """What a service's process does now."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting to be restarted"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


class Service:
    """One supervised service; `run` returns when it is stopped or given up.

    `pid` is None while no process runs, `restarts` counts, `exit_code` is the last process'.
    """

    def __init__(self, spec: ServiceSpec, journal: Journal, limits: BackoffLimits) -> None:
        self.spec = spec
        self.state = State.STARTING
        self.restarts = 0
        self.exit_code: int | None = None
        self._journal = journal
        self._backoff = Backoff(limits)
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The running process' id."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self) -> None:
        """Starts the process, and again when it died; ends it when cancelled."""
        try:
            while not self._stopping.is_set():
                self._backoff.started(time.monotonic())
                code = await self._live()
                self.exit_code = code
                if self._stopping.is_set():
                    break
                if why := HOPELESS.get(code):
                    self.state = State.GIVEN_UP
                    self._notice(f"ended with exit code {code}: {why}; not started again")
                    return
                await self._wait(code)
            self.state = State.STOPPED
        finally:
            self._over.set()

    async def stop(self, grace_s: float) -> None:
        """Asks the process to end, kills it when `grace_s` seconds are over, and does not start it again."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self._over.wait()
        except TimeoutError:
            if self.pid is not None:
                self._notice(f"did not end within {grace_s:g} s; killed")
            self.kill()
            await self._over.wait()

    def hang_up(self) -> None:
        """Sends the process SIGHUP, which has a router read its configuration again; none that does not run needs to be told."""
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """Kills the process and all that it started; a service that was not stopped is then started again."""
        self._signal(signal.SIGKILL)

    async def ended(self) -> None:
        """Waits until the service is stopped or given up."""
        await self._over.wait()

    async def _live(self) -> int:
        # A session of its own, so that a terminal's Ctrl-C reaches the supervisor alone, which knows the order of things.
        process = await asyncio.create_subprocess_exec(
            *self.spec.command(os.getpid()),
            env=dict(self.spec.environment),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        self._process, self.state = process, State.RUNNING
        assert process.stdout is not None
        output = asyncio.create_task(self._pump(process.stdout))
        try:
            # It may have been told to stop while it was being started.
            if self._stopping.is_set():
                self._signal(signal.SIGTERM)
            code = await process.wait()
            await asyncio.wait({output}, timeout=LAST_WORDS_S)
            return code
        finally:
            output.cancel()
            if process.returncode is None:
                self.kill()
                await process.wait()

    async def _pump(self, pipe: asyncio.StreamReader) -> None:
        async for line in read_lines(pipe):
            self._journal.output(self.spec.name, line)

    async def _wait(self, code: int) -> None:
        wait_s = self._backoff.died(time.monotonic())
        self.state = State.WAITING
        self._notice(f"died ({_cause(code)}); starts again in {wait_s:g} s")
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        self.restarts += 1

    def _signal(self, number: signal.Signals) -> None:
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                (os.killpg if number is signal.SIGKILL else os.kill)(pid, number)

    def _notice(self, message: str) -> None:
        self._journal.notice(self.spec.name, message)


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
