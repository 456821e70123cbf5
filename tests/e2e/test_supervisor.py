"""The supervisor as Python code uses it: inside a process that also talks to the mesh."""

import io
from pathlib import Path

import psutil
import pytest

from pointsman.client import Client
from pointsman.config.load import load_config
from pointsman.supervisor.claim import RunDirTaken
from pointsman.supervisor.journal import TextJournal
from pointsman.supervisor.readiness import Condition
from pointsman.supervisor.service import State
from pointsman.supervisor.supervisor import Supervisor
from tests.e2e.mesh_config import clean_environment, write_config
from tests.e2e.mesh_process import gone


async def test_a_mesh_for_the_length_of_a_block(tmp_path: Path) -> None:
    config, log = load_config(write_config(tmp_path)), io.StringIO()
    async with Supervisor(config, tmp_path / "run", environment=clean_environment(), journal=TextJournal(log)) as mesh:
        conditions = {report.name: report.condition for report in await mesh.wait_ready()}
        assert conditions.pop("provider-openai") is Condition.NOT_SERVING
        assert set(conditions.values()) == {Condition.SERVING}
        with pytest.raises(RunDirTaken, match="a mesh is already up"):
            await Supervisor(config, tmp_path / "run").__aenter__()
        processes = [psutil.Process(service.pid) for service in mesh.services]
        async with Client(mesh.router_address) as client:
            assert await client.generate("Why?", policy="economy").read_all() == "Ice keeps the blades from moving."
            # A service that was stopped is not started again, and the next model answers.
            stopped = mesh.service("provider-small")
            await stopped.stop(5)
            assert (stopped.state, stopped.pid, stopped.restarts) == (State.STOPPED, None, 0)
            assert await client.generate("Why?", policy="economy").read_all() == "Heaters keep the ice away."
    assert gone(processes)
    assert all(service.state is State.STOPPED for service in mesh.services)
    assert "router | " in log.getvalue()


async def test_an_error_in_the_block_leaves_nothing_behind(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path))
    processes: list[psutil.Process] = []
    with pytest.raises(ArithmeticError, match="in the block"):
        async with Supervisor(config, tmp_path / "run", environment=clean_environment()) as mesh:
            await mesh.wait_ready()
            processes += [psutil.Process(service.pid) for service in mesh.services]
            raise ArithmeticError("in the block")
    assert gone(processes)
