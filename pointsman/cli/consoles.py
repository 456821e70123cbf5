"""Consoles that print what they are given: text from models, providers and files is never read as markup."""

import sys

from rich.console import Console

# A table that goes into a file or a pipe is not folded to a screen's width.
PIPE_WIDTH = 240


def answers() -> Console:
    """What a command was asked for, on standard output."""
    return Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def notes() -> Console:
    """What is said beside it, on standard error."""
    width = None if sys.stderr.isatty() else PIPE_WIDTH
    return Console(stderr=True, markup=False, emoji=False, highlight=False, width=width)
