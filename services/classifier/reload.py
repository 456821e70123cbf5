"""Swaps in a new model when its files change; a folder that is wrong is refused whole and the old model goes on.

same ──files changed──> changed ──same at the next look──> load ──good──> swap ──> same
                           ^ │ changed again                 └──bad──> report, old model ──> same
                           └─┘
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from services.classifier.counters import ClassifierCounters
from services.classifier.model import ClassifierModel
from services.runtime.health import Health

logger = logging.getLogger(__name__)

COMPONENT = "model_reload"

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Name, inode, time of change in ns and size of each file."""


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """What tells one state of some files and flat folders from another, without reading them; what is missing is left out."""
    files = [file for path in paths for file in (sorted(_entries(path)) if path.is_dir() else [path])]
    found = []
    for file in files:
        try:
            state = file.stat()
        except OSError:
            continue
        found.append((str(file), state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(found)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


class ModelReload:
    """Owns the thread that looks and loads. Open it with `running`, or call `look` by hand."""

    def __init__(
        self,
        paths: Sequence[Path],
        load: Callable[[], ClassifierModel],
        swap: Callable[[ClassifierModel], None],
        health: Health,
        counters: ClassifierCounters,
        *,
        loaded: Fingerprint,
    ) -> None:
        """`loaded` is the fingerprint of `paths` from before the present model was loaded."""
        self._paths = tuple(paths)
        self._load = load
        self._swap = swap
        self._health = health
        self._counters = counters
        self._serving = self._judged = self._last_look = loaded
        self._thread = ThreadPoolExecutor(1, "model-reload")

    @asynccontextmanager
    async def running(self, interval_s: float) -> AsyncIterator[None]:
        """Look every `interval_s` seconds while the block lasts; 0 looks never."""
        await self._health.report(COMPONENT, True)
        looking = asyncio.create_task(self._look_forever(interval_s)) if interval_s else None
        try:
            yield
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
            self._thread.shutdown(wait=True, cancel_futures=True)

    async def _look_forever(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self.look()

    async def look(self) -> None:
        """Load files that have changed and were left alone since the last look, and swap them in if they are good."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, fingerprint, self._paths)
        # Files that are still being copied are not worth an error.
        settled, self._last_look = found == self._last_look, found
        if not settled or found == self._judged:
            return
        if found == self._serving:
            self._judged = found
            await self._health.report(COMPONENT, True)
            return
        try:
            model = await loop.run_in_executor(self._thread, self._load)
        except Exception as error:  # noqa: BLE001
            # A file of somebody else's making can fail in ways that no loader foresees; the old model goes on in any case.
            self._judged = found
            self._counters.reload_failures += 1
            logger.error("the changed model files are refused, the old model goes on: %s", error)
            await self._health.report(COMPONENT, False, str(error))
            return
        if await loop.run_in_executor(self._thread, fingerprint, self._paths) != found:
            # They changed under the loader, which may have read some of each.
            return
        self._swap(model)
        self._serving = self._judged = found
        self._counters.reloads += 1
        logger.info("model %s is swapped in", model.revision)
        await self._health.report(COMPONENT, True)
