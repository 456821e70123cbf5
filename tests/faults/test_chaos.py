"""A thousand requests to two simulated APIs of which each fails one in five: whole answers or typed errors, nothing else."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from deploy.demo.aimock import Aimock, run_aimock
from pointsman import errors
from pointsman.channel import open_channel
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import PATIENCE_S, SERVING, service_processes
from tests.faults.fault_mesh import Call, Got
from tests.inprocess.answers import prompt

REQUESTS, AT_ONCE = 1_000, 16
TEXT = "The points are set, the signal is clear, and the train goes on to Basel by way of Olten and Liestal."
# 500, 429, bytes that are no answer, and a closed connection; one in five in all.
CHAOS = {"dropRate": 0.05, "rateLimitRate": 0.05, "malformedRate": 0.05, "disconnectRate": 0.05}
PROVIDERS = ("first", "second", "third")
# Two models each: with so many faults some circuit is always open.
QUALITIES = {"large": 0.9, "small": 0.6}


def fixtures(provider: str) -> list[dict[str, Any]]:
    """What an API answers; it breaks off after some chunks where the prompt says so."""
    cut = {"match": {"userMessage": cut_by(provider)}, "response": {"content": TEXT}, "truncateAfterChunks": 4}
    return [cut, *({"match": {"model": model}, "response": {"content": TEXT}} for model in QUALITIES)]


def cut_by(provider: str) -> str:
    """The prompt that a provider's API answers with a part."""
    return f"Break off, {provider}"


def write_config(folder: Path, upstreams: list[Aimock]) -> Path:
    """Three providers, of which the last speaks Anthropic's API; returns the configuration's path."""
    kinds = [
        {"kind": "openai_http", "base_url": upstreams[0].openai_base_url},
        {"kind": "openai_http", "base_url": upstreams[1].openai_base_url},
        {"kind": "anthropic_http", "base_url": upstreams[2].anthropic_base_url, "api_key_env": None},
    ]
    price = {"input": 1, "output": 2}
    models = [
        {"provider": name, "model": model, "quality": quality, "context_tokens": 8_000, "price": price}
        for model, quality in QUALITIES.items()
        for name in PROVIDERS
    ]
    limits = {"max_attempts": 6, "first_token_timeout_s": 20.0, "stall_timeout_s": 20.0}
    content = {"version": 1, "providers": dict(zip(PROVIDERS, kinds, strict=True)), "models": models, "limits": limits}
    path = folder / "mesh.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


async def test_a_thousand_requests_in_chaos(tmp_path: Path) -> None:
    async with (
        run_aimock(fixtures("first"), chaos=CHAOS, latency_ms=1) as first,
        run_aimock(fixtures("second"), chaos=CHAOS, latency_ms=1) as second,
        run_aimock(fixtures("third"), chaos=CHAOS, latency_ms=1) as third,
        service_processes(write_config(tmp_path, [first, second, third]), clean_environment()) as processes,
    ):
        await processes.start(*(f"provider-{name}" for name in PROVIDERS), "router")
        for name in PROVIDERS:
            await processes.until("router", f"provider/{name}", SERVING)
        async with open_channel(processes.address("router")) as channel:
            stub = RouterServiceStub(channel)
            numbers = iter(range(REQUESTS))
            answers: list[Got] = []

            async def ask() -> None:
                for number in numbers:
                    # For each provider one prompt in thirty breaks off in the middle of its answer there, and nowhere else.
                    breaks = number % 10 == 0
                    words = f"{cut_by(PROVIDERS[number // 10 % 3])}, {number}" if breaks else f"Set track {number}"
                    request = pb.GenerateRequest(prompt=prompt(words))
                    answers.append(await Call(stub.Generate(request, timeout=PATIENCE_S)).read())

            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        ended = await processes.end("router", *(f"provider-{name}" for name in PROVIDERS))
    assert set(ended.values()) == {0}
    whole = [got for got in answers if got.partial.finished]
    failed = [got for got in answers if not got.partial.finished]
    outcomes = Counter("whole" if got.partial.finished else type(got.error).__name__ for got in answers)
    # None is lost, and none is cut and called whole.
    assert len(whole) + len(failed) == REQUESTS
    assert {got.held for got in whole} == {TEXT}
    assert all(got.error is None for got in whole)
    for got in failed:
        assert isinstance(got.error, errors.PointsmanError), outcomes
        assert not isinstance(got.error, errors.InternalError), got.error
        assert got.told or isinstance(got.error, errors.AllCandidatesUnavailable), got.error
        assert TEXT.startswith(got.held)
    # The faults did happen, in the middle of answers too, and most of them cost nobody an answer.
    assert sum(bool(got.partial.switches) for got in whole) > REQUESTS / 20
    assert any(kept > 0 for got in whole for kept in got.kept)
    assert len(whole) > REQUESTS * 0.9, outcomes
