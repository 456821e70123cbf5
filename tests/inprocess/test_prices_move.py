"""Prices that move while the mesh runs: traffic follows, alarms are raised, and what cannot be used changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from pointsman import telemetry_names as names
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.price_sources import Unreadable, UrlSource
from tests.inprocess.answers import ask
from tests.inprocess.mesh import NOT_SERVING, SERVING, Mesh, running_mesh
from tests.inprocess.price_server import PriceServer, serving_prices

USUAL: dict[str, Any] = {"input": 1, "output": 2}
# Two thousand times the usual: no answer is worth that.
SPIKE: dict[str, Any] = {"input": 2_000, "output": 4_000}


def prices(**models: Any) -> str:
    return json.dumps({"models": {f"{provider}/m": price for provider, price in models.items()}})


def watching(**section: Any) -> dict[str, Any]:
    return {"prices": {"refresh_s": 0.2} | section}


async def served_by(mesh: Mesh) -> str:
    return (await mesh.generate(ask())).decided.chosen.provider


async def price_of(mesh: Mesh, provider: str) -> tuple[float, float]:
    models = (await mesh.stub.ListModels(pb.ListModelsRequest())).models
    price = next(model.card.price for model in models if model.card.ref.provider == provider)
    return price.input_micros_per_mtok / 1e6, price.output_micros_per_mtok / 1e6


async def test_traffic_leaves_a_model_whose_price_spikes_and_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(prices(first=USUAL))
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    async with running_mesh(tmp_path, sections=watching(file="prices.yaml"), meter=meter) as mesh:
        assert await served_by(mesh) == "first"
        file.write_text(prices(first=SPIKE))
        await mesh.eventually(mesh.chosen, "second")
        assert await served_by(mesh) == "second"
        assert await price_of(mesh, "first") == (2_000, 4_000)
        told = figures(reader)
        assert told[names.PRICE_INPUT]["first/m"] == 2_000
        assert told[names.PRICE_OUTPUT] == {"first/m": 4_000, "second/m": 2, "third/m": 2}
        assert told[names.PRICE_JUMPS] == {"up first/m input": 1, "up first/m output": 1}
        # As people edit it.
        file.write_text("models:\n  first/m: {input: 1, output: 2}\n")
        await mesh.eventually(mesh.chosen, "first")
        assert await served_by(mesh) == "first"
        assert figures(reader)[names.PRICE_JUMPS]["down first/m output"] == 1
    assert "the price of first/m for input tokens went up from $1 to $2000 per million" in caplog.text


async def test_a_small_move_is_followed_without_an_alarm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "prices.yaml").write_text(prices(first=USUAL))
    async with running_mesh(tmp_path, sections=watching(file="prices.yaml")) as mesh:
        (tmp_path / "prices.yaml").write_text(prices(first={"input": 1.9, "output": 2}))
        await mesh.eventually(lambda: price_of(mesh, "first"), (1.9, 2))
    assert "the price of" not in caplog.text


async def test_traffic_follows_a_url(tmp_path: Path) -> None:
    with serving_prices() as server:
        server.body, server.headers = prices(first=USUAL).encode(), {"ETag": '"1"'}
        async with running_mesh(tmp_path, sections=watching(url=server.url)) as mesh:
            await mesh.eventually(lambda: seen(mesh, lambda: 304 in server.answered), True)
            assert await served_by(mesh) == "first"
            server.headers, server.body = {"ETag": '"2"'}, prices(first=SPIKE, other=USUAL).encode()
            await mesh.eventually(mesh.chosen, "second")
            server.headers, server.body = {}, prices(first=USUAL).encode()
            await mesh.eventually(mesh.chosen, "first")
            assert mesh.component("prices").serving


async def test_the_url_wins_over_the_file_and_the_file_over_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(prices(first={"input": 3, "output": 3}, second={"input": 4, "output": 4}))
    stated = {f"{provider}/m": {"input": 2, "output": 2} for provider in ("first", "second", "third")}
    with serving_prices() as server:
        server.body = prices(first={"input": 5, "output": 5}).encode()
        sections = watching(models=stated, file="prices.yaml", url=server.url)
        async with running_mesh(tmp_path, sections=sections) as mesh:
            await mesh.eventually(lambda: price_of(mesh, "first"), (5, 5))
            assert [await price_of(mesh, provider) for provider in ("second", "third")] == [(4, 4), (2, 2)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("models:\n  first/m: {input: 5}\n", "prices.yaml:2: models.first/m.output: expected a value; it is required"),
        ('{"models":\n {"first/m":\n {"input": -1, "output": 2}}}', "prices.yaml:3: models.first/m.input: expected"),
        ("models: {first/m: {input: 1, output: 2}", "prices.yaml:1: (syntax): expected YAML"),
        ("", "prices.yaml:1: (file): expected a mapping"),
        ("models: {first/m: &a {input: 1, output: 2}, second/m: *a}", "prices.yaml:1: (syntax): expected no aliases"),
        ("#" * 1024 * 1024 + "#", "prices.yaml:0: (file): expected at most 1048576 bytes"),
        (None, "prices.yaml: expected a readable file"),
    ],
)
async def test_a_bad_file_is_refused_whole_and_the_old_prices_stay(
    tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(prices(second={"input": 3, "output": 4}))
    async with running_mesh(tmp_path, sections=watching(file="prices.yaml")) as mesh:
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        await mesh.until("prices", NOT_SERVING)
        assert told in mesh.component("prices").detail
        assert await price_of(mesh, "second") == (3, 4)
        assert await served_by(mesh) == "first"
        file.write_text(prices(second={"input": 5, "output": 6}))
        await mesh.until("prices", SERVING)
        assert await price_of(mesh, "second") == (5, 6)


async def test_a_bad_file_at_the_start_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("models: 7")
    async with running_mesh(tmp_path, sections=watching(file="prices.yaml")) as mesh:
        assert "prices.yaml:1: models: expected" in mesh.component("prices").detail
        assert await served_by(mesh) == "first"
        assert await price_of(mesh, "first") == (1, 2)


async def test_a_url_that_fails_leaves_the_file_in_force(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(prices(first={"input": 3, "output": 4}))
    with serving_prices() as server:
        server.status = 500
        async with running_mesh(tmp_path, sections=watching(file="prices.yaml", url=server.url)) as mesh:
            await mesh.until("prices", NOT_SERVING)
            assert mesh.component("prices").detail.endswith("/prices: expected status 200, found 500")
            assert await price_of(mesh, "first") == (3, 4)
            server.status, server.body = 200, b"no prices"
            await mesh.eventually(
                lambda: seen(mesh, lambda: "expected a mapping" in mesh.component("prices").detail), True
            )
            server.body = prices().encode()
            await mesh.until("prices", SERVING)


async def test_models_that_nobody_has_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(prices(first=USUAL, zeroth=USUAL))
    async with running_mesh(tmp_path, sections=watching(file="prices.yaml")) as mesh:
        for price in (3, 4):
            file.write_text(prices(first={"input": price, "output": price}, zeroth=USUAL))
            await mesh.eventually(lambda: price_of(mesh, "first"), (price, price))
    assert caplog.text.count("are ignored: zeroth/m") == 1


def set_redirect(server: PriceServer, to: str) -> None:
    server.status, server.headers = 302, {"Location": to}


def test_only_http_is_followed_and_nothing_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(prices())
    with serving_prices() as server:
        for elsewhere in (f"file://{tmp_path}/prices.json", "ftp://127.0.0.1/prices", "data:,x"):
            set_redirect(server, elsewhere)
            with pytest.raises(Unreadable):
                UrlSource(server.url).read(None)
        server.status, server.headers = 503, {}
        with pytest.raises(Unreadable) as raised:
            UrlSource(f"{server.url}?key=hidden").read(None)
        assert "hidden" not in str(raised.value)
        server.status, server.body = 200, b"x" * 3_000_000
        assert len(UrlSource(server.url).read(None) or b"") < 1_200_000
    with pytest.raises(Unreadable, match=r"expected an answer: .*refused"):
        UrlSource(server.url).read(None)


def figures(reader: InMemoryMetricReader) -> dict[str, dict[str, float]]:
    """Each figure by its metric and the values of its attributes."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: {
            " ".join(
                str((point.attributes or {})[key]) for key in sorted(point.attributes or {}, reverse=True)
            ): getattr(point, "value", 0)
            for point in metric.data.data_points
        }
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def seen(mesh: Mesh, check: Callable[[], object]) -> object:
    """What can be seen from here, once the router had time for others."""
    await mesh.health_of("prices")
    return check()
