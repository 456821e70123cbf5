"""Gives a loaded model an operator's own routes: reads the file, embeds the examples, sets thresholds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.config.route_file import RouteFile, RouteFileError, read_route_file
from pointsman.config.yaml_file import Problem
from services.classifier.judgement import Tier
from services.classifier.model import ClassifierModel
from services.classifier.route_background import BACKGROUND
from services.classifier.route_fit import NEGATIVE, ORDINARY, Confusion, RouteFit, fit_routes
from services.classifier.routes import RouteTable
from services.classifier.tier_model import TierModel

__all__ = ["RouteFileError", "RouteReport", "TierReport", "load_routes"]

# A route that finds fewer of its own examples again is hardly one.
LEAST_RECALL = 0.5


@dataclass(frozen=True, slots=True)
class TierReport:
    """How well one tier tells the routes apart, by cross-validation."""

    tier: Tier
    routes: tuple[RouteFit, ...]
    confusions: tuple[Confusion, ...]

    def lines(self) -> Iterator[str]:
        """One line a route, then what an operator should look at."""
        for fit in self.routes:
            origin = "given" if fit.given else "cross-validated"
            yield (
                f"{self.tier.value}: route {fit.route}: {fit.examples} examples, threshold {fit.threshold:.2f} ({origin}), "
                f"precision {fit.precision:.2f}, recall {fit.recall:.2f}"
            )
        yield from self.warnings()

    def warnings(self) -> Iterator[str]:
        """Routes that are hard to tell apart, or from everything else."""
        counts = {fit.route: fit.examples for fit in self.routes}
        for pair in self.confusions:
            yield (
                f"{self.tier.value}: warning: {pair.examples} of {counts[pair.route]} examples of route {pair.route} are taken "
                f"for {pair.taken_for}; make them differ, or join the two"
            )
        for fit in self.routes:
            if fit.recall < LEAST_RECALL:
                yield (
                    f"{self.tier.value}: warning: route {fit.route} finds {fit.recall:.0%} of its own examples again; "
                    f"give more that are alike, or split it"
                )


@dataclass(frozen=True, slots=True)
class RouteReport:
    """What was loaded, for each loaded tier."""

    path: Path
    tiers: tuple[TierReport, ...]

    def lines(self) -> Iterator[str]:
        """The reports of all tiers; they hold route names and figures, never an utterance."""
        for tier in self.tiers:
            yield from tier.lines()


def load_routes(path: Path, model: ClassifierModel) -> RouteReport:
    """Read a file of routes and set them on the model's tiers; on failure the model keeps what it has.

    Blocks for milliseconds an example; the model must not be at work meanwhile.
    Raises RouteFileError, for a model without an embedding too, and InferenceError.
    """
    file = read_route_file(path)
    tiers = [(Tier.FAST, model.fast)]
    if model.encoder is not None:
        tiers.append((Tier.ENCODER, model.encoder))
    fitted: list[tuple[TierModel, RouteTable]] = []
    reports = []
    for tier, tier_model in tiers:
        rows, owner = _embed(file, model, tier_model, path)
        given = [route.threshold for route in file.routes.values()]
        table, fits, confusions = fit_routes(tuple(file.routes), rows, owner, given)
        fitted.append((tier_model, table))
        reports.append(TierReport(tier, fits, confusions))
    for tier_model, table in fitted:
        tier_model.routes = table
    return RouteReport(path, tuple(reports))


def _embed(
    file: RouteFile, model: ClassifierModel, tier_model: TierModel, path: Path
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    texts = [(index, text) for index, route in enumerate(file.routes.values()) for text in route.examples]
    texts += [(NEGATIVE, text) for text in file.negatives]
    texts += [(ORDINARY, text) for text in BACKGROUND]
    rows = []
    for _, text in texts:
        prompt = model.prepare(text)
        # One by one: in a quantised model those beside a prompt in its batch move its embedding a little.
        embedding = tier_model.run([prompt.token_ids], prompt.features[None, :]).embedding
        if embedding is None:
            expected = f"expected a model with an embedding; revision {model.revision} has none"
            raise RouteFileError(path, [Problem(0, "routes", expected)])
        rows.append(embedding[0])
    return np.stack(rows), np.array([owner for owner, _ in texts])
