"""Canaries, A/B splits and shadows: which requests go where, stable for a session. Pure.

Each draw is a number from 0 to 1 made of the experiment's name and the session's (or request's) digest. So a session stays in its arm,
two experiments are independent, and a share that is raised only adds sessions to an arm.

    0 ├── arm a ──┼─ arm b ─┼────── decided as ever ──────┤ 1
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.router.rules import When

_UNIT = 2.0**-64


@dataclass(frozen=True, slots=True)
class Experiment:
    """`arms` are references, `provider/model`, with their share of the requests; together at most 1."""

    name: str
    when: When
    arms: tuple[tuple[str, float], ...]
    shadow: bool = False
    max_cost_micros_per_hour: float = 0.0
    record_answers: bool = False


def draw(*parts: str | int) -> float:
    """A number in [0, 1) that depends on nothing but the parts."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") * _UNIT


def digest(session_key: str) -> int:
    """What stands for a session key where it is recorded; 0 for no key."""
    if not session_key:
        return 0
    return int.from_bytes(hashlib.blake2b(session_key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def arm(experiment: Experiment, session: int, request_id: str) -> tuple[str, float] | None:
    """The arm that a request is in, with its share; None where it is decided as ever."""
    point = draw(experiment.name, session or request_id)
    for reference, share in experiment.arms:
        if point < share:
            return reference, share
        point -= share
    return None


def shadows(experiments: Sequence[Experiment], request_id: str) -> tuple[tuple[Experiment, str], ...]:
    """The models that get a copy of a request, each with its experiment; drawn for each request anew."""
    chosen = []
    for experiment in experiments:
        if (found := arm(experiment, 0, request_id)) is not None:
            chosen.append((experiment, found[0]))
    return tuple(chosen)
