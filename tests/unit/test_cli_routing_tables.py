"""What `pointsman check-config` shows of policies, rules, experiments and prices."""

from pathlib import Path

from pointsman.cli.routing_tables import routing_tables
from pointsman.config.load import load_config
from tests.unit.test_cli_render import row, shown

CONFIG = """
version: 1
providers:
  small: {kind: openai_http, base_url: "http://127.0.0.1:9/v1"}
  large: {kind: openai_http, base_url: "http://127.0.0.1:9/v1"}
models:
  - {provider: small, model: tiny, quality: 0.1, context_tokens: 8000, price: {input: 0.05, output: 0.1}}
  - {provider: large, model: big, quality: 1.1}
policies:
  frugal: {objective: cheapest, min_quality: 0.7, min_quality_share: 0.9, explore: 0.05, max_first_token_s: 2}
rules:
  - {name: papers, when: {routes: [law], min_input_tokens: 20000}, use: ["l*/*"], strict: true}
  - {name: rapid, when: {tags: [rapid], metadata: {team: "*"}, max_complexity: 0.3}, policy: latency_first}
experiments:
  - {name: canary, arms: {large/big: 0.05}}
  - {name: watch, kind: shadow, when: {intents: [code, math]}, arms: {small/tiny: 0.1}, record_answers: true}
prices: {models: {small/tiny: {input: 0.04, output: 0.1}}, url: "http://127.0.0.1:9/prices.json"}
"""


def lines_of(tmp_path: Path, config: str, width: int = 160) -> list[str]:
    file = tmp_path / "mesh.yaml"
    file.write_text(config)
    return shown(*routing_tables(load_config(file).mesh), width=width)


def test_each_policy_with_what_it_looks_for(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, CONFIG)
    assert row(lines, "balanced") == "balanced (default) $0.02 - $0.0002 $0.0002 - highest score"
    assert row(lines, "frugal") == (
        "frugal $0.01 - - - 5% cheapest that is right at 70% and 90% of the best; first token within 2.00 s"
    )


def test_rules_name_the_models_that_their_patterns_mean(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, CONFIG)
    assert row(lines, "papers") == "papers route law, input tokens from 20000 only large/big"
    assert row(lines, "rapid") == "rapid tag rapid, team given, complexity up to 0.3 by policy latency_first"


def test_experiments_tell_their_shares(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, CONFIG)
    assert row(lines, "canary") == "canary every request 5.0% to large/big; 95.0% as ever"
    assert row(lines, "watch") == (
        "watch intent code or math a copy: 10.0% to small/tiny; at most $1.00 an hour, answers kept"
    )


def test_prices_tell_where_they_come_from(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, CONFIG)
    assert row(lines, "genai-prices") == "genai-prices large/big"
    assert row(lines, "models: price") == "models: price small/tiny"
    assert row(lines, "prices: models") == "prices: models small/tiny"
    assert row(lines, "http:") == (
        "http://127.0.0.1:9/prices.json whatever it names, read every 2 s; alarm at a factor of 2"
    )


def test_it_fits_a_narrow_screen_and_says_nothing_of_what_is_not_there(tmp_path: Path) -> None:
    assert max(map(len, lines_of(tmp_path, CONFIG, width=80))) <= 80
    bare = lines_of(tmp_path, CONFIG[: CONFIG.index("policies:")])
    assert not [line for line in bare if line.startswith(("rule", "experiment", "prices: models"))]
