"""The classifier over gRPC on a Unix socket, with the shipped model: what a router gets for the prompts that people write."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from grpc import aio

from pointsman import errors
from pointsman.channel import open_channel
from pointsman.classifier.v1 import classifier_service_pb2 as pb
from pointsman.classifier.v1.classifier_service_pb2_grpc import (
    ClassifierServiceStub,
    add_ClassifierServiceServicer_to_server,
)
from pointsman.config.schema import ClassifierTierChoice
from pointsman.llm.v1 import prompt_pb2
from pointsman.rpc_status import from_rpc_error
from services.classifier.answer import TierWish
from services.classifier.batcher import Batcher
from services.classifier.cached import READ_ON_LOOP_BYTES, CachedBatcher
from services.classifier.counters import Degradation
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from services.classifier.prompt_text import PromptText
from services.classifier.servicer import ClassifierServicer
from services.runtime.health import Health
from services.runtime.server import Server

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceAsyncStub

FAST, ENCODER = pb.CLASSIFIER_TIER_FAST, pb.CLASSIFIER_TIER_ENCODER
PATIENT_S = 30.0


class Service:
    """One running classifier and a channel to it."""

    def __init__(self, channel: aio.Channel, batcher: Batcher) -> None:
        self._stub: ClassifierServiceAsyncStub = ClassifierServiceStub(channel)
        self.batcher = batcher

    async def classify(
        self, *turns: str, tier: pb.ClassifierTier = pb.CLASSIFIER_TIER_UNSPECIFIED, timeout_s: float = PATIENT_S
    ) -> pb.Classification:
        prompt = prompt_pb2.Prompt(
            turns=[prompt_pb2.Turn(role=prompt_pb2.ROLE_USER, parts=[prompt_pb2.Part(text=text)]) for text in turns]
        )
        # On a busy machine the first attempt to connect may time out.
        request = pb.ClassifyRequest(prompt=prompt, wanted_tier=tier)
        response = await self._stub.Classify(request, timeout=timeout_s, wait_for_ready=True)
        return response.classification


@pytest.fixture(scope="module")
def model() -> ClassifierModel:
    return ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=True)


async def start(
    stack: AsyncExitStack,
    model: ClassifierModel,
    folder: Path,
    tier: ClassifierTierChoice,
    batcher: Batcher | None = None,
    cache_entries: int = 0,
) -> Service:
    batcher = batcher or Batcher(model, max_batch=16, queue_size=256, encoder_wait_s=PATIENT_S)
    cached = await stack.enter_async_context(CachedBatcher(batcher, cache_entries).running())
    server = Server(f"unix:{folder}/c.sock", Health(), [])
    add_ClassifierServiceServicer_to_server(ClassifierServicer(cached, tier), server.grpc)
    await server.start()
    stack.push_async_callback(server.stop, 0)
    channel = await stack.enter_async_context(open_channel(server.address))
    return Service(channel, batcher)


@pytest.fixture
async def service(model: ClassifierModel, tmp_path: Path) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        yield await start(stack, model, tmp_path, ClassifierTierChoice.AUTO)


@pytest.mark.parametrize("tier", [FAST, ENCODER])
@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("write a python function that merges two sorted lists", {"code"}),
        ("why do i get KeyError: 'id' when i run this: print(d['id'])", {"code"}),
        ("What is 17% of 250?", {"math"}),
        ("Prove that the square root of 2 is irrational.", {"math"}),
        ("write a poem about the sea in autumn", {"creative_writing"}),
        ("tell me a short story about a shy ghost", {"creative_writing"}),
        ("draft an email to my manager asking for friday off", {"functional_writing"}),
        ("translate to french: where can i buy a ticket?", {"translation"}),
        ("fix the grammar: he go to school every days", {"rewriting"}),
        ("i can't fall asleep at night, what should i do?", {"advice"}),
        ("who painted the mona lisa?", {"question_answering"}),
        ("hey, how are you doing today?", {"conversation"}),
        ("Is this review positive or negative? The battery died after two days.", {"classification"}),
        (
            "Extract all email addresses and names: Ann Lee <ann@x.org> wrote to Bo Ek <bo@y.se> on Monday.",
            {"extraction"},
        ),
    ],
)
async def test_ordinary_prompts_get_the_intent_a_reader_would_give(
    service: Service, text: str, intents: set[str], tier: pb.ClassifierTier
) -> None:
    found = await service.classify(text, tier=tier)
    assert found.intents[0].intent in intents
    assert found.tier == tier
    assert found.model_revision


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Schreibe eine E-Mail an meinen Vermieter wegen der kaputten Heizung.", "functional_writing"),
        ("escribe un poema sobre la luna", "creative_writing"),
        ("traduis en anglais : où est la gare ?", "translation"),
        ("用python写一个快速排序", "code"),
    ],
)
async def test_left_to_choose_its_tier_it_knows_other_languages_too(service: Service, text: str, intent: str) -> None:
    assert (await service.classify(text)).intents[0].intent == intent


EASY = ["hi", "what is 2 + 2?", "thanks a lot!", "translate to german: good morning", "fix the spelling: i luv apples"]
HARD = [
    "Prove that every finite integral domain is a field, and that the converse fails.",
    "Implement a lock-free multi-producer queue in C++ and prove it linearizable.",
    "Four friends own four pets; given these nine clues, who owns the fish? The red house is left of the green one.",
    "Design a distributed transaction protocol that survives network partitions and write its TLA+ specification.",
]


@pytest.mark.parametrize("tier", [FAST, ENCODER])
async def test_hard_prompts_are_thought_harder_than_trivial_ones(service: Service, tier: pb.ClassifierTier) -> None:
    easy = [(await service.classify(text, tier=tier)).complexity for text in EASY]
    hard = [(await service.classify(text, tier=tier)).complexity for text in HARD]
    assert statistics.mean(easy) + 0.2 < statistics.mean(hard)
    assert statistics.median(easy) < min(hard)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        " \n ",
        "🎉" * 300,
        "\x00\x1b[31m\x7f",
        "QUJDREVGRw==" * 9000,
        "مرحبا hello שלום " * 50,
        "a b " * 250_000,
    ],
    ids=["empty", "one", "blank", "emoji", "control", "base64", "mixed", "million"],
)
async def test_strange_input_gets_an_answer(service: Service, text: str) -> None:
    found = await service.classify(text)
    assert sum(score.probability for score in found.intents) == pytest.approx(1.0, abs=1e-4)
    assert 0 <= found.complexity <= 1


async def test_a_prompt_without_turns_gets_an_answer_without_confidence(service: Service) -> None:
    assert (await service.classify()).confidence == 0


async def test_a_million_characters_count_as_input(service: Service) -> None:
    assert (await service.classify("a b " * 250_000)).estimated_input_tokens > 100_000


async def test_an_unknown_tier_is_refused_by_name(service: Service) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await service.classify("hi", tier=77)  # type: ignore[arg-type]
    error = from_rpc_error(caught.value)
    assert isinstance(error, errors.InvalidRequest)
    assert [violation.field for violation in error.violations] == ["wanted_tier"]


async def test_with_the_fast_tier_alone_it_answers_even_who_wants_the_encoder(
    model: ClassifierModel, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        service = await start(stack, model, tmp_path, ClassifierTierChoice.FAST)
        assert (await service.classify("explain tides", tier=ENCODER)).tier == FAST


LONG = "Please explain the following contract clause in detail. " * 40


async def test_too_little_time_for_the_encoder_gets_the_fast_tier(model: ClassifierModel, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        batcher = Batcher(model, max_batch=16, queue_size=256, assumed_encoder_s=2 * PATIENT_S)
        service = await start(stack, model, tmp_path, ClassifierTierChoice.ENCODER, batcher)
        assert (await service.classify(LONG)).tier == FAST
        assert batcher.counters.degraded[Degradation.DEADLINE] == 1


async def test_overload_is_answered_by_the_fast_tier(model: ClassifierModel, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        batcher = Batcher(model, max_batch=1, queue_size=2, encoder_wait_s=PATIENT_S)
        service = await start(stack, model, tmp_path, ClassifierTierChoice.ENCODER, batcher)
        found = await asyncio.gather(*(service.classify(f"{n} {LONG}") for n in range(30)))
        assert {f.tier for f in found} == {FAST, ENCODER}
        assert sum(f.tier == FAST for f in found) == batcher.counters.degraded[Degradation.QUEUE_FULL]
        assert batcher.counters.refused == 0


async def test_who_would_wait_too_long_for_the_encoder_gets_the_fast_tier(
    model: ClassifierModel, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        # By what is assumed, the second prompt in the queue would wait a second.
        batcher = Batcher(model, max_batch=1, queue_size=256, encoder_wait_s=0.5, assumed_encoder_s=1.0)
        service = await start(stack, model, tmp_path, ClassifierTierChoice.ENCODER, batcher)
        found = await asyncio.gather(*(service.classify(f"{n} {LONG}") for n in range(20)))
        assert {f.tier for f in found} == {FAST, ENCODER}
        assert sum(f.tier == FAST for f in found) == batcher.counters.degraded[Degradation.LOAD]


async def test_a_thousand_at_once_are_answered_and_share_runs(model: ClassifierModel, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        service = await start(stack, model, tmp_path, ClassifierTierChoice.FAST)
        found = await asyncio.gather(*(service.classify(f"what is {n} + {n}?") for n in range(1000)))
        assert {f.tier for f in found} == {FAST}
        counters = service.batcher.counters
        assert counters.fast.prompts == 1000
        assert counters.fast.batches < 900
        assert counters.refused == 0


async def test_company_does_not_change_a_judgement(model: ClassifierModel, tmp_path: Path) -> None:
    texts = ["hi", LONG, "what is 2 + 2?", "用python写一个快速排序", "", *EASY, *HARD]
    async with AsyncExitStack() as stack:
        service = await start(stack, model, tmp_path, ClassifierTierChoice.AUTO)
        for tier in (FAST, ENCODER):
            alone = [await service.classify(text, tier=tier) for text in texts]
            together = await asyncio.gather(*(service.classify(text, tier=tier) for text in texts))
            for one, other in zip(alone, together, strict=True):
                assert one.intents[0].intent == other.intents[0].intent
                assert one.complexity == pytest.approx(other.complexity, abs=0.05)


async def test_many_at_once_are_all_answered_as_one_would_be(service: Service) -> None:
    texts = [f"translate to french: i have {n} cats" for n in range(40)]
    together = await asyncio.gather(*(service.classify(text, tier=ENCODER) for text in texts))
    assert {found.intents[0].intent for found in together} == {"translation"}
    assert {found.tier for found in together} == {ENCODER}


async def test_a_short_turn_is_judged_with_the_one_before(service: Service) -> None:
    found = await service.classify("write a python class for a bounded queue", "and in go?")
    assert found.intents[0].intent == "code"


async def test_a_prompt_that_comes_again_is_remembered(model: ClassifierModel, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        service = await start(stack, model, tmp_path, ClassifierTierChoice.AUTO, cache_entries=8)
        for text in ("explain the tides", "a b " * READ_ON_LOOP_BYTES):
            for tier in (FAST, ENCODER):
                first = await service.classify(text, tier=tier)
                again = await service.classify(text, tier=tier)
                assert (first.from_cache, again.from_cache) == (False, True)
                again.from_cache = False
                assert first == again
        assert (service.batcher.counters.cache_hits, service.batcher.counters.cache_misses) == (4, 4)
        assert not (await service.classify("explain the tides", "and now?")).from_cache


async def test_a_stopgap_is_not_remembered_as_the_encoders_answer(model: ClassifierModel, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        batcher = Batcher(model, max_batch=16, queue_size=256, assumed_encoder_s=2 * PATIENT_S)
        service = await start(stack, model, tmp_path, ClassifierTierChoice.ENCODER, batcher, cache_entries=8)
        assert (await service.classify(LONG)).tier == FAST
        again = await service.classify(LONG)
        assert (again.tier, again.from_cache) == (FAST, False)


async def test_who_hangs_up_takes_no_time_of_the_encoder(model: ClassifierModel) -> None:
    batcher = Batcher(model, max_batch=1, queue_size=256, encoder_wait_s=PATIENT_S)
    async with batcher.running():
        text = [PromptText(f"{n} {LONG}", "", 0) for n in range(20)]
        asked = [asyncio.create_task(batcher.classify(t, TierWish.ENCODER, None)) for t in text]
        # The first answer of the encoder says that the others have reached its queue.
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        gone = [task for task in asked if not task.done()]
        for task in gone:
            task.cancel()
        await asyncio.wait(asked)
        assert (await batcher.classify(PromptText(LONG, "", 0), TierWish.ENCODER, None)).degraded is None
    assert batcher.counters.cancelled == len(gone)
    # One may have been with the encoder when its caller hung up.
    assert batcher.counters.encoder.prompts <= len(asked) - len(gone) + 2
