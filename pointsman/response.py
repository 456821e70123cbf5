"""How likely a model of a given ability answers a prompt rightly: an item-response model. Pure.

    P(right) = sigmoid(discrimination x (ability - difficulty))          (Birnbaum's two-parameter logistic model, 1968)

Abilities are measured on a scale that two kinds of models fix: a small open model of 7 to 9 billion parameters is 0, a frontier model
is 1. The classifier says how likely a small, a medium and a frontier model is right. A line through these points, in logits, is the
prompt's difficulty and discrimination; since there are three points, there is one line below MEDIUM and one above it.

    logit P
      │            / frontier
      │       _──˙
      │   _─˙ medium
      │  / small
      └──┴────┴─────┴──> ability
         0   0.4    1
"""

import math
from typing import NamedTuple

# Where the classifier's medium models stand: between mixtral-8x7b, some 0.3 below the small ones, and open models of 49 and 51 billion
# parameters, about as good as the frontier model.
MEDIUM = 0.4
# Chances beyond these are not believed: the classifier's calibration has no data there.
LOWEST, HIGHEST = 0.02, 0.98
# Models above the frontier and below the small ones are judged by the line that goes on, so far and no further.
LOWEST_ABILITY, HIGHEST_ABILITY = -2.0, 4.0


class Chances(NamedTuple):
    """Probabilities that a small, a medium and a frontier model answer rightly."""

    small: float
    medium: float
    frontier: float


class Response(NamedTuple):
    """A prompt's lines in logits: `at_medium` where they meet, and how steep each is; neither falls."""

    at_medium: float
    below: float
    above: float

    def logit(self, ability: float) -> float:
        """The logit of P(right)."""
        ability = min(HIGHEST_ABILITY, max(LOWEST_ABILITY, ability))
        return self.at_medium + (ability - MEDIUM) * (self.below if ability < MEDIUM else self.above)

    def probability(self, ability: float) -> float:
        """P(right), from 0 to 1."""
        return 1.0 / (1.0 + math.exp(-self.logit(ability)))

    def slope(self, ability: float) -> float:
        """The discrimination at an ability: how much the logit rises with it."""
        return self.below if ability < MEDIUM else self.above


def response(chances: Chances) -> Response:
    """Draws the lines. Where a better kind of model is said to be worse, both are taken to be as good as their mean."""
    small, medium, frontier = (_logit(min(HIGHEST, max(LOWEST, chance))) for chance in chances)
    # Pool adjacent violators (Ayer et al., 1955), written out for three.
    if small > medium:
        small = medium = (small + medium) / 2
    if medium > frontier:
        medium = frontier = (medium + frontier) / 2
        if small > medium:
            small = medium = frontier = (small + 2 * medium) / 3
    return Response(medium, (medium - small) / MEDIUM, (frontier - medium) / (1 - MEDIUM))


def chances_of(complexity: float) -> Chances:
    """What a complexity alone says: a frontier model does well, a small one that much worse."""
    small = HIGHEST_BY_DEFAULT - complexity * HIGHEST_BY_DEFAULT
    return Chances(small, small + MEDIUM * (HIGHEST_BY_DEFAULT - small), HIGHEST_BY_DEFAULT)


HIGHEST_BY_DEFAULT = 0.95


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
