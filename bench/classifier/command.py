"""`make bench-classifier`: every figure of the classifier, on the model that is shipped, in under ten minutes on two cores."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from grpc import aio
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.classifier import tables
from bench.classifier.data import Data, DataMissing, load
from bench.classifier.run import Bench
from bench.classifier.service import ServiceFailed
from bench.gateway.report import write
from services.classifier.manifest import ModelFilesError
from services.classifier.model import SHIPPED_MODELS

RESULTS = Path(__file__).parents[1] / "results"


def main() -> int:
    """Parses the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=(__doc__ or "").split(":", 1)[1])
    told = os.environ.get("POINTSMAN_DATA") or None
    parser.add_argument("--data", type=Path, default=told, help="folder with the data (or POINTSMAN_DATA)")
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS, help="folder with a manifest.json")
    parser.add_argument("--quick", action="store_true", help="fewer requests: a look, not a figure")
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 135)
    folder = RESULTS / "classifier"
    bench: Bench | None = None
    code = 1
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        try:
            data = _data(console, args.data)
            running = Bench(progress, args.models, args.quick)
            running.run(data, folder)
            bench = running
        # Requests that run together fail together.
        except* (DataMissing, ModelFilesError, ServiceFailed, aio.AioRpcError, json.JSONDecodeError) as group:
            progress.stop()
            console.print(f"[red]bench:[/] {escape(_first(group))}")
        except* (KeyboardInterrupt, asyncio.CancelledError):
            code = 130
    if bench is None:
        return code
    tables.show(console, bench.tables)
    console.print(_notes(bench.figures))
    path = RESULTS / "classifier.json"
    write(path, bench.figures)
    shown = [p.relative_to(Path.cwd()) if p.is_relative_to(Path.cwd()) else p for p in (path, folder)]
    console.print(f"written to {shown[0]} and {shown[1]}/")
    return 0


def _first(error: BaseException) -> str:
    """What to tell of an error, or of the first of those that came together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__


def _data(console: Console, directory: Path | None) -> Data | None:
    if directory is not None:
        return load(directory)
    console.print(
        "[yellow]No data: pass --data DIR or set POINTSMAN_DATA.[/] Measured is what needs none (time, throughput, memory, and "
        "robustness on generated prompts); the rest is what the last training reported."
    )
    return None


def _notes(found: dict[str, Any]) -> str:
    sources = found["sources"]
    lines = [
        f"Model {found['revision']}; load average {found['machine']['load_average'][0]} of {found['machine']['cores']} cores; "
        f"{found['seconds']:.0f} s.",
        f"MMLU's row: {sources['mmlu']}. Intent and its calibration: {sources['intent']}. P(right): {sources['right_ece']}.",
    ]
    if sources["repeated_train_prompts_left_out"]:
        lines.append(
            f"{sources['repeated_train_prompts_left_out']} train prompts of multi_model stand in its test split too; "
            "nothing is fitted on them here."
        )
    return "\n".join(lines)
