"""Replays recorded decisions without a service.

    python -m services.router.once --config FILE [--policy NAME] [--as-recorded]

Reads a ListDecisionsResponse with all records and fleets, as protobuf's bytes, from standard input; writes one JSON object to standard
output (`replay_json`). With --as-recorded the models, prices and abilities are those that were recorded, and only what decides comes
from the file. Exit code 2 where the file is wrong.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from pointsman.config.catalogue import Model, as_price, complete_models
from pointsman.config.load import ConfigError, LoadedConfig, load_config
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.router.replay import Replay, Worth, replay
from services.router.restated import restate
from services.router.routing_config import read_routing


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="services.router.once")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--policy", default="")
    parser.add_argument("--as-recorded", action="store_true")
    asked = parser.parse_args()
    try:
        listed = pb.ListDecisionsResponse.FromString(sys.stdin.buffer.read())
        found = replay_listed(listed, asked.config, asked.policy, as_recorded=asked.as_recorded)
    except (ConfigError, DecodeError, LookupError) as error:
        print(error.args[0] if isinstance(error, LookupError) else error, file=sys.stderr)
        return 2
    json.dump(replay_json(found), sys.stdout, ensure_ascii=False)
    return 0


def replay_listed(listed: pb.ListDecisionsResponse, file: Path, policy: str, *, as_recorded: bool) -> Replay:
    """Replays by a file's routing, with its models or the recorded ones. Raises ConfigError, and LookupError for an unknown policy."""
    loaded = load_config(file)
    if policy and policy not in loaded.mesh.policies:
        known = ", ".join(sorted(loaded.mesh.policies))
        raise LookupError(f"--policy: expected one of {known}, found {policy!r}")
    models = () if as_recorded else _priced(loaded)
    # Patterns also have to fit models that the file does not have any more.
    references = {f"{m.provider}/{m.model}" for m in loaded.mesh.models}
    references |= {f"{m.card.ref.provider}/{m.card.ref.model}" for s in listed.snapshots for m in s.models}
    fleets = {fleet.id: fleet for fleet in listed.snapshots}
    return replay(
        ((record, fleets.get(record.decision.snapshot_id)) for record in listed.records),
        read_routing(loaded.mesh, sorted(references)),
        None if as_recorded else restate(models, loaded.revision),
        policy=policy,
    )


def _priced(loaded: LoadedConfig) -> tuple[Model, ...]:
    """The file's models at the prices that it states; what a file or a URL of prices says then is not known now."""
    stated = {reference: as_price(section) for reference, section in loaded.mesh.prices.models.items()}
    return tuple(replace(m, price=stated.get(m.reference, m.price)) for m in complete_models(loaded))


def replay_json(found: Replay) -> dict[str, Any]:
    """Money in US dollars for 1,000 requests, times in seconds, shares from 0 to 1; a model is empty where none could answer."""

    def both(name: str, value: float, other: float) -> dict[str, dict[str, float]]:
        return {name: {"before": value, "after": other}}

    old, new = found.worth_before, found.worth_after
    total = max(1, found.replayed)
    return {
        "replayed": found.replayed,
        "changed": found.changed,
        "left_out": dict(found.left_out),
        "shares": [
            {"model": model, "before": found.before.get(model, 0) / total, "after": found.after.get(model, 0) / total}
            for model in {**found.before, **found.after}
        ],
        **both("cost_per_1k", _dollars_per_1k(old), _dollars_per_1k(new)),
        **both("expected_quality", old.quality, new.quality),
        **both("expected_seconds", old.seconds, new.seconds),
        "moves": [{"from": m.before, "to": m.after, "count": m.count, "why": m.why} for m in found.moves],
        "off_policy": found.off_policy and found.off_policy._asdict(),
    }


def _dollars_per_1k(worth: Worth) -> float:
    return worth.cost_micros * 1_000 / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
