"""Watches the health of a provider's models and tells every watcher, newest state only."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping

from services.providers.contract import Adapter, ModelHealth, ModelState
from services.runtime.health import Health

logger = logging.getLogger(__name__)


class HealthBoard:
    """The last known state of each model. Watchers see the newest state; what they were too slow for is skipped, not queued."""

    def __init__(self, models: Mapping[str, object]) -> None:
        self._states = dict.fromkeys(models, ModelHealth(ModelState.LOADING, "not asked yet"))
        self._changed = asyncio.Condition()
        self._closed = False

    @property
    def states(self) -> dict[str, ModelHealth]:
        """A copy of all states."""
        return dict(self._states)

    async def update(self, states: Mapping[str, ModelHealth]) -> None:
        """Takes new states of known models and wakes the watchers if any differs."""
        news = {model: health for model, health in states.items() if self._states.get(model) not in (None, health)}
        if not news:
            return
        for model, health in news.items():
            logger.info("model %s is %s %s", model, health.state.value, health.detail)
        async with self._changed:
            self._states |= news
            self._changed.notify_all()

    async def close(self) -> None:
        """Ends every watch, those to come included."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def watch(self) -> AsyncGenerator[dict[str, ModelHealth], None]:
        """Yields all states first, then those that changed, until `close`."""
        seen = self.states
        yield seen
        while True:
            async with self._changed:
                while self._states == seen and not self._closed:
                    await self._changed.wait()
                if self._closed:
                    return
                news = {model: health for model, health in self._states.items() if seen[model] != health}
                seen = self.states
            yield news


async def poll_health(adapter: Adapter, board: HealthBoard, health: Health, component: str, interval_s: float) -> None:
    """Asks the adapter every `interval_s` seconds, forever; a component serves while any model does."""
    while True:
        states = await adapter.check_health()
        await board.update(states)
        serving = any(h.state in (ModelState.READY, ModelState.DEGRADED) for h in states.values())
        details = sorted({f"{model}: {h.detail}" for model, h in states.items() if h.state is not ModelState.READY})
        await health.report(component, serving, "; ".join(details)[:500], vital=True)
        await asyncio.sleep(interval_s)
