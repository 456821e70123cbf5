"""Starts the Triton Inference Server that the nvidia-pytriton package carries, on a model repository on disk.

    .venv-triton/bin/python deploy/triton/serve.py --grpc-port 8001

Prints one line of JSON on standard output once every model answers, for example
{"event": "ready", "grpc": "127.0.0.1:8001", "http": null, "metrics": null, "pid": 4711}
and the server's warnings on standard error. SIGTERM and SIGINT end the server and leave no process behind.

One file of the standard library alone, so that it can be copied beside any model repository.

Exit codes: 0 ended by a signal; 2 something is missing or misused; 3 a port is taken; 4 a model failed to load;
5 the server or a model's process died, or was not ready in time.
"""

import argparse
import asyncio
import contextlib
import ctypes
import ctypes.util
import importlib.util
import json
import os
import re
import signal
import socket
import sys
import sysconfig
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_REPOSITORY = Path(__file__).resolve().parent / "model_repository_cpu"
# Everything else in our environment, keys above all, is no business of the server.
PASSED_ON = re.compile(r"(PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|CUDA_VISIBLE_DEVICES|NVIDIA_\w+|LD_LIBRARY_PATH)")
# What the server reports as an error on every machine without a GPU.
NO_ERROR = "CudaDriverHelper has not been initialized"
# Growing the memory that server and models share is not safe while requests are under way
# (triton-inference-server/server, issue 8882), so that it starts large; pages cost nothing until they are used.
SHARED_MEMORY_BYTES = 32 * 2**20
STUB_CHECK_INTERVAL_S = 1.0
PR_SET_PDEATHSIG = 1


class ServeError(Exception):
    """Why the server does not run; `exit_code` as in the module's docstring."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where the parts of the installed server lie."""

    server: Path
    python_backend: Path
    stub: Path
    bundled_libraries: Path


def find_distribution(python_version: tuple[int, int]) -> Distribution:
    """Looks into the environment of the running interpreter; raises ServeError (2) where a part is missing."""
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        lock = Path(__file__).with_name("requirements.lock").name
        raise ServeError(f"the package nvidia-pytriton is not installed for {sys.executable}; install {lock} there", 2)
    package = Path(next(iter(spec.submodule_search_locations)))
    root = package / "tritonserver"
    version = "{}.{}".format(*python_version)
    found = Distribution(
        server=root / "bin" / "tritonserver",
        python_backend=root / "backends" / "python",
        stub=root / "python_backend_stubs" / version / "triton_python_backend_stub",
        bundled_libraries=package.parent / "nvidia_pytriton.libs",
    )
    if not found.stub.is_file():
        offered = ", ".join(sorted((p.name for p in found.stub.parent.parent.glob("3.*")), key=lambda v: int(v[2:])))
        raise ServeError(f"nvidia-pytriton has no stub for Python {version}; it has them for {offered or 'none'}", 2)
    if not found.server.is_file():
        raise ServeError(f"nvidia-pytriton carries no server for this machine: {found.server} is missing", 2)
    return found


def find_libpython() -> Path:
    """The folder of the interpreter's own shared library, which the stub loads; raises ServeError (2)."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    if ".so" not in name:  # the interpreter is linked statically; the library may still lie beside it
        name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    directory = sysconfig.get_config_var("LIBDIR") or ""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for folder in (Path(directory), Path(directory) / multiarch, Path(sys.base_prefix) / "lib"):
        if (folder / name).exists():
            return folder
    raise ServeError(f"{name} was not found for {sys.executable}; install the shared library of this Python", 2)


def reserve_port(address: str, wanted: int) -> int:
    """A port that is free now: `wanted`, or any for 0; raises ServeError (3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server does, so that connections lingering from an earlier run do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, wanted))
        except OSError as error:
            raise ServeError(f"cannot listen on {address}:{wanted}: {error.strerror}", 3) from None
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def backend_folder(distribution: Distribution) -> Iterator[Path]:
    """A folder of backends in which the Python backend has the stub that fits the interpreter."""
    with tempfile.TemporaryDirectory(prefix="triton-backends-") as name:
        python = Path(name) / "python"
        python.mkdir()
        for part in (*distribution.python_backend.iterdir(), distribution.stub):
            (python / part.name).symlink_to(part)
        yield Path(name)


def environment(distribution: Distribution, libpython: Path, inherited: dict[str, str]) -> dict[str, str]:
    """What the server and its stubs see. The stub finds our packages through the first python3 on PATH."""
    passed = {name: value for name, value in inherited.items() if PASSED_ON.fullmatch(name)}
    libraries = [str(libpython), str(distribution.bundled_libraries), *filter(None, [passed.get("LD_LIBRARY_PATH")])]
    return passed | {
        "PATH": f"{Path(sys.prefix) / 'bin'}:{passed.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": ":".join(libraries),
        "PYTHONNOUSERSITE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def has_gpu() -> bool:
    return Path("/dev/nvidiactl").exists()


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on one address; None leaves a door shut."""

    grpc: int
    http: int | None
    metrics: int | None


def arguments_for(
    repository: Path, backends: Path, address: str, ports: Ports, exit_timeout_s: int, shm_prefix: str
) -> list[str]:
    """The server's own command-line arguments."""
    arguments = [
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
        f"--backend-config=python,shm-default-byte-size={SHARED_MEMORY_BYTES}",
        f"--grpc-address={address}",
        f"--grpc-port={ports.grpc}",
        f"--allow-http={'false' if ports.http is None else 'true'}",
        f"--allow-metrics={'false' if ports.metrics is None else 'true'}",
        f"--exit-timeout-secs={exit_timeout_s}",
        "--exit-on-error=true",
        "--strict-readiness=true",
        "--grpc-infer-allocation-pool-size=1024",  # reused, never freed: fewer races in cancelled streams
        "--disable-auto-complete-config",
    ]
    if ports.http is not None:
        arguments += [f"--http-address={address}", f"--http-port={ports.http}"]
    if ports.metrics is not None:
        arguments += [f"--metrics-address={address}", f"--metrics-port={ports.metrics}"]
    if not has_gpu():
        arguments += ["--pinned-memory-pool-byte-size=0", "--allow-gpu-metrics=false"]
    return arguments


def failure_in(lines: list[str]) -> ServeError:
    """What the server's last lines say about why it ended."""
    for line in lines:
        if found := re.search(r"failed to load '([^']+)' version \d+: (.*)", line):
            return ServeError(f"model {found[1]} failed to load: {found[2].strip().strip(chr(34))}", 4)
    for line in lines:
        if "failed to load all models" in line or "Poll failed for model directory" in line:
            return ServeError(line.split("] ", 1)[-1].strip().strip('"'), 4)
    for line in lines:
        if "address already in use" in line.lower() or "Unavailable - Socket" in line:
            return ServeError(line.split("] ", 1)[-1].strip().strip('"'), 3)
    return ServeError("the server ended before it was ready; its last lines were:\n" + "\n".join(lines[-15:]), 5)


def is_worth_showing(line: str) -> bool:
    """Warnings, errors and what models print; not tables, notes, and the error that is none."""
    noise = re.match(r"[+|]|I\d{4} |Signal \(", line) or NO_ERROR in line
    return bool(line.strip()) and not noise


def _die_with_parent() -> None:
    """Runs in the child before it becomes the server, which then ends even if we are killed outright."""
    ctypes.CDLL(ctypes.util.find_library("c")).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def _until_ready(output: asyncio.StreamReader, show: Callable[[str], None], recent: deque[str]) -> bool:
    """Reads the server's output up to the line that says it listens; False when the output ended before."""
    async for raw in output:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        recent.append(line)
        show(line)
        if "Started GRPCInferenceService at" in line:
            return True
    return False


async def _drain(output: asyncio.StreamReader, show: Callable[[str], None]) -> None:
    async for raw in output:
        show(raw.decode("utf-8", "replace").rstrip("\n"))


async def _until_a_stub_died(server_pid: int) -> None:
    """Returns when a process that runs a model has died.

    The server neither restarts it nor fails what waits for it: clients of a decoupled model would wait for ever.
    """
    # Nothing tells a process about the death of another one's child, so it is asked for.
    while not any(_is_dead(child) for child in _children(server_pid)):  # noqa: ASYNC110
        await asyncio.sleep(STUB_CHECK_INTERVAL_S)


def _children(pid: int) -> list[str]:
    return [c for task in Path(f"/proc/{pid}/task").glob("*/children") for c in _text(task).split()]


def _is_dead(pid: str) -> bool:
    """Whether the process has ended and its parent has not noticed (state Z, after the name in brackets)."""
    return _text(Path(f"/proc/{pid}/stat")).rpartition(") ")[2].startswith("Z")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return ""


async def _end(process: asyncio.subprocess.Process, exit_timeout_s: int) -> None:
    """Ends the server and all it started."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            # The server checks its models once a second while it stops.
            await asyncio.wait_for(process.wait(), exit_timeout_s + 5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the server leads its own group; stubs may have outlived it
    await process.wait()


async def serve(options: argparse.Namespace) -> None:
    """Runs until a signal comes; raises ServeError when the server cannot start or dies."""
    repository = options.model_repository.resolve()
    if not any(repository.glob("*/config.pbtxt")):
        raise ServeError(f"no models in {repository}: expected folders with a config.pbtxt", 2)
    distribution, libpython = find_distribution(sys.version_info[:2]), find_libpython()
    ports = Ports(
        grpc=reserve_port(options.address, options.grpc_port),
        http=None if options.http_port is None else reserve_port(options.address, options.http_port),
        metrics=None if options.metrics_port is None else reserve_port(options.address, options.metrics_port),
    )

    def show(line: str) -> None:
        if options.verbose or is_worth_showing(line):
            print(line, file=sys.stderr, flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    shm_prefix = f"triton-{uuid.uuid4().hex[:12]}-"
    with backend_folder(distribution) as backends:
        process = await asyncio.create_subprocess_exec(
            str(distribution.server),
            *arguments_for(repository, backends, options.address, ports, options.exit_timeout_s, shm_prefix),
            env=environment(distribution, libpython, dict(os.environ)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**20,
            start_new_session=True,  # a Ctrl-C reaches us alone, and we pass it on once
            preexec_fn=_die_with_parent,
        )
        try:
            await _watch(process, options, ports, stop, show)
        finally:
            await _end(process, options.exit_timeout_s)
            for left in Path("/dev/shm").glob(f"{shm_prefix}*"):  # noqa: S108, ASYNC240 - what a killed stub leaves
                left.unlink(missing_ok=True)


async def _watch(
    process: asyncio.subprocess.Process,
    options: argparse.Namespace,
    ports: Ports,
    stop: asyncio.Event,
    show: Callable[[str], None],
) -> None:
    assert process.stdout is not None
    recent: deque[str] = deque(maxlen=400)
    stopping = asyncio.create_task(stop.wait())
    reading: asyncio.Task[bool] = asyncio.create_task(_until_ready(process.stdout, show, recent))
    watching: list[asyncio.Task[None]] = []
    try:
        await asyncio.wait({stopping, reading}, timeout=options.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return
        if not reading.done():
            raise ServeError(f"the server was not ready within {options.ready_timeout_s} s", 5)
        if not reading.result():
            raise failure_in(list(recent))
        address = options.address
        told: dict[str, object] = {
            "event": "ready",
            "grpc": f"{address}:{ports.grpc}",
            "http": ports.http and f"{address}:{ports.http}",
            "metrics": ports.metrics and f"{address}:{ports.metrics}",
            "pid": process.pid,
        }
        print(json.dumps(told), flush=True)
        draining = asyncio.create_task(_drain(process.stdout, show))
        dying = asyncio.create_task(_until_a_stub_died(process.pid))
        watching = [draining, dying]
        await asyncio.wait({stopping, *watching}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return
        if dying.done() and not draining.done():
            raise ServeError("the process of a model died; its last words are above", 5)
        raise ServeError(f"the server ended by itself with exit code {await process.wait()}", 5)
    finally:
        for task in (stopping, reading, *watching):
            task.cancel()
        await asyncio.gather(stopping, reading, *watching, return_exceptions=True)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-repository", type=Path, default=DEFAULT_REPOSITORY)
    parser.add_argument("--address", default="127.0.0.1", help="to listen on (default: loopback)")
    parser.add_argument("--grpc-port", type=int, default=8001, help="0 takes a free one")
    parser.add_argument("--http-port", type=int, help="0 takes a free one; left out: no HTTP")
    parser.add_argument("--metrics-port", type=int, help="0 takes a free one; left out: no metrics")
    parser.add_argument("--ready-timeout-s", type=float, default=120)
    parser.add_argument("--exit-timeout-s", type=int, default=3, help="for answers that are still being written")
    parser.add_argument("--verbose", action="store_true", help="show all that the server prints")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    try:
        asyncio.run(serve(parse_arguments(arguments)))
    except ServeError as error:
        print(f"triton: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
