"""One run: quality on the test splits, then the service; puts figures, tables and plots together."""

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from rich.progress import Progress
from rich.table import Table

from bench.classifier import figures, latency, mmlu, multi_model, plots, robustness, tables, throughput, trade_off
from bench.classifier.data import Data
from bench.classifier.judging import Judges
from bench.classifier.reliability import Reliability, right_by_tier
from bench.classifier.report import Report, read_report
from bench.classifier.service import can_pin
from bench.classifier.texts import Words
from bench.gateway.report import machine
from services.classifier.manifest import Manifest, read_manifest
from training.classifier.prompts import PromptGenerator

PROMPTS = Path(__file__).parents[2] / "training" / "classifier" / "prompts.yaml"
ROUNDS, QUICK_ROUNDS = 400, 60
LOAD_S, QUICK_LOAD_S = 2.5, 1.0
# Generated prompts where there is no data: texts that they are about, prompts of each group.
PASSAGES, PER_GROUP = 60, 200


class Bench:
    """One run over one folder of artefacts."""

    def __init__(self, progress: Progress, models_dir: Path, quick: bool) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)
        self._dir = models_dir
        self._quick = quick
        self._manifest: Manifest = read_manifest(models_dir)
        self._report: Report = read_report(models_dir, self._manifest.metrics)
        self._words = Words.of(models_dir / self._manifest.tokenizer.file)
        self.tables: list[Table] = []
        self.figures: dict[str, Any] = {}

    def step(self, what: str) -> None:
        """Shows what is done now."""
        self._progress.update(self._task, description=what)

    def run(self, data: Data | None, folder: Path) -> None:
        """Measures quality, then the service, and draws; `folder` gets the plots."""
        began_s = time.monotonic()
        with Judges(self._dir, self.step) as judges:
            found = self._quality(judges, data, folder) if data else self._told()
            found |= self._robustness(judges, data)
        if data:
            windows = trade_off.measure(self._dir, data.mmlu, self.step)
            plots.trade_off(folder, windows)
            found |= {"windows": [asdict(window) for window in windows]}
        found |= uvloop.run(self._service(folder))
        told = {
            "units": figures.UNITS,
            "revision": self._manifest.revision,
            "sources": self._sources(data),
            "machine": machine() | {"service_on_one_core": can_pin()},
            "quick": self._quick,
            "seconds": time.monotonic() - began_s,
        }
        order = (
            "mmlu",
            "multi_model",
            "intent",
            "calibration",
            "robustness",
            "latency_ms",
            "throughput_per_s",
            "rss_mb",
        )
        self.figures = {name: found[name] for name in order} | {"bars_held": figures.held(found)} | told
        self.figures |= {name: value for name, value in found.items() if name not in order}
        self.tables.insert(0, tables.bars(found))

    def _quality(self, judges: Judges, data: Data, folder: Path) -> dict[str, Any]:
        on_mmlu = judges.ask("MMLU test", data.mmlu.prompts)
        train = judges.ask("multi_model train", data.train.prompts, embeddings=True)
        test = judges.ask("multi_model test", data.test.prompts, embeddings=True)
        self.step("multi_model: fitting on train")
        recovered = mmlu.measure(data.mmlu, on_mmlu)
        multi = multi_model.measure(data.train, train, data.test, test) if _embeds(self._manifest) else None
        right = right_by_tier(data, on_mmlu, test)
        plots.recovered_gap(folder, recovered)
        plots.reliability(folder, self._panels(right))
        self.tables.append(tables.mmlu_table(recovered))
        if multi:
            plots.quality_cost(folder, multi)
            self.tables.append(tables.multi_model_table(multi))
        self.tables.append(tables.calibration_table(right))
        quality = figures.quality_figures(recovered, multi, self._report)
        return quality | figures.calibration_figures(right, self._report)

    def _told(self) -> dict[str, Any]:
        return figures.quality_figures(None, None, self._report) | figures.calibration_figures(None, self._report)

    def _panels(self, right: dict[str, dict[str, Reliability]]) -> dict[str, dict[str, Reliability]]:
        """By kind of chance; the intent's is drawn where the report tells its bins."""
        found = {f"P({name} is right)": {tier: right[tier][name] for tier in right} for name in right["encoder"]}
        bins = self._report.get("calibration", "intent_bins")
        if not isinstance(bins, dict):
            return found
        told = Reliability(tuple(bins["said"]), tuple(bins["found"]), tuple(bins["prompts"]))
        return {"intent, cross-validated": {"report": told}} | found

    def _robustness(self, judges: Judges, data: Data | None) -> dict[str, Any]:
        prompts = [*data.mmlu.prompts, *data.test.prompts] if data else self._generated()
        found = robustness.measure(judges, prompts)
        self.tables.append(tables.robustness_table(found))
        return figures.robustness_figures(found)

    def _generated(self) -> Sequence[str]:
        rng = np.random.default_rng(4)
        passages = [self._words.text(90, rng) for _ in range(PASSAGES)]
        generator = PromptGenerator(PROMPTS, passages, random.Random(4))
        return list(dict.fromkeys(made.text for made in generator.generate(PER_GROUP)))

    async def _service(self, folder: Path) -> dict[str, Any]:
        if task := asyncio.current_task():
            # As Ctrl-C does, so that no process is left behind.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        rounds, seconds = (QUICK_ROUNDS, QUICK_LOAD_S) if self._quick else (ROUNDS, LOAD_S)
        with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name:
            run, models = Path(name), self._dir.absolute()
            times = await latency.measure(run, models, self._words, rounds, self.step)
            rates = await throughput.measure(run, models, self._words, seconds, self.step)
        plots.latency(folder, times)
        self.tables += [tables.latency_table(times), tables.throughput_table(rates)]
        return figures.service_figures(times, rates)

    def _sources(self, data: Data | None) -> dict[str, Any]:
        """Where the figures come from that are not measured here."""
        told = self._report
        seeds = told.get("mmlu", "seeds") or told.get("seeds")
        mmlu_from = (
            f"{told.source}, mean of its seeds" if told.number("mmlu", "apgr") is not None else "the shipped model"
        )
        return {
            "mmlu": mmlu_from,
            "intent": told.source,
            "intent_ece": told.source,
            "right_ece": "the shipped model" if data else told.source,
            "multi_model": "the shipped model, fitted on train" if data else told.source,
            "robustness": "test splits" if data else "generated prompts",
            "repeated_train_prompts_left_out": data.repeated if data else None,
            "report_seeds": len(seeds) if isinstance(seeds, list) else seeds,
            "report_data_sha256": told.get("data_sha256") or self._manifest.training.get("data_sha256"),
        }


def _embeds(manifest: Manifest) -> bool:
    return manifest.encoder is not None and manifest.encoder.embedding_dimensions is not None
