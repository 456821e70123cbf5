"""A mesh that `pointsman up` runs, as a user starts it: in a process of its own, watched by what it prints."""

import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

PATIENCE_S = 60.0
COMMAND = [sys.executable, "-m", "pointsman.cli.main"]
READY = r"^(mesh is up|\d+ of \d+ services are up) after"


class MeshProcess:
    """`pointsman up`; every line that it prints can be waited for once, in the order in which they come."""

    def __init__(self, config: Path, run_dir: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> None:
        self.run_dir = run_dir
        self.seen: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [*COMMAND, "up", "--config", str(config), "--run-dir", str(run_dir), *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def wait_for(self, pattern: str) -> str:
        """The next line that fits the pattern; fails where the mesh ends without it."""
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.seen.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"the mesh ended without {pattern!r}:\n" + "\n".join(self.seen))

    def wait_until_ready(self) -> str:
        """Waits for the announcement and returns its first line."""
        return self.wait_for(READY)

    def children(self) -> dict[str, psutil.Process]:
        """The services' processes by name: `router`, `providers small`."""
        found = psutil.Process(self._process.pid).children()
        return {name: child for child in found if (name := _service(child.cmdline()))}

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to `pointsman up` itself."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Waits until it ended; returns its exit code."""
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.seen.append(line)
        return code

    def close(self) -> None:
        """Ends whatever is left of it; children end with their parent."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@contextmanager
def running_mesh(config: Path, run_dir: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[MeshProcess]:
    """Starts a mesh and ends it with the block."""
    mesh = MeshProcess(config, run_dir, environment, arguments)
    try:
        yield mesh
    finally:
        mesh.close()


def pointsman(
    *arguments: str, environment: Mapping[str, str], stdin: str | bytes = ""
) -> "subprocess.CompletedProcess[str]":
    """Runs one command to its end."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*COMMAND, *arguments], input=data, capture_output=True, timeout=PATIENCE_S, check=False, env=dict(environment)
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def gone(processes: Sequence[psutil.Process]) -> bool:
    """Waits until all of them are gone; whether they are."""
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    return not alive


def _service(command: Sequence[str]) -> str:
    names = [word.removeprefix("services.") for word in command if word.startswith("services.")]
    instance = [command[command.index("--provider") + 1]] if "--provider" in command else []
    return " ".join([*names, *instance])
