"""Picking one of nine models for each prompt: how often the pick is right, and what it costs.

A predictor gives each model's expected score. Everything is fitted and chosen on the train split alone: the predictor's settings
and λ, the worth of money, by predictions for folds that it was not fitted on. The test split is looked at once, with what was chosen.

    pick = argmax over models (expected score - λ * dollars)
    dollars = price of a token * (tokens of the prompt + tokens of the answer), both as the classifier estimates them
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.classifier.data import Scores
from bench.classifier.judging import Answers
from bench.classifier.predictors import Fitted, fit_knn, fit_predictor

Floats = NDArray[np.float64]
# In points of score for a cent; the lowest also settles ties.
LAMBDAS = np.concatenate([[0.0], np.geomspace(0.02, 50.0, 120)])


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to pick: mean score of its picks, their cost over that of always taking the best single model."""

    accuracy: float
    price_share: float


@dataclass(frozen=True, slots=True)
class MultiModel:
    """On the test split but for what is named train; standard errors are of the difference to the best single model."""

    prompts: int
    train_prompts: int
    best_single_name: str
    best_single: Choice
    singles: dict[str, Choice]
    knn: Choice
    picked: Choice
    picked_se: float
    at_best_single: Choice
    at_best_single_se: float
    oracle: Choice
    lambda_per_cent: float
    settings: str
    train_best_single: float
    train_picked: float
    train_oracle: float
    curve: tuple[Choice, ...]
    """By λ, from the dearest picks to the cheapest."""


def cents(scores: Scores, answers: Answers) -> Floats:
    """What each prompt costs with each model, (prompts, models)."""
    dollars = np.stack([answers.input_tokens, answers.output_tokens], axis=1) @ scores.price.T / 1e6
    found: Floats = 100 * dollars
    return found


def measure(train: Scores, asked_train: Answers, test: Scores, asked_test: Answers) -> MultiModel:
    """Fit on train, choose λ on train, look at test."""
    fitted = fit_predictor(train.scores, asked_train)
    train_cost, cost = cents(train, asked_train), cents(test, asked_test)
    best = int(train.scores.mean(axis=0).argmax())
    # A pick that is right as often and cheaper is better even where accuracy alone counts.
    most_right = _most_right(fitted, train.scores, train_cost)
    cheapest = lambda_at_best_single(fitted.held_out, train.scores, train_cost, best)
    predicted = fitted.predict(asked_test)

    def choice(picks: NDArray[np.int64]) -> Choice:
        rows = np.arange(len(picks))
        return Choice(
            float(test.scores[rows, picks].mean()), float(cost[rows, picks].sum() / cost[:, best].sum())
        )  # fmt: skip

    def error(picks: NDArray[np.int64]) -> float:
        gain = test.scores[np.arange(len(picks)), picks] - test.scores[:, best]
        return float(gain.std() / np.sqrt(len(gain)))

    picked, saved = pick(predicted, cost, most_right), pick(predicted, cost, cheapest)
    train_rows = np.arange(len(train.prompts))
    singles = {name: choice(np.full(len(test.prompts), i)) for i, name in enumerate(test.models)}
    return MultiModel(
        prompts=len(test.prompts),
        train_prompts=len(train.prompts),
        best_single_name=test.models[best],
        best_single=singles[test.models[best]],
        singles=singles,
        knn=choice(fit_knn(train.scores, asked_train).predict(asked_test).argmax(axis=1)),
        picked=choice(picked),
        picked_se=error(picked),
        at_best_single=choice(saved),
        at_best_single_se=error(saved),
        oracle=choice(pick(test.scores, cost, 1e-9)),
        lambda_per_cent=cheapest,
        settings=fitted.settings,
        train_best_single=float(train.scores[:, best].mean()),
        train_picked=float(train.scores[train_rows, pick(fitted.held_out, train_cost, most_right)].mean()),
        train_oracle=float(train.scores.max(axis=1).mean()),
        curve=tuple(choice(pick(predicted, cost, worth)) for worth in LAMBDAS),
    )


def pick(expected: Floats, cost: Floats, worth: float) -> NDArray[np.int64]:
    """Take the model whose expected score less `worth` times its cents is highest."""
    found: NDArray[np.int64] = (expected - worth * cost).argmax(axis=1)
    return found


def lambda_at_best_single(expected: Floats, scores: Floats, cost: Floats, best: int) -> float:
    """Find the largest λ whose picks are at least as right as the best single model, by one standard error.

    `expected` are predictions for rows that they were not fitted on. The error is that of the difference; without it half of all such
    choices would fall short on new prompts.
    """
    rows, chosen = np.arange(len(scores)), 0.0
    for worth in LAMBDAS:
        gain = scores[rows, pick(expected, cost, worth)] - scores[:, best]
        if gain.mean() >= gain.std() / np.sqrt(len(gain)):
            chosen = float(worth)
    return chosen


def _most_right(fitted: Fitted, scores: Floats, cost: Floats) -> float:
    rows = np.arange(len(scores))
    right = [scores[rows, pick(fitted.held_out, cost, worth)].mean() for worth in LAMBDAS]
    return float(LAMBDAS[int(np.argmax(right))])
