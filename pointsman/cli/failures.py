"""Turns what a command raises into one line on standard error and an exit code."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pointsman import errors
from pointsman.config.load import ConfigError
from pointsman.supervisor.claim import RunDirTaken

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_ADDRESS = 3
EXIT_INTERRUPTED = 130

# What a person can do, where the message alone does not say it.
ADVICE: dict[type[errors.PointsmanError], str] = {
    errors.NoCapableModel: "`pointsman explain` shows what each model lacks",
    errors.AllCandidatesUnavailable: "`pointsman models` shows what is up",
    errors.ProviderCredentials: "set the provider's key in the environment of `pointsman up` and start it again",
    errors.ProviderModelUnknown: "`pointsman check-config --live` shows which models a provider lacks",
    errors.DeadlineExceeded: "give it more time with --timeout",
    errors.InternalError: "the log of the mesh has the details",
}


class CannotAsk(Exception):
    """The command line asks for something that makes no sense; the message says what was expected."""


def run_command(
    main: Callable[[], Coroutine[Any, Any, int]], address: Callable[[], str] = str, service: str = "router"
) -> int:
    """Runs `main` and returns its exit code; `address` tells that of the service it asks, for the message that none is there."""
    try:
        return asyncio.run(main())
    except ConfigError as error:
        return _fail(str(error), EXIT_USAGE)
    except CannotAsk as error:
        return _fail(f"pointsman: {error}", EXIT_USAGE)
    except RunDirTaken as error:
        return _fail(f"pointsman: {error}", EXIT_ADDRESS)
    except errors.PointsmanError as error:
        return _fail(f"pointsman: {describe(error, address(), service)}", _exit_code(error))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; what is still buffered would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE


def describe(error: errors.PointsmanError, address: str, service: str = "router") -> str:
    """One line: what went wrong and what to do about it."""
    if isinstance(error, errors.ProviderUnreachable) and error.metadata.get("grpc_status") == "UNAVAILABLE":
        return f"no {service} at {address}; start one with `pointsman up --config FILE`, or name another with {_option(service)}"
    if error.metadata.get("grpc_status") == "UNIMPLEMENTED":
        return f"what listens at {address} is no {service} of Pointsman; name another with {_option(service)}"
    advice = ADVICE.get(type(error), "")
    if error.retry_after_s is not None:
        advice = f"try again in {error.retry_after_s:.3g} s"
    message = " ".join(error.message.split())
    return f"{reason_words(error.reason)}: {message}{'; ' if advice else ''}{advice}"


def _option(service: str) -> str:
    return "--telemetry" if service == "telemetry" else "--address"


def reason_words(name: str) -> str:
    """The name of an ErrorReason as words."""
    return name.removeprefix("ERROR_REASON_").lower().replace("_", " ")


def _exit_code(error: errors.PointsmanError) -> int:
    return EXIT_USAGE if isinstance(error, errors.InvalidRequest) else EXIT_FAILURE


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
