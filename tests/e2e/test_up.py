"""`pointsman up` as a user lives with it: it starts everything, restarts what dies, and leaves nothing behind."""

import signal
import socket
from pathlib import Path

import psutil
import pytest

from tests.e2e.mesh_config import CONFIG, clean_environment, write_config
from tests.e2e.mesh_process import gone, pointsman, running_mesh

SERVICES = {"telemetry", "classifier", "providers small", "providers large", "providers openai", "router"}


def test_it_starts_every_service_and_ends_them_all(tmp_path: Path) -> None:
    environment = clean_environment()
    with running_mesh(write_config(tmp_path), tmp_path / "run", environment) as mesh:
        assert mesh.wait_until_ready().startswith("5 of 6 services are up after")
        assert "not serving: OPENAI_API_KEY is not set" in mesh.wait_for("  provider-openai ")
        mesh.wait_for("ask it: pointsman chat --run-dir")
        children = mesh.children()
        assert set(children) == SERVICES
        done = pointsman("chat", "Why?", "--run-dir", str(mesh.run_dir), environment=environment)
        assert done.returncode == 0, done.stderr
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        assert gone(list(children.values()))


def test_a_service_that_is_killed_is_started_again(tmp_path: Path) -> None:
    environment = clean_environment()
    with running_mesh(write_config(tmp_path), tmp_path / "run", environment) as mesh:
        mesh.wait_until_ready()
        mesh.children()["providers small"].kill()
        mesh.wait_for(r"provider-small\s+died \(signal SIGKILL\); starts again in 0.2 s")
        mesh.wait_for(r"router .* provider/small is serving again")
        done = pointsman(
            "chat", "Why?", "--model", "small/tiny", "--run-dir", str(mesh.run_dir), environment=environment
        )
        assert done.stdout == "Ice keeps the blades from moving.\n", done.stderr


def test_nothing_survives_its_violent_death(tmp_path: Path) -> None:
    with running_mesh(write_config(tmp_path), tmp_path / "run", clean_environment()) as mesh:
        mesh.wait_until_ready()
        children = list(mesh.children().values())
        # A stopped process could not end itself.
        children[0].suspend()
        mesh.signal(signal.SIGKILL)
        assert gone(children)
        assert mesh.wait() == -signal.SIGKILL


def test_the_run_folder_is_free_again_after_a_violent_death(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running_mesh(config, tmp_path / "run", clean_environment()) as mesh:
        mesh.wait_until_ready()
        mesh.signal(signal.SIGKILL)
        mesh.wait()
    with running_mesh(config, tmp_path / "run", clean_environment()) as mesh:
        mesh.wait_until_ready()
        assert set(mesh.children()) == SERVICES


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with running_mesh(write_config(tmp_path), tmp_path / "run", clean_environment(), "--drain-grace", "600") as mesh:
        mesh.wait_until_ready()
        children = mesh.children()
        children["providers large"].suspend()
        mesh.signal(signal.SIGINT)
        mesh.wait_for(r"provider-small\s.*draining")
        mesh.signal(signal.SIGINT)
        assert mesh.wait() == 0
        assert gone(list(children.values()))


def test_each_process_sees_its_own_secret_alone(tmp_path: Path) -> None:
    # No call is made with it: no model is asked.
    environment = clean_environment(OPENAI_API_KEY="k-not-a-key")
    config = write_config(
        tmp_path, CONFIG.replace("kind: openai_http,", "kind: openai_http, base_url: 'http://127.0.0.1:9',")
    )
    with running_mesh(config, tmp_path / "run", environment) as mesh:
        mesh.wait_until_ready()
        knowing = {name for name, child in mesh.children().items() if "OPENAI_API_KEY" in child.environ()}
        assert knowing == {"providers openai"}
        assert "k-not-a-key" not in "\n".join(mesh.seen)


def test_a_second_mesh_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    config, environment = write_config(tmp_path), clean_environment()
    with running_mesh(config, tmp_path / "run", environment) as mesh:
        mesh.wait_until_ready()
        done = pointsman("up", "--config", str(config), "--run-dir", str(mesh.run_dir), environment=environment)
        assert done.returncode == 3
        assert f"a mesh is already up in {mesh.run_dir}" in done.stderr
        assert set(mesh.children()) == SERVICES


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CONFIG.replace("quality: 0.4", "quality: 40"), "mesh.yaml:9: models.0.quality: expected"),
        # Prices that nobody knows are found out by the router itself.
        (CONFIG.replace(", price: {input: 2, output: 8}", ""), "models.1.price: expected a value"),
    ],
)
def test_a_bad_configuration_ends_it_with_2(tmp_path: Path, config: str, told: str) -> None:
    with running_mesh(write_config(tmp_path, config), tmp_path / "run", clean_environment()) as mesh:
        assert mesh.wait() == 2
        assert any(told in line for line in mesh.seen), mesh.seen


def test_a_taken_address_ends_it_with_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = write_config(tmp_path, CONFIG + f"router: {{address: '{address}'}}\n")
        with running_mesh(config, tmp_path / "run", clean_environment()) as mesh:
            assert mesh.wait() == 3
            assert any(f"cannot listen on {address}" in line for line in mesh.seen), mesh.seen
            assert any("ended with exit code 3: its address is taken" in line for line in mesh.seen)


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    config, environment = write_config(tmp_path), clean_environment()
    done = pointsman("up", "--config", str(config), "--run-dir", str(config), environment=environment)
    assert done.returncode == 3
    assert done.stderr.startswith(f"pointsman: cannot use {config} as run folder")
    assert not [child for child in psutil.Process().children() if "services." in " ".join(child.cmdline())]
