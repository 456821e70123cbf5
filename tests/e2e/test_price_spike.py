"""A mesh as it is started by `pointsman up`: its prices move and its configuration changes, and no service is started again."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from pointsman import telemetry_names as names
from pointsman.client import Client
from tests.e2e.mesh_config import CONFIG, clean_environment, write_config
from tests.e2e.mesh_process import COMMAND, PATIENCE_S, READY, gone, pointsman, running_mesh
from tests.e2e.otlp_receiver import receiving
from tests.e2e.service_processes import SERVING, service_processes
from tests.e2e.two_providers import write_two_providers

USUAL, SPIKE = {"input": 1, "output": 2}, {"input": 2_000, "output": 4_000}
# Sets a terminal of its own for what it then becomes, as a terminal's window does for its shell.
IN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def write_prices(folder: Path, first: dict[str, Any]) -> None:
    (folder / "prices.json").write_text(json.dumps({"models": {"first/m": first}}))


async def ask_until(client: Client, answer: str) -> None:
    while (await client.complete("Why?")).text != answer:
        pass


async def test_traffic_leaves_a_model_whose_price_spikes_and_comes_back(tmp_path: Path) -> None:
    write_prices(tmp_path, USUAL)
    config = write_two_providers(tmp_path, {"answer": "one"}, {"answer": "two"}, prices={"file": "prices.json"})
    async with receiving() as receiver:
        environment = clean_environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address)
        async with service_processes(config, environment) as mesh, Client(mesh.address("router")) as client:
            await mesh.start("provider-first", "provider-second", "router")
            for name in ("first", "second"):
                await mesh.until("router", f"provider/{name}", SERVING)
            assert (await client.complete("Why?")).text == "one"
            async with asyncio.timeout(PATIENCE_S):
                write_prices(tmp_path, SPIKE)
                await ask_until(client, "two")
                write_prices(tmp_path, USUAL)
                await ask_until(client, "one")
            assert await mesh.end("router") == {"router": 0}
    assert receiver.figures(names.PRICE_JUMPS) == {
        frozenset({"first/m", kind, direction}): 1 for kind in ("input", "output") for direction in ("down", "up")
    }
    assert receiver.figures(names.PRICE_INPUT) == {frozenset({"first/m"}): 1, frozenset({"second/m"}): 1}


def test_sighup_reaches_the_router_and_starts_nothing_again(tmp_path: Path) -> None:
    environment = clean_environment()
    config = write_config(tmp_path, CONFIG + "router: {reload_interval_s: 0}\n")
    with running_mesh(config, tmp_path / "run", environment) as mesh:
        mesh.wait_until_ready()
        before = mesh.children()
        changed = config.read_text() + "policies: {economy: {deny: ['small/*']}}\n"
        config.write_text(changed)
        mesh.signal(signal.SIGHUP)
        mesh.wait_for(r"router .*configuration \w+ is in force, in place of")
        options = ("--policy", "economy", "--run-dir", str(mesh.run_dir))
        assert pointsman("chat", "Why?", *options, environment=environment).stdout == "Heaters keep the ice away.\n"
        config.write_text("version: 2\n")
        mesh.signal(signal.SIGHUP)
        mesh.wait_for(r"router .*the changed configuration is refused, \w+ goes on: .*mesh.yaml:1: version: expected")
        # The commands read it too, to find the mesh; the router is not told of it.
        config.write_text(changed)
        assert pointsman("chat", "Why?", *options, environment=environment).stdout == "Heaters keep the ice away.\n"
        assert mesh.children() == before


def test_a_terminal_that_is_closed_ends_the_mesh(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    terminal, inside = os.openpty()
    command = [
        sys.executable,
        "-c",
        IN_TERMINAL,
        *COMMAND,
        "up",
        "--config",
        str(config),
        "--run-dir",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen(
        command,
        stdin=inside,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=clean_environment(),
    ) as up:
        os.close(inside)
        assert up.stdout is not None
        assert any(re.search(READY, line) for line in iter(up.stdout.readline, ""))
        children = psutil.Process(up.pid).children()
        os.close(terminal)
        up.communicate(timeout=PATIENCE_S)
        assert up.returncode == 0
    assert children
    assert gone(children)
