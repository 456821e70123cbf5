"""Watchers see the newest picture at their own pace, share it, and end when told."""

import asyncio
from contextlib import aclosing
from itertools import count

import pytest

from pointsman import errors
from services.telemetry.watchers import Watchers

# Long enough that no test ever sees a second tick of it.
NEVER_S = 3_600.0


async def test_a_slow_watcher_gets_the_newest_picture_and_no_queue() -> None:
    news, made = 0, list[int]()

    def read() -> int:
        made.append(news)
        return news

    async with aclosing(Watchers(read, 1).ticks(0.1)) as ticks:
        assert await anext(ticks) == 0
        for news in range(1, 50):  # noqa: B007 - `read` sees it
            pass
        assert await anext(ticks) == 49
    assert made == [0, 49]


async def test_watchers_at_the_same_time_share_one_picture() -> None:
    numbers = count()
    watchers = Watchers(lambda: next(numbers), 8)
    seen = set[int]()
    for _ in range(8):
        async with aclosing(watchers.ticks(NEVER_S)) as ticks:
            seen.add(await anext(ticks))
    # Two where the clock passed from one shared moment to the next in between.
    assert len(seen) <= 2


async def test_close_ends_those_who_wait_and_those_to_come() -> None:
    watchers = Watchers(lambda: "picture", 8)
    async with aclosing(watchers.ticks(NEVER_S)) as ticks:
        await anext(ticks)
        waiting = asyncio.ensure_future(anext(ticks, "end"))
        await asyncio.sleep(0)
        await watchers.close()
        assert await waiting == "end"
    assert [tick async for tick in watchers.ticks(NEVER_S)] == []


async def test_a_place_is_free_again_once_its_watcher_leaves() -> None:
    watchers = Watchers(lambda: "picture", 1)
    with watchers.admit():
        assert watchers.full
        with pytest.raises(errors.Overloaded, match="1 watchers are served already") as raised, watchers.admit():
            raise AssertionError
    assert raised.value.retry_after_s
    with watchers.admit():
        pass
    assert not watchers.full
