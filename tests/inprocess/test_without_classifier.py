"""Without a classifier that answers in time and makes sense, the policy's own complexity stands in, and the client is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from pointsman.classifier.v1.classifier_service_pb2 import Classification, ClassifyResponse
from pointsman.classifier.v1.classifier_service_pb2_grpc import add_ClassifierServiceServicer_to_server
from pointsman.config.schema import ClassifierTierChoice
from pointsman.llm.v1 import prompt_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from services.classifier.batcher import Batcher
from services.classifier.cached import CachedBatcher
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from services.classifier.servicer import ClassifierServicer
from services.runtime.health import Health
from services.runtime.server import Server
from tests.inprocess.answers import ask, prompt
from tests.inprocess.mesh import NOT_SERVING, SERVING, running_mesh


@asynccontextmanager
async def generic_classifier(folder: Path, answer: bytes | None) -> AsyncIterator[None]:
    """A classifier that answers with these bytes, or never."""

    async def classify(request: bytes, context: Any) -> bytes:
        if answer is None:
            await asyncio.Event().wait()
        return answer or b""

    server = aio.server()
    handler: Any = {"Classify": grpc.unary_unary_rpc_method_handler(classify)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pointsman.classifier.v1.ClassifierService", handler),)
    )
    server.add_insecure_port(f"unix:{folder}/classifier.sock")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


@asynccontextmanager
async def real_classifier(folder: Path) -> AsyncIterator[None]:
    """The shipped model's fast tier."""
    model = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=False)
    batcher = CachedBatcher(Batcher(model, max_batch=16, queue_size=256), cache_entries=0)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(batcher.running())
        server = Server(f"unix:{folder}/classifier.sock", Health(), [])
        servicer = ClassifierServicer(batcher, ClassifierTierChoice.FAST)
        add_ClassifierServiceServicer_to_server(servicer, server.grpc)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        yield


async def test_without_the_classifier_the_policys_complexity_is_used_and_told(tmp_path: Path) -> None:
    policies = {"balanced": {"default_complexity": 0.75}}
    async with running_mesh(tmp_path, sections={"policies": policies}) as mesh:
        answers = [await mesh.generate(ask()) for _ in range(3)]
        assert await mesh.health_of("classifier") == NOT_SERVING
        assert await mesh.health_of("") == SERVING
    for answer in answers:
        assert answer.error is None
        assert answer.decided.default_complexity
        assert answer.decided.classification.complexity == 0.75
        assert "complexity 0.75 by default (classifier unavailable)" in answer.decided.reason


async def test_a_late_classifier_is_done_without(tmp_path: Path) -> None:
    async with generic_classifier(tmp_path, None), running_mesh(tmp_path) as mesh:
        answer = await mesh.generate(ask())
    assert answer.error is None
    assert "by default (classifier deadline exceeded)" in answer.decided.reason


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\xff\xff\xff", "classifier not understood"),
        (b"", "classifier unsure, confidence 0.00"),
        (
            ClassifyResponse(classification=Classification(complexity=0.3, confidence=0.1)).SerializeToString(),
            "classifier unsure, confidence 0.10",
        ),
        (
            ClassifyResponse(classification=Classification(complexity=float("nan"), confidence=1)).SerializeToString(),
            "classifier unsure, confidence 1.00",
        ),
    ],
)
async def test_a_classifier_that_makes_no_sense_is_done_without(tmp_path: Path, said: bytes, told: str) -> None:
    async with generic_classifier(tmp_path, said), running_mesh(tmp_path) as mesh:
        answer = await mesh.generate(ask())
    assert answer.error is None
    assert answer.decided.default_complexity
    assert f"by default ({told})" in answer.decided.reason
    assert answer.decided.candidates[0].expected_cost_micros > 800


async def test_an_image_does_not_count_by_its_bytes(tmp_path: Path) -> None:
    request = ask("What is on it?")
    request.prompt.turns[0].parts.add(media=prompt_pb2.Media(mime_type="image/png", data=b"x" * 1_000_000))
    async with running_mesh(tmp_path, model={"capabilities": ["image_input"]}) as mesh:
        assert (await mesh.generate(request)).error is None


async def test_the_real_classifier_tells_easy_from_hard(tmp_path: Path) -> None:
    sections = {"router": {"classifier_timeout_ms": 5_000}}
    async with real_classifier(tmp_path), running_mesh(tmp_path, sections=sections) as mesh:
        easy = await mesh.generate(ask("hi, how are you?"))
        hard = await mesh.generate(
            ask("Prove that there is no polynomial-time algorithm for this problem unless P = NP.")
        )
        assert await mesh.health_of("classifier") == SERVING
    assert not easy.decided.default_complexity
    assert easy.decided.classification.intents[0].intent == "conversation"
    assert easy.decided.classification.complexity < hard.decided.classification.complexity


async def test_the_classifier_is_used_again_as_soon_as_it_is_back(tmp_path: Path) -> None:
    good = ClassifyResponse(classification=Classification(complexity=0.3, confidence=1)).SerializeToString()
    async with running_mesh(tmp_path) as mesh:
        assert (await mesh.generate(ask())).decided.default_complexity
        async with generic_classifier(tmp_path, good):

            async def by_default() -> bool:
                return (await mesh.stub.Explain(pb.ExplainRequest(prompt=prompt()))).decision.default_complexity

            await mesh.eventually(by_default, False)
