"""How long traffic takes to leave a model whose price jumps: processes, a price file that changes, requests all the while."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import yaml

from pointsman.channel import open_channel
from pointsman.config.load import load_config
from pointsman.llm.v1.prompt_pb2 import ROLE_USER, Part, Prompt, Turn
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.supervisor.supervisor import Supervisor

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

TIMES = 5
PAUSE_S = 0.02
# Traffic has left when so many requests in a row went elsewhere; it is waited for so long.
IN_A_ROW = 25
PATIENCE_S = 20.0
REQUEST_S = 10.0
READY_S = 90.0
USUAL, SPIKE = {"input": 1.0, "output": 2.0}, {"input": 50.0, "output": 100.0}
FIRST, SECOND = "scripted/first", "scripted/second"


class NotFollowed(Exception):
    """Traffic did not move; the message says after how long."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Seconds from the file's change to the last request that still went to the dear model, median and worst of TIMES."""

    median_s: float
    worst_s: float
    back_s: float
    """The same after the price came back, median."""


async def measure(folder: Path) -> Shift:
    """The interval at which prices are read is the default. Raises NotFollowed."""
    left, back = [], []
    prices = folder / "prices.json"
    _write(prices, USUAL)
    async with _mesh(folder, prices) as stub:
        await _settled(stub, FIRST)
        for _ in range(TIMES):
            left.append(await _shift(stub, prices, SPIKE, SECOND))
            back.append(await _shift(stub, prices, USUAL, FIRST))
    return Shift(median(left), max(left), median(back))


async def _shift(stub: "RouterServiceAsyncStub", prices: Path, price: dict[str, float], to: str) -> float:
    _write(prices, price)
    began_s = time.monotonic()
    return max(0.0, await _settled(stub, to) - began_s)


async def _settled(stub: "RouterServiceAsyncStub", to: str) -> float:
    """Asks until IN_A_ROW requests in a row went `to`; returns when the last one that did not was answered."""
    began_s = last_s = time.monotonic()
    row = 0
    while row < IN_A_ROW:
        chosen = await _chosen(stub)
        now_s = time.monotonic()
        if chosen == to:
            row += 1
        else:
            row, last_s = 0, now_s
        if now_s - began_s > PATIENCE_S:
            raise NotFollowed(f"{PATIENCE_S:g} s after a price changed traffic still went to {chosen}")
        await asyncio.sleep(PAUSE_S)
    return last_s


async def _chosen(stub: "RouterServiceAsyncStub") -> str:
    turn = Turn(role=ROLE_USER, parts=[Part(text="Why is the sky blue?")])
    call = stub.Generate(pb.GenerateRequest(prompt=Prompt(turns=[turn])), timeout=REQUEST_S)
    chosen = ""
    try:
        async for frame in call:
            if frame.HasField("decided"):
                chosen = f"{frame.decided.chosen.provider}/{frame.decided.chosen.model}"
    finally:
        call.cancel()
    return chosen


def _write(prices: Path, price: dict[str, float]) -> None:
    """Whole or not at all, as an editor does."""
    draft = prices.with_suffix(".draft")
    draft.write_text(json.dumps({"models": {FIRST: price}}), encoding="utf-8")
    os.replace(draft, prices)  # noqa: PTH105


@asynccontextmanager
async def _mesh(folder: Path, prices: Path) -> "AsyncIterator[RouterServiceAsyncStub]":
    """Two scripted models of equal ability, of which the first costs less until its price jumps."""
    scenario = {"version": 1, "default": {"answer": "Light scatters.", "first_token_s": 0, "tokens_per_second": None}}
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    models = [
        {
            "provider": "scripted",
            "model": name,
            "quality": 0.5,
            "context_tokens": 8_000,
            "price": {"input": 1, "output": output},
        }
        for name, output in (("first", 2), ("second", 4))
    ]
    config = {
        "version": 1,
        # Money alone decides between equals: a model that nobody asked for a while is not taken to be slow.
        "router": {"default_policy": "economy"},
        "classifier": {"tier": "fast"},
        "providers": {"scripted": {"kind": "scripted", "scenario": "scenario.yaml"}},
        "models": models,
        "prices": {"file": prices.name},
    }
    path = folder / "mesh.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    async with Supervisor(load_config(path), folder, drain_grace_s=1) as mesh:
        for report in await mesh.wait_ready(READY_S):
            if report.condition.value != "serving":
                raise NotFollowed(f"{report.name} is {report.condition.value}: {report.detail}")
        async with open_channel(mesh.router_address) as channel:
            yield RouterServiceStub(channel)
