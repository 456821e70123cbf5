"""Takes a changed configuration without a restart; one that is wrong is refused whole and the old one goes on.

same ──file changed, SIGHUP──> read ──good──> replay the last decisions, log what would differ ──> swap ──> same
                                 └──bad, or needs a restart──> told: log, health, counter; old configuration ──> same

A request keeps the configuration that it was decided with.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import SubprocessError

from opentelemetry.metrics import Meter

from pointsman import telemetry_names as names
from pointsman.config.load import ConfigError, LoadedConfig, load_config
from services.router.config import InForce, RouterConfig
from services.router.price_watch import PriceWatch
from services.router.recent import Recent
from services.router.reload_scope import check_scope, owned_elsewhere
from services.router.replay import replay
from services.router.restated import restate
from services.router.settled import read_settled
from services.runtime.health import Health

logger = logging.getLogger(__name__)

COMPONENT = "config"
MOST_BYTES = 16 * 1024 * 1024


class Reload:
    """Looks at the file every `router.reload_interval_s` seconds, and at once when it is told; `run` until it is cancelled.

    `applied` and `refused` count.
    """

    def __init__(
        self,
        path: Path,
        complete: Callable[[LoadedConfig], RouterConfig],
        in_force: InForce,
        take: Callable[[RouterConfig], None],
        prices: PriceWatch,
        recent: Recent,
        health: Health,
        meter: Meter,
    ) -> None:
        """`complete` may take long and raise ConfigError; `take` swaps everything at once and does neither."""
        self._path = path
        self._complete = complete
        self._in_force = in_force
        self._take = take
        self._prices = prices
        self._recent = recent
        self._health = health
        self._reloads = meter.create_counter(
            names.CONFIG_RELOADS, description="Changed configurations by what became of them"
        )
        self._told = asyncio.Event()
        self._judged: bytes | None = None
        self._fault = ""
        self.applied = 0
        self.refused = 0

    async def run(self) -> None:
        """SIGHUP is ours while this runs."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._told.set)
        try:
            await self._health.report(COMPONENT, True)
            while True:
                told = await self._wait(self._in_force.config.section.reload_interval_s)
                await self._look(told=told)
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _wait(self, interval_s: float) -> bool:
        """Until it is time to look, or somebody tells to; whether somebody did."""
        try:
            async with asyncio.timeout(interval_s or None):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True

    async def _look(self, *, told: bool) -> None:
        try:
            if told:
                content: bytes | None = await asyncio.to_thread(self._path.read_bytes)
            else:
                content = await asyncio.to_thread(read_settled, self._path, self._judged, MOST_BYTES)
        except OSError as error:
            self._judged = None
            await self._refuse(f"{self._path}:0: (file): expected a readable file: {error.strerror}", told=told)
            return
        if content is None:
            return
        # Before it is read for good: what is written meanwhile is seen by the next look.
        self._judged = content
        try:
            loaded = await asyncio.to_thread(load_config, self._path)
            if told or loaded.revision != self._in_force.config.revision:
                new = await asyncio.to_thread(self._complete, loaded)
                check_scope(self._in_force.config, new)
                await self._apply(new)
        except ConfigError as error:
            await self._refuse("; ".join(str(error).splitlines()), told=told)
        # Of the process that knows prices of models that the file leaves out.
        except (RuntimeError, SubprocessError, OSError) as error:
            await self._refuse(f"{self._path}:0: (file): {error}", told=told)
        else:
            self._fault = ""
            await self._health.report(COMPONENT, True)

    async def _apply(self, new: RouterConfig) -> None:
        old = self._in_force.config
        await self._tell_difference(new)
        self._take(new)
        self.applied += 1
        self._reloads.add(1, {names.CONFIG_RELOAD_OUTCOME: "applied"})
        logger.info("configuration %s is in force, in place of %s", new.revision, old.revision)
        if elsewhere := owned_elsewhere(old.loaded.mesh, new.loaded.mesh):
            logger.warning("other services take what changed when they are started again: %s", ", ".join(elsewhere))

    async def _tell_difference(self, new: RouterConfig) -> None:
        """Logs which of the last decisions would have been others."""
        records = self._recent.all()
        adjust = restate(self._prices.priced(new.models, new.prices), new.revision)
        try:
            difference = await asyncio.to_thread(replay, records, new.routing, adjust)
        except Exception:
            # It is told for information alone: no defect in it may keep a good configuration out, or end the router.
            logger.exception("the last decisions could not be taken again with configuration %s", new.revision)
            return
        for line in difference.summary():
            logger.info("configuration %s on the last %d decisions: %s", new.revision, len(records), line)

    async def _refuse(self, why: str, *, told: bool) -> None:
        if why == self._fault and not told:
            return
        self._fault = why
        self.refused += 1
        self._reloads.add(1, {names.CONFIG_RELOAD_OUTCOME: "refused"})
        logger.error("the changed configuration is refused, %s goes on: %s", self._in_force.config.revision, why)
        await self._health.report(COMPONENT, False, why[:1_000])
