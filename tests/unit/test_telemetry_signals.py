"""What a request tells of its answer without being judged."""

import pytest

from services.telemetry.lengths import FEWEST, MOST, Lengths
from services.telemetry.records import Attempt, Decided, Outcome, Record
from services.telemetry.signals import Complaints, Kind, Signal, answering, failures, left_early

NOW_S = 1_700_000_000.0
DAY_S = 86_400.0
A, B = ("p", "a"), ("p", "b")


def attempt(
    outcome: Outcome, failure: str = "", *, model: tuple[str, str] = A, tokens: int = 0, hedge: bool = False
) -> Attempt:
    """With a first token where it has tokens."""
    return Attempt(
        model,
        outcome,
        f"ERROR_REASON_{failure}" if failure else "",
        0.2 if tokens else None,
        None,
        None,
        10,
        tokens,
        0,
        hedge,
    )


def request(*attempts: Attempt, failure: str = "", expected: int | None = 100) -> Record:
    decided = Decided("coding", 0.5, None, expected, None)
    return Record(1, 0.0, attempts, f"ERROR_REASON_{failure}" if failure else "", decided=decided)


def early(*attempts: Attempt, failure: str = "", expected: int | None = 100) -> bool:
    record = request(*attempts, failure=failure, expected=expected)
    answer = answering(record)
    return answer is not None and left_early(record, answer)


def test_a_cancel_soon_after_the_first_token_speaks_against_the_model() -> None:
    assert early(attempt(Outcome.CANCELLED, tokens=24))
    assert not early(attempt(Outcome.CANCELLED, tokens=25)), "a quarter was read"
    assert not early(attempt(Outcome.CANCELLED)), "nothing was seen of the answer"
    assert not early(attempt(Outcome.CANCELLED, tokens=5), failure="DEADLINE_EXCEEDED"), "time ran out"
    assert not early(attempt(Outcome.CANCELLED, tokens=5), expected=39), "too short to tell"
    assert not early(attempt(Outcome.CANCELLED, tokens=5), expected=None), "nobody expected anything"
    assert not early(attempt(Outcome.SUCCEEDED, tokens=5)), "a short answer is an answer"
    assert not early(attempt(Outcome.CANCELLED, tokens=5, hedge=True)), "it lost a race, the client never saw it"


@pytest.mark.parametrize(
    ("failure", "tokens", "kinds"),
    [
        ("PROVIDER_PROTOCOL", 9, [Kind.BROKEN]),
        ("PROVIDER_PROTOCOL", 0, []),
        ("CONTENT_REFUSED", 0, [Kind.REFUSED]),
        ("STREAM_CUT", 9, []),
        ("STREAM_STALLED", 9, []),
        ("PROVIDER_SILENT", 0, []),
        ("PROVIDER_RATE_LIMITED", 0, []),
        ("PROVIDER_UNAVAILABLE", 9, []),
        ("CONTEXT_TOO_LONG", 0, []),
    ],
)
def test_of_the_failures_only_those_count_that_the_model_itself_made(
    failure: str, tokens: int, kinds: list[Kind]
) -> None:
    found = failures(
        request(attempt(Outcome.FAILED, failure, tokens=tokens), attempt(Outcome.SUCCEEDED, model=B, tokens=9))
    )
    assert found == [Signal(A, kind) for kind in kinds]


def test_feedback_is_of_the_model_whose_text_the_client_holds() -> None:
    cut = attempt(Outcome.FAILED, "STREAM_CUT", tokens=9)
    whole, lost = attempt(Outcome.SUCCEEDED, model=B, tokens=50), attempt(Outcome.CANCELLED, tokens=3, hedge=True)
    assert answering(request(cut, whole, lost)) == whole
    left = attempt(Outcome.CANCELLED, model=B, tokens=30)
    assert answering(request(cut, left)) == left
    assert answering(request(cut)) is None
    assert answering(request(attempt(Outcome.CANCELLED))) is None


def test_every_signal_weighs_little_beside_a_judgement() -> None:
    assert all(0 < kind.weight <= 0.25 for kind in Kind)


def test_complaints_that_all_models_draw_alike_hardly_count_and_those_beyond_do() -> None:
    complaints, counted = Complaints(), {A: 0.0, B: 0.0}
    for number in range(2_000):
        for model, every in ((A, 10), (B, 10)):
            complaints.answered(model, "coding")
            if number % every == 0:
                counted[model] += complaints.complained(model, "coding")
    assert counted[A] + counted[B] < 0.1 * 400
    counted = {A: 0.0, B: 0.0}
    for number in range(2_000):
        for model, every in ((A, 20), (B, 5)):
            complaints.answered(model, "coding")
            if number % every == 0:
                counted[model] += complaints.complained(model, "coding")
    # A draws 100, fewer than the usual; B 400 where some 230 are usual.
    assert counted[A] < 10
    assert 100 < counted[B] < 250


def test_complaints_remember_in_bounds() -> None:
    complaints = Complaints()
    for number in range(3 * Complaints.MOST_KEYS):
        complaints.answered(("p", str(number)), "coding")
    assert 0.0 <= complaints.complained(A, "coding") <= 1.0
    assert len(complaints._credit) <= Complaints.MOST_KEYS


def test_the_ratio_of_lengths_is_unknown_at_first_pulled_to_one_and_then_found() -> None:
    lengths = Lengths(14 * DAY_S)
    for _ in range(int(FEWEST) - 1):
        lengths.add(A, "coding", 3.0, NOW_S)
    assert lengths.ratio(A, "coding", NOW_S) == 0.0
    lengths.add(A, "coding", 3.0, NOW_S)
    assert 1.0 < lengths.ratio(A, "coding", NOW_S) < 2.0
    for _ in range(500):
        lengths.add(A, "coding", 3.0, NOW_S)
    assert lengths.ratio(A, "coding", NOW_S) == pytest.approx(3.0, rel=0.03)
    assert lengths.ratio(A, "", NOW_S) == lengths.ratio(A, "coding", NOW_S), "for intents that are not named"
    assert lengths.ratio(B, "coding", NOW_S) == lengths.ratio(A, "chat", NOW_S) == 0.0
    assert lengths.ratio(A, "coding", NOW_S - DAY_S) == lengths.ratio(A, "coding", NOW_S - DAY_S)
    assert lengths.ratio(A, "coding", NOW_S + 365 * DAY_S) == 0.0


def test_one_strange_answer_does_not_carry_the_ratio_away() -> None:
    lengths = Lengths(14 * DAY_S)
    for ratio in [1e9, *[1.0] * 50]:
        lengths.add(A, "coding", ratio, NOW_S)
    assert lengths.ratio(A, "coding", NOW_S) < MOST ** (1 / 50)
