"""Where a policy lets it, a second model starts when the first one is slow to speak, and the first to speak wins."""

from pathlib import Path
from typing import Any

from pointsman import errors
from tests.inprocess.answers import ask
from tests.inprocess.mesh import PATIENCE_S, running_mesh

HEDGED = {"policies": {"balanced": {"hedge": 1.0}}, "limits": {"max_attempts": 4}}
QUICK = {"first_token_s": 0.01}
SILENT: dict[str, Any] = {"script": [{"stall_after_tokens": 0, "calls": 100}]}


async def test_a_silent_model_is_overtaken_by_the_next(tmp_path: Path) -> None:
    scenarios: dict[str, Any] = {"first": SILENT, "second": {"answer": "from second "}}
    async with running_mesh(tmp_path, scenarios, sections=HEDGED, model=QUICK) as mesh:
        answer = await mesh.generate(ask())
        assert mesh.adapter("first").cancelled == 1
    assert (answer.error, answer.text) == (None, "from second ")
    assert answer.kinds == ["decided", "switched", "text_delta", "finished"]
    assert answer.switches == [("first", "second", "ERROR_REASON_PROVIDER_SILENT")]


async def test_a_model_that_speaks_in_its_usual_time_is_not_hedged(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=HEDGED, model={"first_token_s": PATIENCE_S}) as mesh:
        answer = await mesh.generate(ask())
        assert mesh.adapter("second").requests == []
    assert answer.switches == []


async def test_without_a_policy_for_it_nothing_is_hedged(tmp_path: Path) -> None:
    slow = {"first": {"first_token_s": 0.2}}
    async with running_mesh(tmp_path, slow, model=QUICK) as mesh:
        answer = await mesh.generate(ask())
        assert mesh.adapter("second").requests == []
    assert answer.switches == []


async def test_only_a_share_of_the_requests_is_hedged(tmp_path: Path) -> None:
    sections = {"policies": {"balanced": {"hedge": 0.25}}}
    slow: dict[str, Any] = {"first": {"first_token_s": 0.05}, "second": {"answer": "from second "}}
    async with running_mesh(tmp_path, slow, sections=sections, model={"first_token_s": 0.0001}) as mesh:
        for number in range(12):
            await mesh.generate(ask(f"Why {number}?"))
        hedges = len(mesh.adapter("second").requests)
    # One that every router starts with, and a quarter of the twelve.
    assert 1 <= hedges <= 4


async def test_where_the_second_fails_the_first_goes_on(tmp_path: Path) -> None:
    scenarios: dict[str, Any] = {
        "first": {"answer": "from first ", "first_token_s": 0.3},
        "second": {"script": [{"error": "PROVIDER_UNAVAILABLE"}]},
    }
    async with running_mesh(tmp_path, scenarios, sections=HEDGED, model=QUICK) as mesh:
        answer = await mesh.generate(ask())
        assert len(mesh.adapter("second").requests) == 1
    assert (answer.text, answer.switches) == ("from first ", [])


async def test_where_the_first_fails_meanwhile_the_second_answers(tmp_path: Path) -> None:
    scenarios: dict[str, Any] = {
        "first": {"first_token_s": 0.1, "script": [{"error": "PROVIDER_UNAVAILABLE"}]},
        "second": {"answer": "from second ", "first_token_s": 0.1},
    }
    async with running_mesh(tmp_path, scenarios, sections=HEDGED, model=QUICK) as mesh:
        answer = await mesh.generate(ask())
    assert answer.text == "from second "
    assert [(a, b) for a, b, _ in answer.switches] == [("first", "second")]


async def test_where_both_fail_a_third_answers_and_every_attempt_is_told_where_none_does(tmp_path: Path) -> None:
    failing: dict[str, Any] = {"first_token_s": 0.1, "script": [{"error": "PROVIDER_UNAVAILABLE", "calls": 9}]}
    scenarios = {"first": failing, "second": failing, "third": {"answer": "from third "}}
    async with running_mesh(tmp_path, scenarios, sections=HEDGED, model=QUICK) as mesh:
        answer = await mesh.generate(ask())
    assert answer.text == "from third "
    three = HEDGED | {"limits": {"max_attempts": 3}}
    async with running_mesh(
        tmp_path, dict.fromkeys(("first", "second", "third"), failing), sections=three, model=QUICK
    ) as mesh:
        answer = await mesh.generate(ask())
    assert isinstance(answer.error, errors.AllCandidatesUnavailable)
    assert {key: words.split("/")[0] for key, words in answer.error.metadata.items()} == {
        "attempt_1": "second",
        "attempt_2": "first",
        "attempt_3": "third",
    }


async def test_the_one_that_won_may_still_be_cut_and_the_answer_goes_on(tmp_path: Path) -> None:
    text = "The points are set and the train goes on. "
    scenarios: dict[str, Any] = {
        "first": SILENT,
        "second": {"answer": text, "script": [{"cut_after_tokens": 3}]},
        "third": {"answer": text},
    }
    async with running_mesh(tmp_path, scenarios, sections=HEDGED, model=QUICK) as mesh:
        answer = await mesh.generate(ask())
        assert len(mesh.adapter("first").requests) == 1
    assert (answer.error, answer.text) == (None, text)
    assert [(a, b) for a, b, _ in answer.switches] == [("first", "second"), ("second", "third")]


async def test_a_clients_cancel_ends_both(tmp_path: Path) -> None:
    scenarios: dict[str, Any] = {"first": SILENT, "second": SILENT}
    async with running_mesh(tmp_path, scenarios, sections=HEDGED, model=QUICK) as mesh:
        call = mesh.stub.Generate(ask(), timeout=PATIENCE_S)
        await mesh.adapter("second").started.wait()
        call.cancel()
        await mesh.adapter("first").all_closed.wait()
        await mesh.adapter("second").all_closed.wait()
        assert (mesh.adapter("first").cancelled, mesh.adapter("second").cancelled) == (1, 1)
