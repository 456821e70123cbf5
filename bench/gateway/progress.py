"""Shows on standard error what is being measured, while it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Phases:
    """One line for each phase; a phase of known length has a bar."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, message: str) -> None:
        """Says something once."""
        self._console.print(message)

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """Shows `name` until the block ends; the block calls what it gets `total` times."""
        if not self._console.is_terminal:
            self._console.print(f"bench: {name}")
            yield lambda: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as shown:
            task = shown.add_task(name, total=total)
            yield lambda: shown.advance(task)
            shown.update(task, total=total or 1, completed=total or 1)
