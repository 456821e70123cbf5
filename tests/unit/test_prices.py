"""What genai-prices knows fills what the configuration leaves out; what it does not know is left out, not guessed."""

import pytest

from pointsman.config.catalogue import Price
from pointsman.config.prices import look_up


def test_a_known_model_has_its_price_and_its_window() -> None:
    found = look_up(["openai/gpt-4o-mini", "anthropic/claude-3-5-haiku-latest"])
    mini, haiku = found["openai/gpt-4o-mini"], found["anthropic/claude-3-5-haiku-latest"]
    assert (mini.input, mini.output, mini.cache_read) == (0.15, 0.6, 0.075)
    assert mini.context_tokens == 128_000
    assert 0 < haiku.input < haiku.output and haiku.cache_write


@pytest.mark.parametrize("reference", ["openai/no-such-model", "no-such-provider/gpt-4o-mini", "no-slash", "/", ""])
def test_what_it_does_not_know_is_left_out(reference: str) -> None:
    assert set(look_up([reference, "openai/gpt-4o-mini"])) == {"openai/gpt-4o-mini"}


def test_nothing_asked_is_nothing_found() -> None:
    assert look_up([]) == {}


def test_a_cost_is_rounded_up_and_cached_tokens_have_their_own_price() -> None:
    price = Price(3_000_000, 15_000_000, 300_000, 3_750_000)
    assert price.cost_micros(1_000_000, 0) == 3_000_000
    assert price.cost_micros(100, 10, cache_read_tokens=60, cache_write_tokens=20) == 60 + 150 + 18 + 75
    assert price.cost_micros(0, 0) == 0
    assert Price(1, 0, 0, 0).cost_micros(1, 0) == 1
    # A provider that counts its cached tokens beside the input does not make the rest negative.
    assert price.cost_micros(10, 0, cache_read_tokens=50) == 15
