"""The parts of a router that every request needs, put together once."""

from dataclasses import dataclass

from services.router.config import InForce
from services.router.fleet import Fleet
from services.router.gate import Gates
from services.router.hedge import HedgeBudget
from services.router.recent import Recent
from services.router.repeats import Repeats
from services.router.report import Reporter
from services.router.sessions import Sessions
from services.router.shadow import Shadows
from services.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Memory:
    """What a router remembers of requests past: who answered a session, what was asked again, what was decided."""

    sessions: Sessions
    repeats: Repeats
    recent: Recent


@dataclass(frozen=True, slots=True)
class Workings:
    """The parts of a router that a request needs."""

    in_force: InForce
    fleet: Fleet
    reporter: Reporter
    shadows: Shadows
    memory: Memory
    hedges: HedgeBudget
    gates: Gates
    clock: Clock
