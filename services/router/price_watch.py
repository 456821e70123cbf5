"""Keeps prices current while the router serves: looks at a file and at a URL, off the request's path.

file ──changed──> read ──good──> book ──> fleet: the next decision reckons with it
URL ──answer────>  └──bad──> refused whole, the old prices stay; health says why, with file, line and field
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from pointsman import telemetry_names as names
from pointsman.config.catalogue import Model, Price, as_price
from pointsman.config.price_file import read_prices
from pointsman.config.routing_schema import PricesSection
from pointsman.config.yaml_file import ConfigError
from services.router.fleet import Fleet
from services.router.price_book import Jump, PriceBook, Prices, jumps
from services.router.price_sources import FileSource, Source, Unreadable, UrlSource
from services.runtime.health import Health

logger = logging.getLogger(__name__)

COMPONENT = "prices"
# More models than so many are not named in one line of the log.
NAMED_AT_MOST = 10
UNIT = "USD/1M tokens"


@dataclass(eq=False, slots=True)
class _Watched:
    """One source, what it said last, and what was wrong with that."""

    layer: str
    source: Source
    content: bytes | None = None
    refusal: str = ""
    # The refusal, or why the source could not be read at all.
    fault: str = ""


class PriceWatch:
    """Owns the prices in force; `run` looks until it is cancelled. `refused` counts what could not be used."""

    def __init__(
        self, models: Sequence[Model], section: PricesSection, fleet: Fleet, health: Health, meter: Meter
    ) -> None:
        self._section = section
        self._fleet = fleet
        self._health = health
        self._warned: frozenset[str] = frozenset()
        self._restart = asyncio.Event()
        self._watched = [_Watched(layer, source) for layer, source in _sources(section).items()]
        self._book = PriceBook(_listed(models), _stated(section))
        self._in_force = self._book.in_force()
        fleet.set_prices(self._in_force)
        self.refused = 0
        self._jumps = meter.create_counter(
            names.PRICE_JUMPS, description="Prices that moved beyond prices.alarm_factor"
        )
        self._refusals = meter.create_counter(names.PRICE_REFUSALS, description="Price sources that could not be used")
        meter.create_observable_gauge(names.PRICE_INPUT, [self._input_prices], UNIT, "Price of input tokens in force")
        meter.create_observable_gauge(
            names.PRICE_OUTPUT, [self._output_prices], UNIT, "Price of output tokens in force"
        )

    async def begin(self) -> None:
        """Reads the file, so that the first request is decided with its prices; a URL is not waited for."""
        for watched in self._watched:
            if isinstance(watched.source, FileSource):
                await self._look(watched, alarm=False)
        await self._report()

    async def run(self) -> None:
        """Looks at each source as often as it should."""
        while True:
            self._restart.clear()
            async with asyncio.TaskGroup() as tasks:
                following = [tasks.create_task(self._follow(watched)) for watched in self._watched]
                await self._restart.wait()
                for task in following:
                    task.cancel()

    def reconfigure(self, models: Sequence[Model], section: PricesSection) -> None:
        """Takes another configuration. What a source said last holds until its successor says something that can be used."""
        known = {(watched.layer, watched.source.name): watched for watched in self._watched}
        self._watched = [
            known.get((layer, source.name)) or _Watched(layer, source) for layer, source in _sources(section).items()
        ]
        self._section = section
        book = replace(self._book, listed=_listed(models), section=_stated(section))
        gone = {"file", "url"} - {watched.layer for watched in self._watched}
        self._take(replace(book, **{layer: {} for layer in gone}))
        self._restart.set()

    def priced(self, models: Sequence[Model], section: PricesSection) -> tuple[Model, ...]:
        """The models of another configuration at the prices that would be in force with it."""
        prices = replace(self._book, listed=_listed(models), section=_stated(section)).in_force()
        return tuple(replace(model, price=prices[model.reference]) for model in models)

    async def _follow(self, watched: _Watched) -> None:
        while True:
            await self._look(watched)
            await self._report()
            await asyncio.sleep(self._section.refresh_s)

    async def _look(self, watched: _Watched, *, alarm: bool = True) -> None:
        try:
            content = await asyncio.to_thread(watched.source.read, watched.content)
            if content is not None:
                watched.content = content
                prices = await asyncio.to_thread(read_prices, watched.source.name, content)
                watched.refusal = ""
                if watched in self._watched:
                    self._take(replace(self._book, **{watched.layer: prices}), alarm=alarm)
            watched.fault = watched.refusal
        except ConfigError as error:
            watched.fault = watched.refusal = "; ".join(str(error).splitlines())
            self._refuse(watched)
        except Unreadable as error:
            watched.fault = str(error)
            self._refuse(watched)

    def _refuse(self, watched: _Watched) -> None:
        self.refused += 1
        self._refusals.add(1, {names.PRICE_SOURCE: watched.layer})

    async def _report(self) -> None:
        faults = [watched.fault for watched in self._watched if watched.fault]
        await self._health.report(COMPONENT, not faults, f"the old prices stay: {'; '.join(faults)[:1_000]}")

    def _take(self, book: PriceBook, *, alarm: bool = True) -> None:
        before, self._book = self._in_force, book
        self._in_force = book.in_force()
        self._fleet.set_prices(self._in_force)
        if alarm:
            for jump in jumps(before, self._in_force, self._section.alarm_factor):
                self._alarm(jump)
        unknown = book.unknown()
        if news := sorted(unknown - self._warned):
            more = f" and {len(news) - NAMED_AT_MOST} more" if len(news) > NAMED_AT_MOST else ""
            named = ", ".join(news[:NAMED_AT_MOST])
            logger.warning("prices of models that the configuration does not have are ignored: %s%s", named, more)
        self._warned = unknown

    def _alarm(self, jump: Jump) -> None:
        logger.warning(
            "the price of %s for %s tokens went %s from $%g to $%g per million",
            jump.reference,
            jump.token_type,
            jump.direction.value,
            jump.before / 1e6,
            jump.after / 1e6,
        )
        attributes = {
            names.MODEL: jump.reference,
            names.KIND_OF_TOKENS: jump.token_type,
            names.PRICE_JUMP_DIRECTION: jump.direction.value,
        }
        self._jumps.add(1, attributes)

    # Called by the exporter's thread; the prices in force are swapped whole.
    def _input_prices(self, options: CallbackOptions) -> Iterable[Observation]:
        return [_observed(model, price.input_micros_per_mtok) for model, price in self._in_force.items()]

    def _output_prices(self, options: CallbackOptions) -> Iterable[Observation]:
        return [_observed(model, price.output_micros_per_mtok) for model, price in self._in_force.items()]


def _observed(model: str, micros: int) -> Observation:
    return Observation(micros / 1e6, {names.MODEL: model})


def _listed(models: Sequence[Model]) -> dict[str, Price]:
    return {model.reference: model.price for model in models}


def _stated(section: PricesSection) -> Prices:
    return {reference: as_price(price) for reference, price in section.models.items()}


def _sources(section: PricesSection) -> dict[str, Source]:
    """By the layer of the book that they fill."""
    found: dict[str, Source] = {}
    if section.file is not None:
        found["file"] = FileSource(section.file)
    if section.url is not None:
        found["url"] = UrlSource(section.url)
    return found
