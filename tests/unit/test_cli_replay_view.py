"""What `pointsman replay` shows."""

import pytest

from pointsman.cli.replay_view import Found, replay_view
from tests.unit.test_cli_render import row, shown


def found(**other: object) -> Found:
    whole: dict[str, object] = {
        "replayed": 200,
        "changed": 60,
        "left_out": {"no decision was recorded": 3},
        "shares": [
            {"model": "small/tiny", "before": 0.8, "after": 0.5},
            {"model": "large/big", "before": 0.2, "after": 0.495},
            {"model": "", "before": 0.0, "after": 0.005},
        ],
        "cost_per_1k": {"before": 0.8, "after": 1.2},
        "expected_quality": {"before": 0.721, "after": 0.802},
        "expected_seconds": {"before": 4.0, "after": 4.001},
        "moves": [
            {"from": "small/tiny", "to": "large/big", "count": 59, "why": "it is [worth] it"},
            {"from": "small/tiny", "to": "", "count": 1, "why": "no model is eligible"},
        ],
        "off_policy": None,
    }
    return whole | other  # type: ignore[return-value]


def test_shares_worth_and_moves() -> None:
    lines = shown(replay_view(found(), "policy good for all"), width=80)
    assert lines[:2] == ["60 of 200 decisions change (30%)", "policy good for all"]
    assert row(lines, "small/tiny  ") == "small/tiny 80% 50% -30 points ████████░░░░░"
    assert row(lines, "large/big") == "large/big 20% 50% +30 points ████████"
    assert row(lines, "none can answer") == "none can answer - <1% -"
    assert row(lines, "cost of") == "cost of 1,000 requests $0.8000 $1.20 +50.0%"
    assert row(lines, "right answers") == "right answers 72.1% 80.2% +8.1 points"
    # A change that no figure shows is none.
    assert row(lines, "time to the last token") == "time to the last token 4.00 s 4.00 s -"
    assert row(lines, "59") == "59 30% small/tiny -> large/big"
    assert "it is [worth] it" in "\n".join(lines)
    assert row(lines, "1 ") == "1 <1% small/tiny -> none can answer"
    assert lines[-1] == "3 left out: no decision was recorded"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        ({"before": 0.04, "after": 3.2}, "cost of 1,000 requests $0.0400 $3.20 x 80.0"),
        ({"before": 2.0, "after": 1.5}, "cost of 1,000 requests $2.00 $1.50 -25.0%"),
        ({"before": 0.0, "after": 1.5}, "cost of 1,000 requests $0.00 $1.50 from nothing"),
        ({"before": 0.0, "after": 0.0}, "cost of 1,000 requests $0.00 $0.00 -"),
    ],
)
def test_a_change_is_told_in_percent_or_as_a_factor(cost: dict[str, float], told: str) -> None:
    assert row(shown(replay_view(found(cost_per_1k=cost), "")), "cost of") == told


def test_no_change_and_no_decision_are_said_first() -> None:
    assert (
        shown(replay_view(found(changed=0, moves=[]), ""))[0] == "nothing changes: all 200 decisions stay as they were"
    )
    assert shown(replay_view(found(replayed=0, shares=[], moves=[]), ""))[0].startswith("no decision to replay")


def test_the_off_policy_estimate_says_how_much_it_is_worth() -> None:
    estimate = {"recorded": 0.95, "expected": 0.99, "effective": 41.6, "covered": 0.4, "requests": 180}
    lines = shown(replay_view(found(off_policy=estimate), ""))
    assert row(lines, "off-policy") == (
        "off-policy 99.0% of the requests answered, was 95.0%;"
        " by inverse propensity over 180 requests, worth 42 of its own"
    )
    assert row(lines, "only 40%").startswith("only 40% of what it picks was ever tried by chance")
    covered = shown(replay_view(found(off_policy=estimate | {"covered": 1.0}), ""))
    assert not [line for line in covered if "only" in line]
