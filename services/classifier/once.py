"""Judges one prompt without a service.

    python -m services.classifier.once [--models-dir DIR] [--routes-file FILE] [--tier fast|encoder]

Reads a Prompt as protobuf's JSON from standard input; writes {"answers": [{"classification": ..., "seconds": ...}, ...]} to standard
output, one answer a tier, with the median time of the whole way through it once it is warm. Exit code 2 where the files are wrong.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from google.protobuf import json_format

from pointsman.llm.v1.prompt_pb2 import Prompt
from services.classifier.answer import Answer
from services.classifier.judgement import Judgement, Tier
from services.classifier.manifest import ModelFilesError, read_manifest
from services.classifier.message import classification
from services.classifier.model import SHIPPED_MODELS, ClassifierModel, PreparedPrompt
from services.classifier.onnx_model import InferenceError
from services.classifier.prompt_text import read_prompt
from services.classifier.route_file import RouteFileError, load_routes

COLD_RUNS = 3
WARM_RUNS = 15


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="services.classifier.once")
    parser.add_argument("--models-dir", type=Path, default=SHIPPED_MODELS)
    parser.add_argument("--routes-file", type=Path)
    parser.add_argument("--tier", choices=[tier.value for tier in Tier])
    asked = parser.parse_args()
    try:
        prompt = json_format.Parse(sys.stdin.buffer.read(), Prompt())
        answers = judge_here(asked.models_dir, asked.routes_file, prompt, Tier(asked.tier) if asked.tier else None)
    except (ModelFilesError, RouteFileError, InferenceError, json_format.ParseError) as error:
        print(error, file=sys.stderr)
        return 2
    json.dump({"answers": answers}, sys.stdout)
    return 0


def judge_here(
    directory: Path, routes_file: Path | None, prompt: Prompt, wanted: Tier | None
) -> list[dict[str, object]]:
    """Judge by the tier that is wanted, or by each that there is.

    Raises ModelFilesError, RouteFileError and InferenceError.
    """
    with_encoder = wanted is Tier.ENCODER or (wanted is None and read_manifest(directory).encoder is not None)
    model = ClassifierModel(directory, threads=1, with_encoder=with_encoder)
    if routes_file is not None:
        load_routes(routes_file, model)
    ways: dict[Tier, Callable[[PreparedPrompt], Judgement]] = {
        Tier.FAST: model.judge_fast,
        Tier.ENCODER: lambda prepared: model.judge_encoder([prepared])[0],
    }
    tiers = [wanted] if wanted else [Tier.FAST, *([Tier.ENCODER] if with_encoder else [])]
    return [_answer(model, prompt, ways[tier]) for tier in tiers]


def _answer(model: ClassifierModel, prompt: Prompt, judge: Callable[[PreparedPrompt], Judgement]) -> dict[str, object]:
    times_s = []
    for _ in range(COLD_RUNS + WARM_RUNS):
        began_s = time.perf_counter()
        text = read_prompt(prompt)
        found = judge(model.prepare(text.judged, text.counted, text.counted_tokens, text.spoken))
        times_s.append(time.perf_counter() - began_s)
    message = classification(Answer(found, model.revision))
    return {
        "classification": json_format.MessageToDict(message, preserving_proto_field_name=True),
        "seconds": statistics.median(times_s[COLD_RUNS:]),
    }


if __name__ == "__main__":
    raise SystemExit(main())
