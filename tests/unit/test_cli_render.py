"""What a person reads in a terminal."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType

from pointsman import errors
from pointsman.classifier.v1.classifier_service_pb2 import Classification, IntentScore
from pointsman.cli.chat import summary
from pointsman.cli.failures import describe
from pointsman.cli.figures import money, plain, price, rate, seconds, size
from pointsman.cli.models import models_table
from pointsman.cli.top import Picture, view
from pointsman.cli.up import announcement
from pointsman.items import Finished, FinishReason, Switched, Usage
from pointsman.llm.v1.model_pb2 import CAPABILITY_TOOLS, ModelCard, ModelRef, Price
from pointsman.router.v1.router_service_pb2 import Candidate, ModelStatus, RouteDecision
from pointsman.supervisor.readiness import Condition, Report
from pointsman.telemetry.v1.telemetry_service_pb2 import ModelStats, Quantiles, WatchStatsResponse

SMALL, LARGE = ModelRef(provider="triton", model="tiny-chat"), ModelRef(provider="openai", model="gpt-5")


def shown(*things: RenderableType, width: int = 160) -> list[str]:
    """The lines of a terminal without colours, each without the space at its end."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    for thing in things:
        console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def row(lines: Sequence[str], start: str) -> str:
    """The one line that starts so, with single spaces."""
    found = [" ".join(line.split()) for line in lines if line.strip().startswith(start)]
    assert len(found) == 1, lines
    return found[0]


def decision() -> RouteDecision:
    return RouteDecision(
        chosen=LARGE,
        candidates=[
            Candidate(
                model=LARGE,
                verdict=Candidate.VERDICT_ELIGIBLE,
                score=3_986,
                expected_quality=0.95,
                expected_cost_micros=1_014,
                expected_first_token_seconds=0.42,
                expected_tokens_per_second=88.4,
            ),
            Candidate(model=SMALL, verdict=Candidate.VERDICT_CONTEXT_TOO_SMALL, detail="needs 9,000 [of] 1,024 tokens"),
        ],
        classification=Classification(
            intents=[IntentScore(intent="reasoning", probability=0.83)],
            complexity=0.62,
            estimated_input_tokens=1_200,
            estimated_output_tokens=300,
            language_code="de",
        ),
        policy="balanced",
        config_revision="abc123",
        reason="hard enough for it",
    )


def test_chat_ends_with_where_the_answer_came_from() -> None:
    usage = Usage(1_200, 0, 0, 101, 0, 0.5, 2.5, 1_014, False)
    switch = Switched("triton/tiny-chat", "openai/gpt-5", "ERROR_REASON_STREAM_CUT", 120, "")
    lines = shown(summary(decision(), Finished(FinishReason.LENGTH, usage), [switch], "openai/gpt-5"))
    assert [line.strip() for line in lines] == [
        "model  openai/gpt-5",
        "why  hard enough for it",
        "prompt  intent reasoning 83%, complexity 0.62",
        "speed  first token 0.50 s, whole 2.50 s",
        "tokens  1,200 in, 101 out at 50 tokens/s",
        "cost  $0.001014",
        "switch  triton/tiny-chat -> openai/gpt-5: stream cut, 120 characters kept",
        "ending  cut off at its token limit",
    ]


def test_models_show_price_size_and_state() -> None:
    card = ModelCard(
        ref=LARGE,
        capabilities=[CAPABILITY_TOOLS],
        context_tokens=400_000,
        max_output_tokens=4_096,
        price=Price(input_micros_per_mtok=1_250_000, output_micros_per_mtok=10_000_000),
    )
    lines = shown(
        models_table(
            [
                ModelStatus(card=card, available=True, first_token_seconds=0.4, tokens_per_second=90),
                ModelStatus(card=ModelCard(ref=SMALL), available=False, detail="OPENAI_API_KEY is not set"),
            ]
        )
    )
    assert row(lines, "openai/gpt-5") == "openai/gpt-5 up $1.25 $10.00 400k 4.1k 0.40 s 90 tools"
    assert "down: OPENAI_API_KEY is not set" in "\n".join(lines)


def test_top_shows_the_busiest_first() -> None:
    stats = WatchStatsResponse(
        models=[
            ModelStats(
                model=SMALL,
                attempts=120,
                failures=6,
                first_token_seconds=Quantiles(p50=0.08, p99=0.9),
                tokens_per_second=Quantiles(p50=140),
                output_tokens=4_000,
                cost_micros=2_000,
            )
        ]
    )
    stats.window.FromSeconds(60)
    models = [ModelStatus(card=ModelCard(ref=ref), available=True) for ref in (LARGE, SMALL)]
    lines = shown(view(Picture(models, stats, {"router": "no router at x"})))
    assert row(lines, "triton/") == "triton/tiny-chat up 2.00 80 ms 0.90 s 140 5% $0.1200"
    assert row(lines, "openai/") == "openai/gpt-5 up - - - - - -"
    assert lines.index(next(line for line in lines if line.startswith("triton"))) == 1
    assert "last 60 s: 120 attempts, 6 failed, 4,000 tokens out, $0.002000" in lines
    assert lines[-1] == "no router at x"


def test_up_tells_what_does_not_serve_and_why() -> None:
    reports = [
        Report("provider-openai", "unix:/r/o.sock", Condition.NOT_SERVING, "OPENAI_API_KEY is not set"),
        Report("router", "unix:/r/router.sock", Condition.SERVING),
    ]
    lines = shown(*announcement(reports, 1.24, "--run-dir r "))
    assert lines[0] == "1 of 2 services are up after 1.2 s"
    assert lines[1].split(maxsplit=2)[2] == "not serving: OPENAI_API_KEY is not set"
    assert "pointsman chat --run-dir r " in lines[-1]
    assert shown(*announcement(reports[1:], 1.24, ""))[0] == "mesh is up after 1.2 s"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            errors.ProviderUnreachable("connect failed", metadata={"grpc_status": "UNAVAILABLE"}),
            "no router at unix:/r; start one with `pointsman up --config FILE`, or name another with --address",
        ),
        (
            errors.InternalError("Method not found!", metadata={"grpc_status": "UNIMPLEMENTED"}),
            "what listens at unix:/r is no router of Pointsman; name another with --address",
        ),
        (errors.Overloaded("2000 in flight", retry_after_s=2.5), "overloaded: 2000 in flight; try again in 2.5 s"),
        (errors.InvalidRequest.of("policy", "expected\none of a, b"), "invalid request: policy: expected one of a, b"),
    ],
)
def test_an_error_is_one_line_with_what_to_do(error: errors.PointsmanError, line: str) -> None:
    assert describe(error, "unix:/r") == line


def test_figures() -> None:
    assert [money(m) for m in (0, 1, 650, 12_500, 2_500_000, -300)] == [
        "$0.00",
        "$0.000001",
        "$0.000650",
        "$0.0125",
        "$2.50",
        "-$0.000300",
    ]
    assert [price(p) for p in (0, 75_000, 1_250_000, 1_000_000_000)] == ["$0.00", "$0.075", "$1.25", "$1,000.00"]
    assert [seconds(s) for s in (0, 0.045, 0.31, 12.44)] == ["-", "45 ms", "0.31 s", "12.4 s"]
    assert [rate(r) for r in (None, 0, 3.21, 58.4, 1_200)] == ["-", "-", "3.2", "58", "1,200"]
    assert [size(t) for t in (512, 8_192, 128_000, 1_048_576)] == ["512", "8.19k", "128k", "1.05M"]


def test_a_model_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[31mb\x07\r\n\tc\x9b") == "a[31mb\n\tc"
