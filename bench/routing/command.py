"""`make bench-routing`: recorded outcomes, a decision's time, a price that jumps, a day of traffic; in under ten minutes."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.classifier.data import Data, DataMissing, load
from bench.classifier.judging import Judges
from bench.gateway.report import machine
from bench.routing import day, day_world, deciding, outcomes, pairs, plots, price_spike, recorded, tables
from bench.routing.accounts import Account
from bench.routing.price_spike import NotFollowed
from services.classifier.manifest import ModelFilesError, read_manifest
from services.classifier.model import SHIPPED_MODELS

RESULTS = Path(__file__).parents[1] / "results"
PICTURES = Path(__file__).parents[2] / "docs" / "images"


def main() -> int:
    """Parses the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.routing", description=(__doc__ or "").split(":", 1)[1])
    told = os.environ.get("POINTSMAN_DATA") or None
    parser.add_argument("--data", type=Path, default=told, help="folder with the data (or POINTSMAN_DATA)")
    parser.add_argument("--quick", action="store_true", help="a shorter day and fewer decisions: a look, not a figure")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder for the plots that the documents show")
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    if args.data is None:
        console.print("[red]bench:[/] the recorded outcomes are needed: pass --data DIR or set POINTSMAN_DATA")
        return 1
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        try:
            found = measure(load(args.data), args, lambda what: progress.update(task, description=what), console)
        except (DataMissing, ModelFilesError) as error:
            progress.stop()
            console.print(f"[red]bench:[/] {escape(str(error))}")
            return 1
        except KeyboardInterrupt:
            return 130
    (RESULTS / "routing.json").write_text(json.dumps(_rounded(found), indent=2) + "\n", encoding="utf-8")
    console.print(f"written to bench/results/routing.json, bench/results/routing.png and {args.pictures}")
    return 0


def measure(data: Data, args: argparse.Namespace, step: Callable[[str], None], console: Console) -> dict[str, Any]:
    """All of it; prints each table as it comes."""
    began_s = time.monotonic()
    taxonomy = read_manifest(SHIPPED_MODELS).taxonomy
    shipped = outcomes.shipped_routing([live.model.reference for live in deciding.fleet().models])
    rounds = deciding.ROUNDS // 10 if args.quick else deciding.ROUNDS
    step("deciding among 50 models")
    # First, while nothing else runs.
    times = {
        "balanced": deciding.measure(deciding.busy_routing(shipped), rounds),
        "balanced, explores 5 %": deciding.measure(deciding.busy_routing(shipped, 0.05), rounds),
    }
    load_average = machine()["load_average"]
    step("a price that jumps")
    shift = _shift(console)
    console.print(tables.times_table(times, shift))
    with Judges(SHIPPED_MODELS, step) as judges:
        asked_train = judges.ask("multi_model train", data.train.prompts)
        asked_test = judges.ask("multi_model test", data.test.prompts)
        asked_pairs = judges.ask("MMLU test", data.mmlu.prompts)
    step("policies on recorded outcomes")
    train = outcomes.recorded(data.train, asked_train, taxonomy)
    on_record = recorded.measure(train, outcomes.recorded(data.test, asked_test, taxonomy))
    console.print(tables.recorded_table(on_record))
    step("MMLU by decisions")
    delivered = pairs.measure(data.mmlu, asked_pairs, taxonomy)
    console.print(tables.pairs_table(delivered, len(data.mmlu.prompts)))
    requests = day_world.REQUESTS // 10 if args.quick else day_world.REQUESTS
    world = day_world.make([one.judgement for one in train.asked], requests)
    days = day.play(world, step)
    balanced = day.policies(world)["balanced"]
    console.print(tables.day_table(world, days, balanced))
    plots.quality_cost(RESULTS / "routing.png", on_record)
    plots.quality_cost(args.pictures / "quality-cost.png", on_record)
    plots.day(args.pictures / "day.png", world, days)
    return {
        "policies": {name: _account(one) | {"ece": on_record.ece[name]} for name, one in on_record.policies.items()},
        "baselines": {name: _account(one) for name, one in on_record.baselines.items()},
        "mmlu": asdict(delivered.per_call),
        "decide_us": asdict(times["balanced"]),
        "price_spike": {
            "seconds_to_shift": shift.median_s if shift else None,
            "worst_s": shift.worst_s if shift else None,
            "seconds_back": shift.back_s if shift else None,
        },
        "mmlu_by_tokens": asdict(delivered.per_token),
        "decide_exploring_us": asdict(times["balanced, explores 5 %"]),
        "best_single": on_record.best_single_name,
        "singles": {name: _account(one) for name, one in on_record.singles.items()},
        "best_by_true_task": _account(on_record.by_true_task),
        "at_best_single": _account(on_record.at_best_single) | {"success_value": on_record.value_at_best_single},
        "curve": [asdict(point) for point in on_record.curve],
        "area": dict(on_record.area),
        "abilities_from": {
            "used": on_record.ways[0].name,
            "tried": {way.name: {"picked": way.picked, "log_loss": way.log_loss} for way in on_record.ways},
        },
        "on_train": {name: _account(one) for name, one in on_record.on_train.items()},
        "day": {
            name: {
                "spent": float(one.dollars.sum()),
                "right": float(one.right.mean()),
                "failed_calls": one.failed_attempts,
                "worth_per_1k": one.worth(balanced),
            }
            for name, one in days.items()
        },
        "machine": machine() | {"load_average": load_average},
        "seconds": time.monotonic() - began_s,
        "quick": args.quick,
    }


def _account(one: Account) -> dict[str, Any]:
    return {"accuracy": one.accuracy, "cost_per_1k": one.cost_per_1k, "share": one.share}


def _shift(console: Console) -> price_spike.Shift | None:
    """None where traffic did not follow, which is told."""
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as folder:
        try:
            return asyncio.run(price_spike.measure(Path(folder)))
        except NotFollowed as error:
            console.print(f"[red]price spike:[/] {escape(str(error))}")
            return None


def _rounded(value: Any) -> Any:
    """Six digits are more than the figures hold."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
