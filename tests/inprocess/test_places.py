"""A model with a limit: more requests go elsewhere, or wait for a place, or are told to come back."""

import asyncio
from pathlib import Path
from typing import Any

from pointsman import errors
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.answers import ask
from tests.inprocess.mesh import running_mesh

ONE = {"max_in_flight": 1}
STALLING: dict[str, Any] = {"script": [{"stall_after_tokens": 1}, {}]}
PINNED = pb.RoutingConstraints(pinned_model={"provider": "first", "model": "m"})


async def test_a_request_that_finds_no_place_goes_to_the_next_model(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}, model=ONE) as mesh:
        call = mesh.stub.Generate(ask())
        await mesh.adapter("first").started.wait()
        answer = await mesh.generate(ask())
        assert (answer.error, len(mesh.adapter("first").requests), len(mesh.adapter("second").requests)) == (None, 1, 1)
        assert answer.kinds == ["decided", "switched", "text_delta", "finished"]
        assert answer.switches == [("first", "second", "ERROR_REASON_OVERLOADED")]
        call.cancel()
        await mesh.adapter("first").all_closed.wait()

        async def served_by_first() -> int:
            await mesh.generate(ask())
            return min(2, len(mesh.adapter("first").requests))

        await mesh.eventually(served_by_first, 2)


async def test_where_nobody_else_can_serve_it_waits_for_a_place(tmp_path: Path) -> None:
    slowly = {"first": {"first_token_s": 0.1}}
    async with running_mesh(tmp_path, slowly, model=ONE) as mesh:
        answers = await asyncio.gather(*(mesh.generate(ask(f"{n}", constraints=PINNED)) for n in range(4)))
    assert [answer.error for answer in answers] == [None] * 4


async def test_a_queue_that_is_full_sheds_load_with_a_time_to_wait(tmp_path: Path) -> None:
    limits = {"limits": {"queue_size": 1}}
    slowly = {"first": {"first_token_s": 0.3}}
    async with running_mesh(tmp_path, slowly, model=ONE, sections=limits) as mesh:
        answers = await asyncio.gather(*(mesh.generate(ask(f"{n}", constraints=PINNED)) for n in range(5)))
    refused = [answer.error for answer in answers if answer.error]
    assert len(refused) == 3
    assert {type(error) for error in refused} == {errors.Overloaded}
    assert all(error.retry_after_s for error in refused)
