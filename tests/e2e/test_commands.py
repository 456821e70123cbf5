"""The commands that talk to a running mesh, as a shell runs them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.mesh_config import CONFIG, clean_environment, write_config
from tests.e2e.mesh_process import MeshProcess, pointsman, running_mesh

ENVIRONMENT = clean_environment()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    folder = tmp_path_factory.mktemp("mesh")
    with running_mesh(write_config(folder), folder / "run", ENVIRONMENT) as running:
        running.wait_until_ready()
        yield running


def test_chat_gives_a_pipe_the_answer_alone(mesh: MeshProcess) -> None:
    done = pointsman(
        "chat", "-", "--policy", "economy", "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT, stdin="Why?"
    )
    assert done.returncode == 0
    assert done.stdout == "Ice keeps the blades from moving.\n"
    for told in ("small/tiny", "why", "complexity", "first token", "tokens", "cost  $0.0000"):
        assert told in done.stderr


def test_chat_passes_its_options_on(mesh: MeshProcess) -> None:
    done = pointsman(
        *("chat", "Why?", "--model", "large/big", "--max-tokens", "2", "--system", "Be brief.", "--seed", "1"),
        *("--run-dir", str(mesh.run_dir)),
        environment=ENVIRONMENT,
    )
    assert done.stdout.strip() == "Heaters keep"
    assert "cut off at its token limit" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["", "--policy", "economy"], 2, "pointsman: invalid request: prompt"),
        (["Why?", "--policy", "nonsense"], 2, "pointsman: invalid request: constraints.policy: expected"),
        (["Why?", "--model", "tiny"], 2, "expected provider/model, found 'tiny'"),
        (["Why?", "--model", "small/nonsense"], 2, "pointsman: invalid request: constraints.pinned_model"),
        (["Why?", "--max-tokens", "0"], 2, "--max-tokens"),
        (["Why?", "--model", "openai/gpt"], 1, "OPENAI_API_KEY is not set"),
    ],
)
def test_what_cannot_be_asked_is_one_line(mesh: MeshProcess, arguments: list[str], code: int, told: str) -> None:
    done = pointsman("chat", *arguments, "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_bytes_that_are_no_text_are_refused(mesh: MeshProcess) -> None:
    done = pointsman("chat", "-", "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT, stdin=b"caf\xe9")
    assert done.returncode == 2
    assert done.stderr == "pointsman: standard input: expected text in UTF-8: unexpected end of data at byte 3\n"


def test_explain_shows_every_candidate(mesh: MeshProcess) -> None:
    done = pointsman("explain", "Why?", "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)
    assert done.returncode == 0
    assert {"small/tiny", "large/big", "openai/gpt"} <= set(done.stdout.split())
    assert "OPENAI_API_KEY is not set" in done.stdout


def test_models_show_their_state(mesh: MeshProcess) -> None:
    done = pointsman("models", "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)
    assert done.returncode == 0
    states = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:]}
    assert states == {"small/tiny": "up", "large/big": "up", "openai/gpt": "down:"}


def test_top_prints_one_picture(mesh: MeshProcess) -> None:
    done = pointsman("top", "--once", "--interval", "0.1", "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)
    assert done.returncode == 0
    assert {"small/tiny", "large/big", "openai/gpt"} <= {line.split(" ")[0] for line in done.stdout.splitlines()}
    assert "telemetry does not answer" not in done.stdout


def test_the_mesh_is_found_by_its_configuration_and_by_its_address(mesh: MeshProcess) -> None:
    config = str(mesh.run_dir.parent / "mesh.yaml")
    by_config = pointsman(
        "models", environment=ENVIRONMENT | {"POINTSMAN_CONFIG": config, "POINTSMAN_RUN_DIR": str(mesh.run_dir)}
    )
    by_address = pointsman("models", "--address", f"unix:{mesh.run_dir}/router.sock", environment=ENVIRONMENT)
    assert by_config.returncode == by_address.returncode == 0


def test_check_config_live_names_the_model_that_is_missing(mesh: MeshProcess, tmp_path: Path) -> None:
    other = (
        CONFIG + "  - {provider: small, model: new, quality: 0.5, context_tokens: 10, price: {input: 0, output: 0}}\n"
    )
    config = write_config(tmp_path, other)
    done = pointsman("check-config", str(config), "--live", "--run-dir", str(mesh.run_dir), environment=ENVIRONMENT)
    assert done.returncode == 1
    assert "small/new: the running provider was started with a configuration that lacks it" in done.stdout
    assert "openai/gpt: OPENAI_API_KEY is not set" in done.stdout
    assert "large/big:" not in done.stdout


def test_check_config_tells_what_a_file_amounts_to(tmp_path: Path) -> None:
    done = pointsman("check-config", str(write_config(tmp_path)), environment=ENVIRONMENT)
    assert done.returncode == 0
    assert "is good, revision" in done.stdout
    assert {"small/tiny", "$0.05", "balanced"} <= set(done.stdout.split())


def test_check_config_names_file_line_field_and_expectation(tmp_path: Path) -> None:
    config = write_config(tmp_path, CONFIG.replace("quality: 0.9", "quality: much"))
    done = pointsman("check-config", str(config), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{config}:10: models.1.quality: expected")


@pytest.mark.parametrize("command", [["chat", "Why?"], ["explain", "Why?"], ["models"], ["top", "--once"]])
def test_without_a_mesh_each_command_says_how_to_start_one(tmp_path: Path, command: list[str]) -> None:
    done = pointsman(*command, "--run-dir", str(tmp_path), environment=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"pointsman: no router at unix:{tmp_path}/router.sock; start one with `pointsman up --config FILE`,"
        " or name another with --address\n"
    )
