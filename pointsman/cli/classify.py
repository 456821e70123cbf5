"""`pointsman classify`: what the classifier thinks of a prompt, over the mesh or by the model files on this machine."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.text import Text

from pointsman import errors, rpc_status
from pointsman.channel import open_channel
from pointsman.classifier.v1.classifier_service_pb2 import (
    CLASSIFIER_TIER_ENCODER,
    CLASSIFIER_TIER_FAST,
    CLASSIFIER_TIER_UNSPECIFIED,
    ClassifyRequest,
)
from pointsman.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from pointsman.cli.ask import Question
from pointsman.cli.consoles import answers, notes
from pointsman.cli.failures import run_command
from pointsman.cli.judgement import judgements_json, judgements_view
from pointsman.cli.local_model import Timed, judge_here
from pointsman.cli.target import Whereabouts, find_classifier
from pointsman.config.load import load_config
from pointsman.llm.v1.prompt_pb2 import Prompt

TIMEOUT_S = 10.0
WARM_UP_CALLS = 3
TIERS = {None: CLASSIFIER_TIER_UNSPECIFIED, "fast": CLASSIFIER_TIER_FAST, "encoder": CLASSIFIER_TIER_ENCODER}


def run_classify(
    question: Question, where: Whereabouts, tier: str | None, models_dir: Path | None, *, local: bool, as_json: bool
) -> int:
    """Returns the exit code. A folder of models asks for `local`; without it and without a mesh this machine judges."""
    address = ""

    async def ask() -> int:
        nonlocal address
        prompt = question.prompt()
        if not local and models_dir is None:
            address = find_classifier(where)
            try:
                _show([await _ask_mesh(address, prompt, tier)], address, as_json=as_json)
            except errors.ProviderUnreachable as error:
                if where.address or error.metadata.get(rpc_status.FOREIGN_KEY) != "UNAVAILABLE":
                    raise
                notes().print(Text(f"no classifier at {address}; the model files on this machine judge", "yellow"))
            else:
                return 0
        folder, routes = _configured(where.config)
        with notes().status("loading the model"):
            found = await judge_here(prompt, models_dir or folder, routes, tier)
        _show(found, "", as_json=as_json)
        return 0

    return run_command(ask, lambda: address, service="classifier")


def _show(found: Sequence[Timed], address: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(judgements_json(found, address), ensure_ascii=False))
    else:
        answers().print(judgements_view(found, address))


async def _ask_mesh(address: str, prompt: Prompt, tier: str | None) -> Timed:
    """One call on a connection that is up, so that the time is that of a call. Raises PointsmanError."""
    async with open_channel(address) as channel:
        try:
            await _warm_up(channel)
            began_s = time.perf_counter()
            call = ClassifierServiceStub(channel).Classify(
                ClassifyRequest(prompt=prompt, wanted_tier=TIERS[tier]), timeout=TIMEOUT_S
            )
            try:
                response = await call
            finally:
                call.cancel()
            return Timed(response.classification, time.perf_counter() - began_s)
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error


async def _warm_up(channel: aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for _ in range(WARM_UP_CALLS):
        call = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        try:
            await call
        finally:
            call.cancel()


def _configured(config: Path | None) -> tuple[Path | None, Path | None]:
    """The folder of models and the file of routes that a configuration names; raises ConfigError."""
    if config is None:
        return None, None
    loaded = load_config(config)
    section = loaded.mesh.classifier
    folder, routes = section.models_dir, section.routes_file
    return loaded.resolve(folder) if folder else None, loaded.resolve(routes) if routes else None
