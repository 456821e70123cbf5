"""`pointsman check-config`: what is wrong with a configuration, or what it amounts to."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from grpc import aio
from rich.table import Table
from rich.text import Text

from pointsman.channel import open_channel
from pointsman.cli.consoles import answers, notes
from pointsman.cli.failures import EXIT_FAILURE, run_command
from pointsman.cli.figures import price, size
from pointsman.cli.routing_tables import routing_tables
from pointsman.cli.target import choose_run_dir
from pointsman.config.addresses import provider_address
from pointsman.config.catalogue import FROM_FILE, Model, complete_models
from pointsman.config.load import LoadedConfig, load_config
from pointsman.config.route_file import read_route_file
from pointsman.config.schema import (
    AnthropicHttpSection,
    AnyProvider,
    MeshConfig,
    OpenAiHttpSection,
    ScriptedSection,
    TritonSection,
)
from pointsman.supervisor.plan import key_variable
from pointsman.supervisor.readiness import READY_STATES, read_model_health

LIVE_TIMEOUT_S = 10.0


def run_check_config(file: Path, run_dir: Path | None, *, live: bool) -> int:
    """Returns the exit code: 2 where the file is wrong, 1 where a running provider lacks a model."""

    async def check() -> int:
        loaded = load_config(file)
        if loaded.mesh.classifier.routes_file is not None:
            read_route_file(loaded.resolve(loaded.mesh.classifier.routes_file))
        with notes().status("completing prices and context sizes"):
            models = await asyncio.to_thread(complete_models, loaded)
        console = answers()
        console.print(Text(f"{file} is good, revision {loaded.revision}", "bold green"))
        for table in (providers_table(loaded.mesh, os.environ), models_table(models), *routing_tables(loaded.mesh)):
            console.print()
            console.print(table)
        if not live:
            return 0
        with notes().status("asking the providers"):
            troubles = await find_troubles(loaded, choose_run_dir(run_dir))
        console.print()
        for trouble in troubles:
            console.print(Text(trouble, "red"))
        if not troubles:
            console.print(Text(f"all {len(models)} models are there", "green"))
        return EXIT_FAILURE if troubles else 0

    return run_command(check)


async def find_troubles(loaded: LoadedConfig, run_dir: Path) -> list[str]:
    """Asks every running provider for its models; tells those that are missing or do not answer."""
    found = await asyncio.gather(*(_ask(loaded.mesh, run_dir, name) for name in loaded.mesh.providers))
    return [trouble for troubles in found for trouble in troubles]


async def _ask(mesh: MeshConfig, run_dir: Path, provider: str) -> list[str]:
    address = provider_address(mesh, run_dir, provider)
    configured = [model.model for model in mesh.models if model.provider == provider]
    try:
        async with asyncio.timeout(LIVE_TIMEOUT_S), open_channel(address) as channel:
            health = {model.model: model for model in await read_model_health(channel)}
    except (aio.AioRpcError, TimeoutError):
        return [f"{provider}: no provider answers at {address}; start the mesh with `pointsman up`"]
    troubles = []
    for model in configured:
        if (seen := health.get(model)) is None:
            troubles.append(f"{provider}/{model}: the running provider was started with a configuration that lacks it")
        elif seen.state not in READY_STATES:
            troubles.append(f"{provider}/{model}: {seen.detail or 'not ready'}")
    return troubles


def providers_table(mesh: MeshConfig, environment: Mapping[str, str]) -> Table:
    """One row a provider; a key is only ever told to be there or not."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("provider", "kind", "upstream", "key", "models"):
        table.add_column(title, overflow="fold", justify="right" if title == "models" else "left")
    for name, section in mesh.providers.items():
        variable = key_variable(section)
        if variable is None:
            key = Text("none needed", "dim")
        elif environment.get(variable, "").strip():
            key = Text(f"{variable} is set", "green")
        else:
            key = Text(f"{variable} is not set here", "yellow")
        count = sum(model.provider == name for model in mesh.models)
        table.add_row(name, section.kind, _upstream(section), key, str(count))
    return table


def _upstream(section: AnyProvider) -> str:
    match section:
        case OpenAiHttpSection() | AnthropicHttpSection():
            return section.base_url
        case TritonSection():
            return section.url
        case ScriptedSection():
            return str(section.scenario)
        case _:
            assert_never(section)


def models_table(models: tuple[Model, ...]) -> Table:
    """One row a model, complete; prices in US dollars per million tokens, and where its quality comes from."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    for title in ("in $/M", "out $/M", "cached $/M", "context", "longest answer", "quality"):
        table.add_column(title, justify="right")
    table.add_column("from", overflow="fold")
    table.add_column("can", overflow="fold")
    for model in models:
        table.add_row(
            model.reference,
            price(model.price.input_micros_per_mtok),
            price(model.price.output_micros_per_mtok),
            price(model.price.cache_read_micros_per_mtok),
            size(model.context_tokens),
            size(model.max_output_tokens),
            f"{model.quality:.2f} ±{model.quality_deviation:.2f}",
            model.quality_source if model.quality_source == FROM_FILE else f"shipped: {model.quality_source}",
            ", ".join(sorted(model.capabilities)),
        )
    return table
