"""`python -m training.adapt`: what `pointsman train` runs. Exit codes: 1 refused, 2 usage, records or model files."""

import argparse
import sys
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from pointsman.cli.consoles import answers, notes
from services.classifier.judgement import Tier
from services.classifier.manifest import Manifest, ModelFilesError, read_manifest
from services.classifier.model import SHIPPED_MODELS
from services.classifier.onnx_model import InferenceError
from training.adapt.adaptation import Adaptation, adapt, adapters, calibrated, count_steps
from training.adapt.embed import Embedded, count_embeddings, embed
from training.adapt.folder import BASE_KEY, NewFiles, check_target, read_base, write_folder
from training.adapt.heads import SAME
from training.adapt.records import CAPABILITY_TIERS, Records, RecordsError, read_records
from training.adapt.report import figures_record, figures_view
from training.adapt.support import extended_support

REFUSED, WRONG = 1, 2
DEFAULT_FOLDER = "classifier-model"


def main() -> int:
    """Returns the exit code."""
    try:
        return _train(_arguments())
    except (RecordsError, ModelFilesError, InferenceError) as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pointsman train", description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--models-dir", type=Path, default=SHIPPED_MODELS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--skip-bad", action="store_true")
    parser.add_argument("--force", action="store_true")
    return parser.parse_args()


def _train(asked: argparse.Namespace) -> int:
    target: Path = asked.out or asked.source.parent / DEFAULT_FOLDER
    check_target(target)
    base = read_base(asked.models_dir)
    log = notes()
    if read_manifest(asked.models_dir).adapter_file is not None:
        log.print(f"{asked.models_dir} was adapted before: this starts from its base {base.revision}, not on top of it")
    records = read_records(
        asked.source, base.taxonomy, skip_bad=asked.skip_bad, on_bad=lambda message: log.print(message, style="yellow")
    )
    print_counts(records)
    embedded, found = _fit(asked.models_dir, base, records)
    answers().print(figures_view(found))
    if (problem := _problem(found)) and not asked.force:
        log.print(Text(f"nothing written: {problem}; --force writes it all the same", "red"))
        return REFUSED
    found = found if problem else found.without_worse()
    new = NewFiles(adapters(base, found, embedded), extended_support(asked.models_dir, base, embedded, records.rows))
    manifest = write_folder(asked.models_dir, base, _manifest(base, found, records), new, target)
    log.print(Text(f"\nwrote {target}, revision {manifest.revision}", "bold green"))
    log.print(Text(f"serve it: `classifier: {{models_dir: {target.resolve()}}}` in the mesh's file", "dim"))
    return 0


def print_counts(records: Records) -> None:
    """Say what was read, on standard error."""
    rows = records.rows
    tiers = ", ".join(f"{sum(r.tier == i for r in rows):,} {name}" for i, name in enumerate(CAPABILITY_TIERS))
    lines = "line" if records.bad_lines == 1 else "lines"
    left_out = f"; {records.bad_lines:,} bad {lines} left out" if records.bad_lines else ""
    notes().print(
        Text(
            f"{len(rows):,} requests: {sum(r.intent is not None for r in rows):,} with an intent, outcomes of {tiers}, "
            f"{sum(r.output_tokens is not None for r in rows):,} with output tokens{left_out}"
        )
    )


def _fit(base_directory: Path, base: Manifest, records: Records) -> tuple[Embedded, Adaptation]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    log = notes()
    with Progress(*columns, console=log, disable=not log.is_terminal, transient=True) as progress:
        embedding = progress.add_task("embedding", total=count_embeddings(base, records.rows))
        embedded = embed(base_directory, base, records.rows, lambda done: progress.advance(embedding, done))
        fitting = progress.add_task("fitting", total=count_steps(embedded, records.rows))
        return embedded, adapt(base, embedded, records.rows, lambda: progress.advance(fitting))


def _problem(found: Adaptation) -> str:
    """Why the result is not worth writing; empty where it is."""
    if found.log_loss_change > SAME:
        return f"the cross-validated log-loss got worse, by {found.log_loss_change:.3f} a row over all heads"
    return "" if found.without_worse().changed else "these requests teach nothing that holds on others of them"


def _manifest(base: Manifest, found: Adaptation, records: Records) -> Manifest:
    """The new manifest but for its files and its revision."""
    lengths = found.lengths.fitted if found.lengths and found.lengths.better else None
    rows = {
        "requests": len(records.rows),
        "bad_lines": records.bad_lines,
        "intent": sum(row.intent is not None for row in records.rows),
        "right": {name: sum(row.tier == i for row in records.rows) for i, name in enumerate(CAPABILITY_TIERS)},
        "output_tokens": sum(row.output_tokens is not None for row in records.rows),
    }
    return base.model_copy(
        update={
            "fast": calibrated(base.fast, Tier.FAST, found),
            "encoder": base.encoder and calibrated(base.encoder, Tier.ENCODER, found),
            "output_tokens": dict(zip(base.taxonomy, lengths, strict=True)) if lengths else base.output_tokens,
            "training": {"data_sha256": records.sha256, "rows": rows, BASE_KEY: base.model_dump(mode="json")},
            "metrics": base.metrics | {"adaptation": figures_record(found)},
        }
    )


if __name__ == "__main__":
    raise SystemExit(main())
