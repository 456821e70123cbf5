"""`python -m training.classifier --data DIR`: from data to the committed artefacts of the classifier."""

import argparse
import os
import sys
from pathlib import Path

from services.classifier.model import SHIPPED_MODELS
from training.classifier.encoder import PretrainedMissingError
from training.classifier.language import ProfilesMissingError
from training.classifier.pipeline import Settings, train
from training.classifier.sources import DataMissingError
from training.classifier.token_rates import VocabularyMissingError


def main() -> int:
    """Run all stages; exit code 2 with a message when data or a package is missing."""
    parser = argparse.ArgumentParser(prog="python -m training.classifier", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("POINTSMAN_DATA"), help="data folder (or POINTSMAN_DATA)"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED_MODELS, help="where the artefacts go")
    parser.add_argument(
        "--work", type=Path, default=Path("build/classifier"), help="checkpoints, so that a run that broke goes on"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the shipped model")
    parser.add_argument("--seeds", type=int, default=3, help="encoders to train for the figures' mean; one is shipped")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch; figures depend on them a little")
    args = parser.parse_args()
    if args.data is None:
        parser.error("--data: expected the folder with the training data (or POINTSMAN_DATA in the environment)")
    try:
        train(Settings(Path(args.data), args.out, args.work, args.seed, args.seeds, args.threads))
    except (DataMissingError, PretrainedMissingError, ProfilesMissingError, VocabularyMissingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


raise SystemExit(main())
