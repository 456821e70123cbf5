"""What processes cost: processor time and memory."""

import asyncio
import os
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

import psutil

END_S = 10.0


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds, of the program and of the kernel for it, of all threads that ever ran.

    Linux gives them in nanoseconds by the process' own clock, whose number is made of its id (clock_getcpuclockid(3)); elsewhere
    they come in hundredths of a second.
    """
    if os.uname().sysname == "Linux":
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def with_children(pid: int) -> list[int]:
    """The process and all below it."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def rss_mb(pids: Iterable[int]) -> float:
    """Resident memory in MB (10^6 bytes)."""
    return sum(float(psutil.Process(pid).memory_info().rss) for pid in pids) / 1e6


def pss_mb(pids: Iterable[int]) -> float | None:
    """Proportional memory in MB (10^6 bytes): a page that n processes share counts an n-th. None where the system does not tell."""
    found = [getattr(psutil.Process(pid).memory_full_info(), "pss", None) for pid in pids]
    return None if None in found else sum(float(pss or 0) for pss in found) / 1e6


@asynccontextmanager
async def child(
    *command: str, environment: Mapping[str, str] | None = None, stderr: int = DEVNULL
) -> AsyncIterator[Process]:
    """A process that ends with the block, and all that it started with it; its standard output is a pipe."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=stderr,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            below = _below(process.pid)
            process.terminate()
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            for left in below:
                # It may end by itself between the look and the kill.
                with suppress(psutil.NoSuchProcess):
                    left.kill()


def _below(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []
