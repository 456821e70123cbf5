"""New model files go into service without a restart; wrong ones do not, and the operator is told."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from services.classifier.answer import Answer, TierWish
from services.classifier.batcher import Batcher
from services.classifier.cached import CachedBatcher
from services.classifier.manifest import FILE_NAME, read_manifest, write_manifest
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from services.classifier.prompt_text import PromptText
from services.classifier.reload import COMPONENT, ModelReload, fingerprint
from services.runtime.health import Component, Health

PATIENT_S = 30.0


class Running:
    """A classifier's core whose model folder is looked at when the test says so."""

    def __init__(self, folder: Path, health: Health, cached: CachedBatcher, reload: ModelReload) -> None:
        self.folder = folder
        self.cached = cached
        self._health = health
        self._reload = reload

    @property
    def component(self) -> Component:
        return self._health.components[COMPONENT]

    async def ask(self, text: str, wish: TierWish = TierWish.FAST) -> Answer:
        return await self.cached.classify(partial(PromptText, text, "", 0), len(text), wish, None)

    async def look(self) -> None:
        """The first look sees a change, the second that it is over."""
        await self._reload.look()
        await self._reload.look()

    def install(self, revision: str) -> None:
        """Write another revision of the same model."""
        write_manifest(read_manifest(SHIPPED_MODELS).model_copy(update={"revision": revision}), self.folder)


@asynccontextmanager
async def running(folder: Path, *, with_encoder: bool) -> AsyncIterator[Running]:
    shutil.copytree(SHIPPED_MODELS, folder)
    load = partial(ClassifierModel, folder, threads=1, with_encoder=with_encoder)
    before = fingerprint([folder])
    batcher = Batcher(load(), max_batch=4, queue_size=256, encoder_wait_s=PATIENT_S)
    health = Health()
    async with AsyncExitStack() as stack:
        cached = await stack.enter_async_context(CachedBatcher(batcher, 64).running())
        reload = ModelReload([folder], load, cached.swap, health, cached.counters, loaded=before)
        await stack.enter_async_context(reload.running(0))
        yield Running(folder, health, cached, reload)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "models", with_encoder=False) as found:
        yield found


async def test_a_new_revision_answers_without_a_restart_and_nothing_old_is_remembered(service: Running) -> None:
    old = await service.ask("explain the tides")
    assert (await service.ask("explain the tides")).from_cache
    service.install("second")
    await service.look()
    new = await service.ask("explain the tides")
    assert old.revision != new.revision == "second"
    assert not new.from_cache
    assert new.judgement == old.judgement
    assert service.cached.counters.reloads == 1


async def test_files_that_stay_as_they_are_are_not_loaded_again(service: Running) -> None:
    model = service.cached.model
    await service.look()
    assert service.cached.model is model


async def test_a_wrong_folder_is_refused_whole_and_told_once(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    old = (await service.ask("hi")).revision
    service.install("second")
    (service.folder / "fast.onnx").write_bytes(b"no model")
    with caplog.at_level(logging.ERROR):
        await service.look()
        await service.look()
    assert (await service.ask("hello")).revision == old
    assert (await service.ask("hi")).from_cache
    assert service.cached.counters.reload_failures == 1
    assert not service.component.serving
    assert not service.component.vital
    assert "fast.onnx" in service.component.detail
    assert "expected sha256" in service.component.detail
    assert [record.levelno for record in caplog.records if "fast.onnx" in record.getMessage()] == [logging.ERROR]

    shutil.copy(SHIPPED_MODELS / "fast.onnx", service.folder)
    await service.look()
    assert (await service.ask("hi")).revision == "second"
    assert service.component.serving


@pytest.mark.parametrize("manifest_first", [True, False])
async def test_files_that_are_copied_piece_by_piece_end_in_the_new_model(
    service: Running, *, manifest_first: bool
) -> None:
    model = (service.folder / "fast.onnx").read_bytes()
    halves = [model[: len(model) // 2], model]
    if manifest_first:
        service.install("second")
    for half in halves:
        (service.folder / "fast.onnx").write_bytes(half)
        await service.look()
    if not manifest_first:
        service.install("second")
        await service.look()
    assert (await service.ask("hi")).revision == "second"
    assert service.component.serving


async def test_a_missing_manifest_is_named_and_the_old_model_goes_on(service: Running) -> None:
    old = (await service.ask("hi")).revision
    (service.folder / FILE_NAME).unlink()
    await service.look()
    assert FILE_NAME in service.component.detail
    assert (await service.ask("hello")).revision == old


async def test_prompts_that_wait_for_the_encoder_are_judged_by_the_model_that_read_them(tmp_path: Path) -> None:
    async with running(tmp_path / "models", with_encoder=True) as service:
        old = service.cached.model.revision
        first = [asyncio.create_task(service.ask(f"{n} explain the tides " * 9, TierWish.ENCODER)) for n in range(12)]
        # The first answer says that the others have reached the encoder's queue.
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        service.install("second")
        await service.look()
        second = [asyncio.create_task(service.ask(f"{n} explain the winds " * 9, TierWish.ENCODER)) for n in range(4)]
        assert {(a.revision, a.degraded) for a in await asyncio.gather(*first)} == {(old, None)}
        assert {(a.revision, a.degraded) for a in await asyncio.gather(*second)} == {("second", None)}
