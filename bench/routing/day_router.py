"""What one router knows during the simulated day: its own attempts, circuits, health, prices, and what feedback has taught."""

from collections.abc import Mapping
from dataclasses import replace

from bench.routing.day_world import World
from pointsman.response import chances_of, response
from services.router.breaker import Breaker
from services.router.candidates import Ability, Judgement, LiveModel, Snapshot
from services.router.observed import Observed
from services.router.policy import reliability
from services.telemetry.ability import Abilities
from services.telemetry.lengths import Lengths

HALF_LIFE_S = 14 * 86_400.0
# A provider looks after its API so often, and a watched price is read again after so long.
HEALTH_S, PRICES_S = 10.0, 2.0


class Known:
    """Everything that a decision may rest on; nothing of the truth but what was seen of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._observed = [Observed() for _ in world.models]
        self._breakers = [Breaker() for _ in world.models]
        self._abilities, self._lengths = Abilities(HALF_LIFE_S), Lengths(HALF_LIFE_S)
        self._keys = [(model.provider, model.name) for model in world.models]
        self._intents = sorted({"", *(one.intent for one in world.judged)})
        for key, model in zip(self._keys, world.models, strict=True):
            self._abilities.set_prior(key, {"": model.quality}, model.quality_deviation, 0.0)
        self._believed = [self._beliefs(column, 0.0) for column in range(len(world.models))]

    def snapshot(self, at_s: float) -> Snapshot:
        """The fleet as it is seen at this moment."""
        return Snapshot(tuple(self._live(column, at_s) for column in range(len(self._keys))), "day")

    def begin(self, column: int, at_s: float) -> None:
        """An attempt begins."""
        self._breakers[column].begin(at_s)

    def failed(self, column: int, at_s: float) -> None:
        """An attempt failed."""
        self._observed[column].add(at_s, failed=True, first_token_s=None, tokens_per_second=None)
        self._breakers[column].ended(at_s, failed=True)

    def answered(
        self, column: int, judged: Judgement, at_s: float, first_token_s: float, rate: float, tokens: float
    ) -> None:
        """An attempt ended whole."""
        self._observed[column].add(at_s, failed=False, first_token_s=first_token_s, tokens_per_second=rate)
        self._breakers[column].ended(at_s, failed=False)
        self._lengths.add(self._keys[column], judged.intent, tokens / judged.output_tokens, at_s)

    def taught(self, column: int, judged: Judgement, right: bool, at_s: float) -> None:
        """A client said whether an answer was right."""
        curve = response(chances_of(judged.complexity) if judged.chances is None else judged.chances)
        self._abilities.learn(self._keys[column], judged.intent, curve, float(right), 1.0, at_s)
        self._believed[column] = self._beliefs(column, at_s)

    def believed(self, column: int, intent: str) -> float:
        """The ability that is believed of a model."""
        return self._believed[column][intent].mean

    def _beliefs(self, column: int, at_s: float) -> Mapping[str, Ability]:
        key, model, found = self._keys[column], self._world.models[column], {}
        for intent in self._intents:
            offset = self._abilities.offset(key, intent, at_s)
            ratio = self._lengths.ratio(key, intent, at_s) or self._lengths.ratio(key, "", at_s) or 1.0
            found[intent] = Ability(model.quality + offset.mean, offset.deviation, ratio)
        return found

    def _live(self, column: int, at_s: float) -> LiveModel:
        own, model = self._observed[column], self._world.models[column]
        own.fade(at_s)
        # Only an API that is down altogether looks so from outside.
        down = at_s >= HEALTH_S and self._world.failing(column, at_s - HEALTH_S) == 1.0
        price = self._world.price(column, max(0.0, at_s - PRICES_S))
        return LiveModel(
            model if price is model.price else replace(model, price=price),
            "its provider says that it is not ready" if down else "",
            own.first_token_s or model.first_token_s,
            own.tokens_per_second or model.tokens_per_second,
            reliability(round(own.attempts), round(own.failures)),
            self._believed[column],
            self._breakers[column].refusal(at_s),
        )
