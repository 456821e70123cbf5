"""Which price is in force, which moves are jumps, and how a file of prices is read."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.catalogue import Price
from pointsman.config.price_file import read_prices
from pointsman.config.yaml_file import ConfigError
from services.router.price_book import Direction, PriceBook, Prices, jumps

MODELS = ["p/a", "p/b", "q/c"]
PRICE = st.builds(Price, *[st.integers(0, 10_000_000)] * 4)
LAYER = st.dictionaries(st.sampled_from([*MODELS, "q/unknown"]), PRICE)
LISTED = st.fixed_dictionaries(dict.fromkeys(MODELS, PRICE))
FACTOR = st.floats(1.01, 1_000)
DOLLARS = st.floats(0, 1_000)


@given(LISTED, LAYER, LAYER, LAYER)
def test_the_last_layer_that_has_a_price_wins(listed: Prices, section: Prices, file: Prices, url: Prices) -> None:
    in_force = PriceBook(listed, section, file, url).in_force()
    assert in_force.keys() == set(MODELS)
    for model, price in in_force.items():
        assert price == next(layer[model] for layer in (url, file, section, listed) if model in layer)


@given(LISTED, LAYER, LAYER)
def test_what_no_model_is_is_told_and_changes_nothing(listed: Prices, file: Prices, url: Prices) -> None:
    book = PriceBook(listed, {}, file, url)
    assert book.unknown() == {reference for reference in (*file, *url) if reference not in MODELS}
    known = PriceBook(listed, {}, *({r: p for r, p in layer.items() if r in MODELS} for layer in (file, url)))
    assert book.in_force() == known.in_force()


@given(LISTED, FACTOR)
def test_prices_that_stand_do_not_jump(prices: Prices, factor: float) -> None:
    assert jumps(prices, prices, factor) == ()


@given(LISTED, LISTED, FACTOR)
def test_a_jump_back_is_a_jump_the_other_way(before: Prices, after: Prices, factor: float) -> None:
    there, back = jumps(before, after, factor), jumps(after, before, factor)
    assert [(j.reference, j.token_type, j.before, j.after) for j in there] == [
        (j.reference, j.token_type, j.after, j.before) for j in back
    ]
    assert all({one.direction, other.direction} == set(Direction) for one, other in zip(there, back, strict=True))


@given(st.integers(1, 10_000_000), FACTOR)
def test_a_jump_is_beyond_the_factor(price: int, factor: float) -> None:
    def moved(after: int) -> bool:
        return bool(jumps({"p/a": Price(price, 7, 0, 0)}, {"p/a": Price(after, 7, 1, 1)}, factor))

    assert not moved(int(price * factor))
    assert moved(int(price * factor) + 1)
    assert moved(0)


def test_from_nothing_is_a_jump_too() -> None:
    (jump,) = jumps({"p/a": Price(1, 0, 0, 0)}, {"p/a": Price(1, 5, 0, 0), "p/b": Price(9, 9, 9, 9)}, 1_000.0)
    assert (jump.reference, jump.token_type, jump.direction) == ("p/a", "output", Direction.UP)


@given(
    st.dictionaries(
        st.sampled_from(MODELS),
        st.fixed_dictionaries({"input": DOLLARS, "output": DOLLARS}, optional={"cache_read": DOLLARS}),
    )
)
def test_json_and_yaml_say_the_same(models: dict[str, dict[str, float]]) -> None:
    content = {"models": models}
    found = read_prices("prices", json.dumps(content).encode())
    assert found == read_prices("prices", yaml.safe_dump(content).encode())
    for reference, price in found.items():
        stated = models[reference]
        assert price.output_micros_per_mtok == round(stated["output"] * 1e6)
        assert price.cache_write_micros_per_mtok == price.input_micros_per_mtok
        assert price.cache_read_micros_per_mtok == round(stated.get("cache_read", stated["input"]) * 1e6)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b'{"models": {"p/a": {"input": 1, "output": 2}, "p/a": {"input": 1, "output": 2}}}',
            "1: models.p/a: expected once",
        ),
        (b'{"models": {"p/a": {"input": NaN, "output": 2}}}', "1: models.p/a.input: expected otherwise"),
        (b'{"models": {"p/a": {"input": "dear", "output": 2}}}', "1: models.p/a.input: expected otherwise"),
        (b'{"models":\n {"nobody": {"input": 1, "output": 2}}}', "2: models.nobody: expected otherwise"),
        (b"prices: {}", "1: models: expected a value; it is required"),
        (b"\xff", "0: (file): expected UTF-8 text"),
        (b"[" * 100_000, "0: (syntax): expected YAML that is nested less deeply"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(content: bytes, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_prices(Path("prices.json"), content)
    assert f"prices.json:{told}" in str(raised.value)
