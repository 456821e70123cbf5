"""What a process is told at start: arguments and environment, read once, here and nowhere else."""

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman.config.run_dir import default_run_dir


@dataclass(frozen=True, slots=True)
class Settings:
    """One process' start-up values.

    `address` is where it listens: `unix:/path` or `host:port`; None means its socket in `run_dir`. `instance` names one of
    several processes of a service (a provider). `environment` is where secrets are looked up, by the names that the config gives.
    """

    service: str
    instance: str
    config_path: Path
    run_dir: Path
    address: str | None
    drain_grace_s: float
    drain_delay_s: float
    log_level: str
    otlp_endpoint: str | None
    otlp_metrics_endpoint: str | None
    trace_sample_ratio: float
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """`router`, or `provider-openai` for an instance."""
        return f"{self.service}-{self.instance}" if self.instance else self.service


def read_settings(
    service: str,
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    instance_option: str | None = None,
) -> Settings:
    """Reads arguments, then the environment for what they leave out; raises SystemExit(2) with a usage line when they are wrong.

    `instance_option` is the name of the option that picks an instance, for services that run as several processes.
    """
    env = dict(os.environ) if environment is None else environment
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("--config", type=Path, default=env.get("POINTSMAN_CONFIG"), help="the mesh's YAML file")
    parser.add_argument("--run-dir", type=Path, default=env.get("POINTSMAN_RUN_DIR"), help="folder of the Unix sockets")
    parser.add_argument("--address", help="listen here (unix:/path or host:port) instead of where the config says")
    parser.add_argument(
        "--drain-grace", type=float, default=30.0, metavar="SECONDS", help="time for open streams at SIGTERM"
    )
    parser.add_argument(
        "--drain-delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="time before that, in which health says no and calls are still taken: a balancer sends no more meanwhile",
    )
    parser.add_argument(
        "--log-level", default=env.get("POINTSMAN_LOG_LEVEL", "INFO"), choices=["DEBUG", "INFO", "WARNING", "ERROR"]
    )
    if instance_option:
        parser.add_argument(f"--{instance_option}", required=True, dest="instance", help="name from the config")
    args = parser.parse_args(argv)
    if args.config is None:
        parser.error("--config: expected the path of a YAML file (or POINTSMAN_CONFIG in the environment)")
    if not 0 <= args.drain_grace < math.inf:
        parser.error("--drain-grace: expected seconds, 0 or more")
    if not 0 <= args.drain_delay < math.inf:
        parser.error("--drain-delay: expected seconds, 0 or more")
    return Settings(
        service=service,
        instance=args.instance if instance_option else "",
        config_path=Path(args.config),
        run_dir=Path(args.run_dir) if args.run_dir else default_run_dir(env),
        address=args.address,
        drain_grace_s=args.drain_grace,
        drain_delay_s=args.drain_delay,
        log_level=args.log_level,
        otlp_endpoint=env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        otlp_metrics_endpoint=env.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or None,
        trace_sample_ratio=_ratio(parser, env.get("OTEL_TRACES_SAMPLER_ARG", "1.0")),
        environment=env,
    )


def _ratio(parser: argparse.ArgumentParser, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        parser.error(f"OTEL_TRACES_SAMPLER_ARG: expected a share from 0 to 1, found {text!r}")
    return value
