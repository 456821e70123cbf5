"""Each file of `bad_routes` is refused with just the problems that its first comment lines give, as in `bad_configs`."""

from pathlib import Path

import pytest

from pointsman.cli.check_config import run_check_config
from pointsman.config.route_file import MOST_EXAMPLES, MOST_ROUTES, RouteFileError, read_route_file
from tests.unit.test_bad_configs import announced

FILES = sorted((Path(__file__).parent / "bad_routes").glob("*.yaml"))
EXAMPLE = Path(__file__).parents[2] / "deploy/examples/routes.yaml"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_as_it_announces(path: Path) -> None:
    with pytest.raises(RouteFileError) as raised:
        read_route_file(path)
    told = str(raised.value).splitlines()
    expected = [f"{path}:{words}" for words in announced(path)]
    assert len(told) == len(expected) > 0, told
    for found, beginning in zip(told, expected, strict=True):
        assert found.startswith(beginning)


def test_the_example_is_good() -> None:
    assert len(read_route_file(EXAMPLE).routes) == 4


def test_too_many_routes_and_examples_are_refused(tmp_path: Path) -> None:
    many = tmp_path / "many.yaml"
    each = MOST_EXAMPLES // MOST_ROUTES + 1
    lines = [f"  r{i}: {{examples: [{', '.join(f'e {i} {j}' for j in range(each))}]}}" for i in range(MOST_ROUTES + 1)]
    many.write_text("routes:\n" + "\n".join(lines))
    with pytest.raises(RouteFileError) as raised:
        read_route_file(many)
    assert [problem.expected for problem in raised.value.problems] == [
        f"expected at most {MOST_ROUTES} routes, found {MOST_ROUTES + 1}",
        f"expected at most {MOST_EXAMPLES} examples and negatives together, found {each * (MOST_ROUTES + 1)}",
    ]


def test_check_config_refuses_bad_routes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "routes.yaml").write_text("routes: {billing: {examples: [one]}}")
    mesh = tmp_path / "mesh.yaml"
    mesh.write_text(
        "version: 1\n"
        "classifier: {routes_file: routes.yaml}\n"
        "providers: {p: {kind: openai_http}}\n"
        "models: [{provider: p, model: m, quality: 0.5, context_tokens: 1000, price: {input: 1, output: 2}}]\n"
    )
    assert run_check_config(mesh, None, live=False) == 2
    assert "routes.billing.examples" in capsys.readouterr().err
