"""The simulator starts, fails with a word of advice, and leaves nothing behind; and adapters survive its chaos."""

from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from deploy.demo import aimock
from pointsman import errors
from tests.contract.harness import Case, request_for
from tests.contract.http_harness import RESPONSES, AnthropicHarness, HttpHarness, OpenAiHarness, fixtures

HARNESSES = [OpenAiHarness(), AnthropicHarness()]


async def test_it_ends_with_its_block() -> None:
    with pytest.raises(RuntimeError, match="the block failed"):
        async with aimock.run_aimock(fixtures(Case.TEXT, "m")) as running:
            assert psutil.pid_exists(running.pid)
            raise RuntimeError("the block failed")
    assert not psutil.pid_exists(running.pid)


async def test_what_is_not_installed_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aimock, "COMMAND_LINE", aimock.NODE_FOLDER / "node_modules" / "no-such-thing.js")
    with pytest.raises(aimock.AimockMissing, match="make setup"):
        async with aimock.run_aimock([]):
            pass


async def test_what_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "aimock-cli.js"
    broken.write_text("console.error('no port for me'); process.exit(1)")
    monkeypatch.setattr(aimock, "COMMAND_LINE", broken)
    with pytest.raises(aimock.AimockMissing, match="no port for me"):
        async with aimock.run_aimock([]):
            pass


@pytest.mark.parametrize("harness", HARNESSES, ids=lambda harness: harness.name)
@pytest.mark.parametrize(
    ("chaos", "error"),
    [
        ("dropRate", errors.ProviderUnavailable),
        ("malformedRate", errors.ProviderProtocol),
        ("disconnectRate", errors.ProviderUnreachable),
        ("rateLimitRate", errors.ProviderRateLimited),
    ],
)
async def test_chaos_has_its_place_in_the_tree(
    harness: HttpHarness, chaos: str, error: type[errors.PointsmanError]
) -> None:
    async with (
        aimock.run_aimock(fixtures(Case.TEXT, harness.model), chaos={chaos: 1}) as running,
        aclosing(harness.adapter(running.url, "key")) as adapter,
    ):
        with pytest.raises(errors.PointsmanError) as raised:
            _ = [batch async for batch in adapter.generate(request_for(harness))]
    assert type(raised.value) is error, raised.value.message


@pytest.mark.parametrize("harness", HARNESSES, ids=lambda harness: harness.name)
async def test_a_truncated_answer_is_a_cut(harness: HttpHarness) -> None:
    cut = [{"match": {"model": harness.model}, "response": RESPONSES[Case.TEXT], "truncateAfterChunks": 4}]
    async with (
        aimock.run_aimock(cut, chunk_size=5, latency_ms=1) as running,
        aclosing(harness.adapter(running.url, "key")) as adapter,
    ):
        with pytest.raises(errors.StreamCut):
            _ = [batch async for batch in adapter.generate(request_for(harness))]
