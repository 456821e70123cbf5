"""An operator's own routes: examples match, what is worded like them matches, what has nothing to do with them does not.

The bounds leave room, so that they hold for any model worth shipping.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointsman.config.route_file import read_route_file
from services.classifier.judgement import Judgement, RouteMatch
from services.classifier.manifest import FILE_NAME
from services.classifier.model import SHIPPED_MODELS, ClassifierModel
from services.classifier.route_file import RouteFileError, RouteReport, load_routes
from services.classifier.route_fit import NEGATIVE, ORDINARY, best_threshold, build_table, fit_routes
from services.classifier.routes import MOST_UNMATCHED

EXAMPLE = Path(__file__).parents[2] / "deploy/examples/routes.yaml"
PARAPHRASES = {
    "there are two charges for march on my card": "billing",
    "I need an invoice for october for my accountant": "billing",
    "I want to change my payment method": "billing",
    "which date do you take the payment": "billing",
    "it's been ten days and my parcel still has not arrived": "delivery",
    "where is my order, it should have been delivered": "delivery",
    "please send the package to another address": "delivery",
    "how long does delivery to Norway take": "delivery",
    "password reset email does not come": "account_access",
    "I can't log in since this morning": "account_access",
    "too many attempts, my account is blocked": "account_access",
    "I want to use a new email for my login": "account_access",
    "app freezes on the start screen after the last update": "technical_problem",
    "I see a white page on your website": "technical_problem",
    "uploading a video fails with an error": "technical_problem",
    "the watch does not connect to the app any more": "technical_problem",
}
UNRELATED = (
    "Write a poem about autumn leaves",
    "What is the capital of Mongolia?",
    "How do I bake sourdough bread?",
    "Explain quantum entanglement to a child",
    "Solve 3x + 7 = 22",
    "Give me five ideas for a birthday party",
    "Who won the world cup in 1998?",
    "Recommend a science fiction novel",
    "Summarise this article about climate policy",
    "Was ist der höchste Berg der Alpen?",
)
Ask = Callable[[str], Judgement]


@pytest.fixture(scope="module")
def model() -> ClassifierModel:
    return ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=True)


@pytest.fixture(scope="module")
def report(model: ClassifierModel) -> RouteReport:
    return load_routes(EXAMPLE, model)


@pytest.fixture(params=["fast", "encoder"])
def ask(request: pytest.FixtureRequest, model: ClassifierModel, report: RouteReport) -> Ask:
    if request.param == "fast":
        return lambda text: model.judge_fast(model.prepare(text))
    return lambda text: model.judge_encoder([model.prepare(text)])[0]


def first_match(routes: tuple[RouteMatch, ...]) -> str | None:
    return next((match.route for match in routes if match.matched), None)


def test_every_example_matches_its_own_route_best(ask: Ask) -> None:
    for name, route in read_route_file(EXAMPLE).routes.items():
        for text in route.examples:
            best = ask(text).routes[0]
            assert (best.route, best.matched) == (name, True)
            assert 0.99 < best.similarity <= 1


def test_most_paraphrases_match_and_few_of_them_another_route(ask: Ask) -> None:
    found = [(first_match(ask(text).routes), route) for text, route in PARAPHRASES.items()]
    assert sum(first == route for first, route in found) >= 0.5 * len(found), found
    assert sum(first not in (route, None) for first, route in found) <= 0.25 * len(found), found


def test_hardly_anything_unrelated_matches(ask: Ask) -> None:
    found = [text for text in UNRELATED if first_match(ask(text).routes)]
    assert len(found) <= 0.3 * len(UNRELATED), found


def test_all_routes_are_told_most_similar_first(ask: Ask) -> None:
    routes = ask("Where is my parcel and my invoice?").routes
    assert sorted(match.route for match in routes) == sorted(read_route_file(EXAMPLE).routes)
    assert [m.similarity for m in routes] == sorted((m.similarity for m in routes), reverse=True)


@pytest.mark.parametrize("text", ["", "🎉" * 50, "a" * 100_000, "\ud800"])
def test_strange_text_has_sound_similarities(ask: Ask, text: str) -> None:
    assert all(-1.001 <= match.similarity <= 1 for match in ask(text).routes)


def test_the_report_tells_each_route_for_each_tier_and_no_utterance(report: RouteReport) -> None:
    file = read_route_file(EXAMPLE)
    assert [tier.tier.value for tier in report.tiers] == ["fast", "encoder"]
    for tier in report.tiers:
        assert [(fit.route, fit.examples) for fit in tier.routes] == [
            (name, len(route.examples)) for name, route in file.routes.items()
        ]
        assert all(0 <= figure <= 1 for fit in tier.routes for figure in (fit.precision, fit.recall))
    told = "\n".join(report.lines())
    assert all(text not in told for route in file.routes.values() for text in route.examples)


def write_routes(path: Path, routes: dict[str, object]) -> Path:
    path.write_text(json.dumps({"routes": routes}))
    return path


def test_a_given_threshold_counts_instead(tmp_path: Path) -> None:
    model = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=False)
    billing = {"examples": ["Where is my invoice?", "Why was I charged twice?", "Change my card"], "threshold": -0.999}
    report = load_routes(write_routes(tmp_path / "routes.yaml", {"billing": billing}), model)
    assert len(report.tiers) == 1
    (fit,) = report.tiers[0].routes
    assert fit.given
    assert fit.threshold == pytest.approx(-0.999)
    assert model.judge_fast(model.prepare("Write a poem about the sea")).routes[0].matched


def test_two_routes_for_one_thing_are_warned_of(tmp_path: Path) -> None:
    model = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=True)
    # Each wording has its like in the other route and not in its own.
    wordings = [
        ("Where is my parcel?", "Where is my package?"),
        ("Track my order please", "Please track the order"),
        ("The courier did not come", "The courier never came"),
        ("How long does shipping take?", "How long will shipping take?"),
        ("Deliver it to another address", "Deliver it to a different address"),
        ("I need it before Friday", "I need it by Friday"),
        ("Customs holds my delivery", "My delivery is held by customs"),
        ("Can you ship to Norway?", "Do you ship to Norway?"),
    ]
    routes: dict[str, object] = {
        "parcels": {"examples": [one for one, _ in wordings]},
        "shipping": {"examples": [other for _, other in wordings]},
    }
    report = load_routes(write_routes(tmp_path / "routes.yaml", routes), model)
    for tier in report.tiers:
        assert tier.confusions
        assert {pair.route for pair in tier.confusions} <= {"parcels", "shipping"}
        assert any("parcels" in line and "shipping" in line for line in tier.warnings())


def test_a_bad_file_leaves_the_routes_as_they_are(tmp_path: Path) -> None:
    model = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=False)
    load_routes(EXAMPLE, model)
    before = model.fast.routes
    with pytest.raises(RouteFileError, match=r"routes\.x\.examples: expected at least 3 examples, found 1"):
        load_routes(write_routes(tmp_path / "routes.yaml", {"x": {"examples": ["one"]}}), model)
    assert model.fast.routes is before is not None


def test_a_model_without_embedding_has_no_routes(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED_MODELS, tmp_path / "models")
    manifest = json.loads((folder / FILE_NAME).read_text())
    manifest["fast"]["embedding_dimensions"] = manifest["support_file"] = manifest["adapter_file"] = None
    (folder / FILE_NAME).write_text(json.dumps(manifest))
    model = ClassifierModel(folder, threads=1, with_encoder=False)
    with pytest.raises(RouteFileError, match="expected a model with an embedding"):
        load_routes(EXAMPLE, model)


def clusters(routes: int, each: int, common: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors that share much: `each` for every route around a point of its own, and as many ordinary ones as a tenth."""
    random = np.random.default_rng(7)
    owner = np.repeat(np.arange(routes), each)
    rows = common * np.ones(64) + random.normal(0, 3, (routes, 64))[owner] + random.normal(0, 1, (len(owner), 64))
    ordinary = common * np.ones(64) + random.normal(0, 3, (50, 64))
    owner = np.concatenate((owner, np.full(40, ORDINARY), np.full(10, NEGATIVE)))
    rows = np.concatenate((rows, ordinary)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), owner


def test_clear_routes_are_found_whatever_all_vectors_share() -> None:
    rows, owner = clusters(routes=6, each=8)
    table, fits, confusions = fit_routes([f"r{i}" for i in range(6)], rows, owner, [None] * 6)
    assert not confusions
    assert all(fit.precision > 0.9 and fit.recall > 0.9 for fit in fits), fits
    for row, route in zip(rows, owner.tolist(), strict=True):
        assert first_match(table.match(row)) == (f"r{route}" if route >= 0 else None)


def test_the_eight_nearest_are_told_and_all_that_match() -> None:
    rows, owner = clusters(routes=20, each=3)
    names = [f"r{i}" for i in range(20)]
    none = build_table(names, rows, owner, np.full(20, 1.1, np.float32)).match(rows[0])
    assert len(none) == MOST_UNMATCHED
    assert not any(match.matched for match in none)
    everything = build_table(names, rows, owner, np.full(20, -1.1, np.float32)).match(rows[0])
    assert sorted(match.route for match in everything) == sorted(names)
    assert all(match.matched for match in everything)


def test_the_best_threshold_lies_between_what_matches_and_what_does_not() -> None:
    inside, outside = np.array([0.9, 0.8, 0.7], np.float32), np.array([0.5, 0.1, -0.2, 0.0], np.float32)
    assert best_threshold(inside, outside) == pytest.approx(0.6)
    # One example that lies among much else is given up.
    assert best_threshold(np.append(inside, np.float32(-0.3)), outside) == pytest.approx(0.6)
