"""Where a supervisor tells what its services say, and what it does with them."""

from typing import Protocol, TextIO


class Journal(Protocol):
    """Takes one line at a time; must not block for long, since the services' pipes wait meanwhile."""

    def output(self, service: str, line: str) -> None:
        """A service wrote `line`."""
        ...

    def notice(self, service: str, message: str) -> None:
        """The supervisor tells of a service: it died, it starts again, it is given up."""
        ...


class SilentJournal:
    """Forgets everything."""

    def output(self, service: str, line: str) -> None:
        """Forgets what a service wrote."""

    def notice(self, service: str, message: str) -> None:
        """Forgets what the supervisor tells."""


class TextJournal:
    """Writes everything to a file, each line behind its service's name."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def output(self, service: str, line: str) -> None:
        """Writes what a service wrote."""
        print(f"{service} | {line}", file=self._file, flush=True)

    def notice(self, service: str, message: str) -> None:
        """Writes what the supervisor tells."""
        print(f"{service} > {message}", file=self._file, flush=True)
