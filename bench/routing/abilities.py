"""Each model's ability for each intent, from recorded scores: two ways, of which cross-validation on train takes one.

- `feedback`: the learner of the mesh itself, told each score as if a client had sent it as feedback, once, in the order of the file;
- `direct`: the posterior mean of the same item-response model on a grid. An intent's ability is drawn towards the model's over all
  intents, by a normal distribution around it whose width cross-validation chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.routing.outcomes import SMALL_BILLIONS, Abilities, Floats, Recorded, billions
from pointsman.config.catalogue import Model
from pointsman.response import HIGHEST_ABILITY, LOWEST_ABILITY, MEDIUM, Response, chances_of, response
from services.router.candidates import Ability
from services.telemetry.ability import Abilities as Learner

FOLDS = 5
WIDTHS = (0.1, 0.2, 0.4, 0.8)
# What an operator would say before any feedback: by size alone, and that it may be far off.
SMALL_PRIOR, LARGE_PRIOR, PRIOR_DEVIATION = 0.0, MEDIUM, 0.3
DAY_S = 86_400.0
GRID = np.linspace(LOWEST_ABILITY, HIGHEST_ABILITY, 121)
# US dollars that a right answer is worth where accuracy alone counts: money decides between equals.
FOR_ACCURACY = 10.0

Columns = NDArray[np.int64]
Fit = Callable[[Recorded], Abilities]


@dataclass(frozen=True, slots=True)
class Tried:
    """One way, by predictions for folds that it was not fitted on: mean log loss over all models, and the score of picks."""

    name: str
    fit: Fit
    log_loss: float
    picked: float
    held_out: Floats
    """P(right) of every model for every prompt of train, from the folds without it."""
    folds: tuple[tuple[Columns, Abilities], ...]
    """The rows of each fold, and what was fitted without them."""


def try_all(train: Recorded) -> list[Tried]:
    """Both ways, the direct one at every width; the best by what its picks score comes first."""
    ways: dict[str, Fit] = {"feedback": by_feedback}
    ways |= {f"direct, width {width:g}": _direct(width) for width in WIDTHS}
    return sorted((_tried(name, fit, train) for name, fit in ways.items()), key=lambda tried: -tried.picked)


def _direct(width: float) -> Fit:
    return lambda rows: directly(rows, width)


def _tried(name: str, fit: Fit, train: Recorded) -> Tried:
    fold = np.random.default_rng(0).integers(0, FOLDS, len(train.asked))
    held_out, folds = np.zeros_like(train.scores), []
    for part in range(FOLDS):
        left = np.flatnonzero(fold == part)
        abilities, rows = fit(train.take(np.flatnonzero(fold != part))), train.take(left)
        folds.append((left, abilities))
        held_out[left] = chances(rows, abilities)
    chance = np.clip(held_out, 1e-6, 1 - 1e-6)
    loss = -(train.scores * np.log(chance) + (1 - train.scores) * np.log(1 - chance)).mean()
    picked = train.scores[np.arange(len(fold)), picks_at(held_out, train.dollars, FOR_ACCURACY)].mean()
    return Tried(name, fit, float(loss), float(picked), held_out, tuple(folds))


def picks_at(chance: Floats, dollars: Floats, value: float) -> Columns:
    """What `choose` picks where a right answer is worth `value` dollars and time nothing, for all prompts at once."""
    found: Columns = (chance * value - dollars).argmax(axis=1)
    return found


def chances(rows: Recorded, abilities: Abilities) -> Floats:
    """P(right) of every model, (prompts, models): what `choose` expects, for all prompts at once."""
    intents = [one.judgement.intent for one in rows.asked]
    known = [abilities[model.reference] for model in rows.models]
    able = np.array([[of.get(intent, of[""]).mean for of in known] for intent in intents])
    return 1 / (1 + np.exp(-_lines(rows, np.clip(able, LOWEST_ABILITY, HIGHEST_ABILITY))))


def by_feedback(rows: Recorded) -> Abilities:
    """What the learner knows after each score was told it once."""
    learner = Learner(half_life_s=14 * DAY_S)
    for model in rows.models:
        learner.set_prior((model.provider, model.name), {"": _prior(model)}, PRIOR_DEVIATION, 0.0)
    for one, curve, scores in zip(rows.asked, _responses(rows), rows.scores.tolist(), strict=True):
        for model, score in zip(rows.models, scores, strict=True):
            learner.learn((model.provider, model.name), one.judgement.intent, curve, score, 1.0, 0.0)
    found: dict[str, dict[str, Ability]] = {}
    for model in rows.models:
        known = found[model.reference] = {}
        for intent in {"", *(one.judgement.intent for one in rows.asked)}:
            offset = learner.offset((model.provider, model.name), intent, 0.0)
            known[intent] = Ability(_prior(model) + offset.mean, offset.deviation)
    return found


def directly(rows: Recorded, width: float) -> Abilities:
    """Posterior means and deviations on the grid."""
    lines = _lines(rows, np.broadcast_to(GRID, (len(rows.asked), len(GRID))))
    right, wrong = -np.logaddexp(0, -lines), -np.logaddexp(0, lines)
    intents = np.array([one.judgement.intent for one in rows.asked])
    # Log likelihood of each model at each ability, (models, grid), by intent.
    told = {
        intent: rows.scores[intents == intent].T @ right[intents == intent]
        + (1 - rows.scores[intents == intent]).T @ wrong[intents == intent]
        for intent in sorted(set(intents.tolist()))
    }
    found: dict[str, dict[str, Ability]] = {}
    for index, model in enumerate(rows.models):
        every = np.sum([part[index] for part in told.values()], axis=0)
        overall = _posterior(every, _prior(model), PRIOR_DEVIATION)
        found[model.reference] = {"": overall}
        for intent, part in told.items():
            found[model.reference][intent] = _posterior(part[index], overall.mean, width)
    return found


def _posterior(log_likelihood: Floats, mean: float, deviation: float) -> Ability:
    logs = log_likelihood - ((GRID - mean) / deviation) ** 2 / 2
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    middle = float(weight @ GRID)
    return Ability(middle, float(np.sqrt(weight @ (GRID - middle) ** 2)))


def _responses(rows: Recorded) -> list[Response]:
    found = []
    for one in rows.asked:
        judged = one.judgement
        found.append(response(chances_of(judged.complexity) if judged.chances is None else judged.chances))
    return found


def _lines(rows: Recorded, abilities: Floats) -> Floats:
    """`Response.logit` of each prompt at its row of abilities, (prompts, K)."""
    at_medium, below, above = np.array(_responses(rows)).T[:, :, None]
    found: Floats = at_medium + (abilities - MEDIUM) * np.where(abilities < MEDIUM, below, above)
    return found


def _prior(model: Model) -> float:
    return SMALL_PRIOR if billions(model.name) < SMALL_BILLIONS else LARGE_PRIOR
