"""Runs a service's code on this machine, in a process of its own: this package imports no service."""

import asyncio
import sys
from collections.abc import Sequence

from pointsman.cli.failures import EXIT_USAGE, CannotAsk


def command_of(module: str, arguments: Sequence[str]) -> list[str]:
    """The command line that runs a module by this Python."""
    return [sys.executable, "-m", module, *arguments]


async def run_service(module: str, arguments: Sequence[str], data: bytes, *, what: str) -> bytes:
    """Hands `data` to its standard input and returns its standard output; `what` names the process where it says nothing itself.

    Raises CannotAsk with what it told where it fails.
    """
    process = await asyncio.create_subprocess_exec(
        *command_of(module, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        told = errors.decode(errors="replace").strip()
        # Anything but a refusal is a traceback, whose last line says what happened.
        message = told if process.returncode == EXIT_USAGE else told.rpartition("\n")[2]
        raise CannotAsk(message or f"{what} ended with exit code {process.returncode}")
    return output
