"""Runs the classifier's model files on this machine, in processes of their own: this package imports no service."""

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format

from pointsman.classifier.v1.classifier_service_pb2 import Classification
from pointsman.cli.failures import CannotAsk
from pointsman.cli.service_process import command_of, run_service
from pointsman.llm.v1.prompt_pb2 import Prompt

NEEDED = ("numpy", "onnxruntime", "tokenizers")
# For numpy's algebra: on matrices of this size its threads wait for each other five times as long as they work, and the
# order in which they add up differs between machines.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Timed:
    """One tier's judgement and how long it took."""

    classification: Classification
    seconds: float


async def judge_here(
    prompt: Prompt, models_dir: Path | None, routes_file: Path | None, tier: str | None
) -> list[Timed]:
    """Judge by each tier of the files, or by one; times are medians of several runs.

    Raises CannotAsk where the files cannot be used.
    """
    _require_packages()
    options = {"--models-dir": models_dir, "--routes-file": routes_file, "--tier": tier}
    arguments = [word for name, value in options.items() if value for word in (name, str(value))]
    data = json_format.MessageToJson(prompt, indent=None).encode()
    output = await run_service("services.classifier.once", arguments, data, what="the model's process")
    return [
        Timed(json_format.ParseDict(answer["classification"], Classification()), answer["seconds"])
        for answer in json.loads(output)["answers"]
    ]


def become_training(arguments: Sequence[str]) -> None:
    """Replace this process by the one that adapts a model, so that signals and its exit code are this command's.

    Raises CannotAsk where a package is missing; returns never otherwise.
    """
    _require_packages()
    sys.stdout.flush()
    sys.stderr.flush()
    command = command_of("training.adapt", arguments)
    os.execve(command[0], command, os.environ | ONE_THREAD)  # noqa: S606


def _require_packages() -> None:
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise CannotAsk(
            f"expected {', '.join(missing)} to be installed to run a model here: `pip install 'pointsman[classifier]'`"
        )
