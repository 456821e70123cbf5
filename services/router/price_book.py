"""Which price is in force for each model, and which prices have jumped. Pure.

listed with the models ──prices.models──> ──prices.file──> ──prices.url──> in force      a later layer wins
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pointsman.config.catalogue import Price

Prices = Mapping[str, Price]
"""By `provider/model`."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All that is known of prices: `listed` are those of the models themselves, and the only ones of which each model has one."""

    listed: Prices
    section: Prices = field(default_factory=dict)
    file: Prices = field(default_factory=dict)
    url: Prices = field(default_factory=dict)

    def in_force(self) -> dict[str, Price]:
        """The price of every model; whole prices win, never parts of one."""
        found = dict(self.listed)
        for layer in (self.section, self.file, self.url):
            found.update((reference, price) for reference, price in layer.items() if reference in found)
        return found

    def unknown(self) -> frozenset[str]:
        """What the file and the URL price that is no model of the configuration."""
        return frozenset((self.file.keys() | self.url.keys()) - self.listed.keys())


class Direction(Enum):
    """Which way a price went."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Jump:
    """A price that moved further at once than it should: of input or output tokens (`token_type`), in micros per million tokens."""

    reference: str
    token_type: str
    before: int
    after: int

    @property
    def direction(self) -> Direction:
        """Never level: a jump is a move."""
        return Direction.UP if self.after > self.before else Direction.DOWN


def jumps(before: Prices, after: Prices, factor: float) -> tuple[Jump, ...]:
    """Prices that rose or fell by more than `factor` (> 1), from zero or to zero; of the models that both know."""
    moves = (
        Jump(reference, token_type, old, new)
        for reference in sorted(before.keys() & after.keys())
        for token_type, old, new in (
            ("input", before[reference].input_micros_per_mtok, after[reference].input_micros_per_mtok),
            ("output", before[reference].output_micros_per_mtok, after[reference].output_micros_per_mtok),
        )
    )
    return tuple(move for move in moves if max(move.before, move.after) > factor * min(move.before, move.after))
