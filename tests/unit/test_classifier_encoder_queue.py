"""Who goes to the encoder together, who first, and who no longer: told in handed-in times, with the shipped model."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from services.classifier.encoder_queue import BATCH_TOKENS, RUN_TOKENS, STALL_HALF_LIFE_S, EncoderQueue, Waiting, padded
from services.classifier.model import SHIPPED_MODELS, ClassifierModel, PreparedPrompt

TOKEN_S = 0.0001


@pytest.fixture(scope="module")
def model() -> ClassifierModel:
    return ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=False)


@pytest.fixture(scope="module")
def prompt(model: ClassifierModel) -> PreparedPrompt:
    return model.prepare("hi")


Make = Callable[..., Waiting]


@pytest.fixture
async def make(model: ClassifierModel, prompt: PreparedPrompt) -> AsyncIterator[Make]:
    def waiting(tokens: int, since_s: float = 0.0, by: ClassifierModel = model) -> Waiting:
        future = asyncio.get_running_loop().create_future()
        return Waiting(by, replace(prompt, token_ids=[101] * tokens), since_s, future)

    yield waiting


def queue(*, size: int = 100, max_batch: int = 16, wait_limit_s: float = 1.0) -> EncoderQueue:
    return EncoderQueue(size, max_batch, wait_limit_s, TOKEN_S)


async def test_prompts_of_like_length_go_together_and_the_first_comes_first(make: Make) -> None:
    waits = queue()
    first, long, second, third = (make(n) for n in (20, 128, 22, 20 + RUN_TOKENS))
    for waiting in (first, long, second, third):
        waits.add(waiting)
    assert waits.take(0.0).together == [first, second, third]
    assert waits.take(0.0).together == [long]
    assert waits.take(0.0).together == []


async def test_a_batch_takes_no_longer_than_one_long_prompt(make: Make) -> None:
    waits = queue()
    for _ in range(20):
        waits.add(make(30))
    sizes = []
    while batch := waits.take(0.0).together:
        assert padded(batch) <= BATCH_TOKENS
        sizes.append(len(batch))
    assert sizes == [4] * 5


async def test_a_batch_has_no_more_prompts_than_it_may(make: Make) -> None:
    waits = queue(max_batch=3)
    for _ in range(4):
        waits.add(make(5))
    assert [len(waits.take(0.0).together) for _ in range(2)] == [3, 1]


async def test_nobody_comes_late_because_others_are_preferred(make: Make) -> None:
    waits = queue(wait_limit_s=0.01)
    first, passed_over, later = make(40), make(128), make(40, since_s=0.006)
    for waiting in (first, passed_over, later):
        waits.add(waiting)
    assert waits.take(0.006).together == [first]
    assert waits.take(0.006).together == [passed_over]


async def test_who_waited_too_long_leaves(make: Make) -> None:
    waits = queue(wait_limit_s=0.01)
    late, early = make(10), make(10, since_s=0.015)
    waits.add(late)
    waits.add(early)
    batch = waits.take(0.02)
    assert (batch.late, batch.together) == ([late], [early])
    assert len(waits) == 0


async def test_each_model_gets_its_own_prompts(make: Make) -> None:
    waits = queue()
    other = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=False)
    old, new, also_old = make(10), make(10, by=other), make(10)
    for waiting in (old, new, also_old):
        waits.add(waiting)
    assert waits.take(0.0).together == [old, also_old]
    assert waits.take(0.0).together == [new]


async def test_the_expected_wait_counts_who_is_ahead_and_what_runs(make: Make) -> None:
    waits = queue()
    assert waits.wait_s(5.0, 20) == 0
    waits.add(make(128, since_s=5.0))
    waits.add(make(54, since_s=5.0))
    whole_s = (128 + 54 + 2 * RUN_TOKENS) * TOKEN_S
    assert waits.wait_s(5.0, 20) == pytest.approx(whole_s)
    running = waits.take(5.0).together
    assert waits.wait_s(5.0, 20) == pytest.approx(whole_s)
    assert waits.wait_s(5.01, 20) == pytest.approx(whole_s - 0.01)
    waits.ran(running, 5.0138, took_s=0.0138, worked_s=0.0138)
    assert waits.wait_s(5.0138, 20) == pytest.approx((54 + RUN_TOKENS) * TOKEN_S)


async def test_who_left_is_not_waited_for(make: Make) -> None:
    waits = queue(size=2)
    gone, stays = make(100), make(20)
    waits.add(gone)
    waits.add(stays)
    assert waits.full
    waits.leave(gone)
    waits.leave(gone)
    assert len(waits) == 1
    assert waits.wait_s(0.0, 20) == pytest.approx((20 + RUN_TOKENS) * TOKEN_S)
    assert waits.take(0.0).together == [stays]


async def test_it_learns_how_long_a_token_takes(make: Make) -> None:
    waits = queue()
    for _ in range(60):
        waits.add(make(90))
        waits.ran(waits.take(0.0).together, 0.05, took_s=0.05, worked_s=0.05)
    assert waits.run_s(90) == pytest.approx(0.05, rel=0.01)
    assert waits.wait_s(0.05, 20) == 0


async def test_an_encoder_that_gets_no_core_is_waited_for_less_and_tried_again_later(make: Make) -> None:
    waits = queue(wait_limit_s=0.01)
    for _ in range(10):
        waits.add(make(90))
        waits.ran(waits.take(0.0).together, 0.05, took_s=0.05, worked_s=0.01)
    # The run itself would be as short as ever; the wait for a core is what is too long.
    assert waits.run_s(90) == pytest.approx(0.01)
    assert waits.wait_s(0.05, 90) == pytest.approx(0.04, rel=0.01)
    assert waits.wait_s(0.05 + STALL_HALF_LIFE_S, 90) == pytest.approx(0.02, rel=0.01)
    assert waits.wait_s(0.05 + 3 * STALL_HALF_LIFE_S, 90) < waits.wait_limit_s


def test_nobody_stays_longer_than_the_limit_and_a_whole_window_take() -> None:
    assert queue(wait_limit_s=0.015).patience_s == pytest.approx(0.015 + (BATCH_TOKENS + RUN_TOKENS) * TOKEN_S)
