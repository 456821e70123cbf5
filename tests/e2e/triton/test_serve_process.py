"""The process around Triton: what it says, what its exit codes mean, and that it leaves nothing behind."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.triton.running import PYTHON, SERVE, RunningTriton, stop_triton


def run(*arguments: str) -> tuple[int, str]:
    """Runs serve.py to its end; for starts that must fail."""
    done = subprocess.run([str(PYTHON), str(SERVE), *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it(own_triton: Callable[..., RunningTriton], number: signal.Signals) -> None:
    running = own_triton()
    family = psutil.Process(running.process.pid).children(recursive=True)
    assert len(family) == 2  # the server and its stub
    prefix = next(a.partition("prefix-name=")[2] for a in family[0].cmdline() if "shm-region-prefix-name" in a)
    assert list(Path("/dev/shm").glob(f"{prefix}*"))
    running.process.send_signal(number)
    assert running.process.wait(30) == 0
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert not list(Path("/dev/shm").glob(f"{prefix}*"))


def test_the_server_does_not_outlive_its_starter(own_triton: Callable[..., RunningTriton]) -> None:
    running = own_triton()
    family = psutil.Process(running.process.pid).children(recursive=True)
    running.process.kill()
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_a_server_that_dies_is_reported(own_triton: Callable[..., RunningTriton]) -> None:
    running = own_triton()
    os.kill(running.server_pid, signal.SIGKILL)
    _, errors = running.process.communicate(timeout=30)
    assert running.process.returncode == 5
    assert "the server ended by itself with exit code -9" in errors


def test_a_models_process_that_dies_ends_the_server(own_triton: Callable[..., RunningTriton]) -> None:
    """Triton itself would go on, and its clients wait for ever."""
    running = own_triton()
    (stub,) = psutil.Process(running.server_pid).children()
    stub.kill()
    _, errors = running.process.communicate(timeout=30)
    assert running.process.returncode == 5
    assert "the process of a model died" in errors


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = run("--grpc-port", str(port))
    assert (code, errors) == (3, f"triton: cannot listen on 127.0.0.1:{port}: Address already in use\n")


def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    code, errors = run("--grpc-port=0", "--model-repository", str(tmp_path))
    assert code == 2
    assert f"no models in {tmp_path}" in errors


def test_a_model_that_cannot_load_is_named_with_its_reason(tmp_path: Path) -> None:
    model = tmp_path / "broken"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('backend: "python"\nmax_batch_size: 0\ninstance_group [ { kind: KIND_CPU } ]\n')
    (model / "1" / "model.py").write_text(
        "class TritonPythonModel:\n    def initialize(self, args):\n        raise ValueError('no weights here')\n"
    )
    code, errors = run("--grpc-port=0", "--model-repository", str(tmp_path))
    assert code == 4
    assert "model broken failed to load" in errors
    assert "no weights here" in errors


def test_a_python_without_the_package_is_told_what_to_install() -> None:
    done = subprocess.run(
        [str(PYTHON), "-S", str(SERVE), "--grpc-port=0"], capture_output=True, text=True, timeout=60
    )  # -S leaves the packages out
    assert done.returncode == 2
    assert "nvidia-pytriton is not installed" in done.stderr
    assert "requirements.lock" in done.stderr


def test_stopping_is_clean(own_triton: Callable[..., RunningTriton]) -> None:
    assert stop_triton(own_triton()) == (0, "")
