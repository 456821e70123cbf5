"""Starts a service's process: logging, event loop, and exit codes that a supervisor can act on.

| code | meaning |
|---|---|
| 0 | ended when told to |
| 2 | the configuration or the arguments are wrong; restarting does not help |
| 3 | the address is taken |
| 1 | anything else |
"""

import logging
import sys
from collections.abc import Awaitable, Callable

import uvloop

from pointsman.config.load import ConfigError
from services.runtime.server import AddressTaken
from services.runtime.settings import Settings

EXIT_CONFIG = 2
EXIT_ADDRESS = 3


def run_process(settings: Settings, run: Callable[[Settings], Awaitable[None]]) -> int:
    """Runs `run(settings)` on uvloop until it ends; returns the exit code."""
    logging.basicConfig(
        level=settings.log_level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.captureWarnings(True)

    async def main() -> None:
        await run(settings)

    code = 0
    try:
        uvloop.run(main())
    except* ConfigError as group:
        code = EXIT_CONFIG
        _tell(group)
    except* AddressTaken as group:
        code = EXIT_ADDRESS
        _tell(group)
    except* KeyboardInterrupt:
        pass
    return code


def _tell(group: BaseExceptionGroup[Exception]) -> None:
    """Prints each error once, without a traceback: they are the operator's to mend."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            _tell(error)
        else:
            print(error, file=sys.stderr)
