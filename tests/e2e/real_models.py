"""One mesh with real models behind it: tiny-chat on Triton, and independent simulators of the OpenAI and Anthropic APIs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import yaml

from deploy.demo.aimock import run_aimock
from deploy.demo.mesh import Endpoints, write_config
from deploy.demo.simulated import ANTHROPIC, OPENAI, SIMULATED_KEY, Asked, SimulatedModel, read_prompts
from deploy.demo.triton import run_triton
from pointsman.client import Client
from pointsman.config.load import load_config
from pointsman.items import Finished, Text
from pointsman.requests import AskOptions
from pointsman.router.v1.router_service_pb2 import RouteDecision
from pointsman.supervisor.readiness import Condition
from pointsman.supervisor.supervisor import Supervisor
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import PATIENCE_S

# What each simulated answer is said to have taken.
INPUT_TOKENS, OUTPUT_TOKENS = 300, 20


@dataclass(frozen=True, slots=True)
class Answered:
    """One whole answer; `tokens` is what its pieces say they held."""

    text: str
    tokens: int
    decision: RouteDecision
    model: str
    finished: Finished


@dataclass
class RealMesh:
    """A running mesh; `used` is what its answers took so far: model to attempts, input and output tokens, micros of a dollar."""

    client: Client
    telemetry_address: str
    asked: Sequence[Asked]
    used: dict[str, Counter[str]] = field(default_factory=dict)

    async def ask(self, prompt: str, **options: Unpack[AskOptions]) -> Answered:
        """Streams one answer to its end."""
        tokens = 0
        async with self.client.generate(prompt, timeout_s=PATIENCE_S, **options) as stream:
            async for item in stream:
                if isinstance(item, Text):
                    tokens += item.token_count
        assert stream.decision is not None and stream.finished is not None
        assert not stream.switches
        usage = stream.finished.usage
        self.used.setdefault(stream.model, Counter()).update(
            attempts=1,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_micros=usage.cost_micros,
        )
        return Answered(stream.text, tokens, stream.decision, stream.model, stream.finished)


@asynccontextmanager
async def running_real_mesh(folder: Path) -> AsyncIterator[RealMesh]:
    """Starts Triton, both simulators and every service of the mesh, and ends them all with the block."""
    asked = read_prompts()
    async with AsyncExitStack() as stack:
        triton = await stack.enter_async_context(run_triton())
        openai, anthropic = [
            await stack.enter_async_context(run_aimock(_at_once(models, asked), api_keys=[SIMULATED_KEY]))
            for models in (OPENAI, ANTHROPIC)
        ]
        path = folder / "mesh.yaml"
        write_config(path, Endpoints(triton, openai.openai_base_url, anthropic.anthropic_base_url))
        config = yaml.safe_load(path.read_text())
        # So patient that a slow machine classifies too, and figures that are not forgotten meanwhile.
        config |= {"router": {"classifier_timeout_ms": 10_000}, "telemetry": {"window_s": 3_600, "tick_s": 0.1}}
        path.write_text(yaml.safe_dump(config))
        environment = clean_environment(OPENAI_API_KEY=SIMULATED_KEY, ANTHROPIC_API_KEY=SIMULATED_KEY)
        mesh = await stack.enter_async_context(Supervisor(load_config(path), folder / "run", environment=environment))
        assert [r for r in await mesh.wait_ready() if r.condition is not Condition.SERVING or r.detail] == []
        client = await stack.enter_async_context(Client(mesh.router_address))
        # A service may be ready a moment before the router's connection to it is.
        async with asyncio.timeout(PATIENCE_S):
            while any(model.detail for model in await client.list_models()):
                pass
        yield RealMesh(client, mesh.service("telemetry").spec.address, asked)


def _at_once(models: Sequence[SimulatedModel], asked: Sequence[Asked]) -> list[dict[str, object]]:
    """The demonstration's answers in aimock's own format, without delays and with counts."""
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    return [
        {
            "match": {"userMessage": one.prompt, "model": model.name},
            "response": {"content": one.answer, "usage": usage},
        }
        for model in models
        for one in asked
    ]
