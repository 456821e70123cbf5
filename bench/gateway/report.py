"""What was measured, as tables for a person and as JSON for a machine."""

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# ARCHITECTURE's numbers to hold: name, where it is in the results, bar.
BARS: list[tuple[str, tuple[str, ...], float]] = [
    ("added time to first token, fast tier, p50 (ms)", ("added_first_token_ms", "p50"), 3.0),
    ("added time to first token, fast tier, p99 (ms)", ("added_first_token_ms", "p99"), 8.0),
    ("added time to first token, encoder tier, p50 (ms)", ("added_first_token_encoder_ms", "p50"), 12.0),
    ("router, processor µs a token, 64 streams", ("router_us_per_token", "64"), 30.0),
    ("router + provider, processor µs a token, 64 streams", ("router_and_provider_us_per_token", "64"), 60.0),
    ("all services, processor ms a request of 100 tokens", ("all_services_ms_per_request",), 8.0),
    ("decide among 50 models, p99 (µs)", ("decide_us", "p99"), 100.0),
    ("cancel to upstream closed, p99 (ms)", ("cancel_ms", "p99"), 100.0),
    ("router, resident MB", ("rss_mb", "router"), 100.0),
    ("provider, resident MB", ("rss_mb", "provider"), 100.0),
    ("telemetry, resident MB", ("rss_mb", "telemetry"), 100.0),
    ("classifier, resident MB", ("rss_mb", "classifier"), 200.0),
]
# Below this share of the upstream's tokens a second a way does not keep up; text that joins ends a little later, too.
KEEPS_UP = 0.9


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }


def write(path: Path, results: dict[str, Any]) -> None:
    """Writes the JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(results), indent=2) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Three digits after the point are more than the figures hold."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def show(console: Console, results: dict[str, Any]) -> None:
    """Prints figures beside their bars, and beside LiteLLM's."""
    mesh, litellm = results["mesh"], results.get("litellm")
    table = Table(title="The mesh against its bars", title_justify="left")
    for name in ("what", "measured", "bar", ""):
        table.add_column(name, justify="left" if name in ("what", "") else "right")
    for what, where, bar in BARS:
        value: Any = mesh
        for key in where:
            value = value[key]
        table.add_row(
            what,
            f"{value:.2f}" if value < 10 else f"{value:.0f}",
            f"{bar:g}",
            "[green]held[/]" if value <= bar else "[red]missed[/]",
        )
    console.print(table)
    table = Table(title="Beside a direct call and LiteLLM's proxy, same upstream, same run", title_justify="left")
    for name in ("what", "direct", "mesh", "mesh / direct", "LiteLLM", "LiteLLM / mesh"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for share in ("p50", "p99"):
        ours = mesh["added_first_token_ms"][share]
        theirs = litellm["added_first_token_ms"][share] if litellm else None
        direct = results["direct"]["first_token_ms"][share]
        table.add_row(
            f"time to first token {share} (ms)",
            f"{direct:.2f}",
            f"+{ours:.2f}",
            f"{1 + ours / direct:.1f}",
            *_beside(ours, theirs, "+"),
        )
    for count in ("1", "16", "64"):
        ours = mesh["router_and_provider_us_per_token"][count]
        theirs = litellm["us_per_token"][count] if litellm else None
        table.add_row(f"processor µs a token, {count} streams", "", f"{ours:.0f}", "", *_beside(ours, theirs))
    for what, ours, key in (
        ("processor ms a request of 100 tokens", mesh["all_services_ms_per_request"], "ms_per_request"),
        ("resident MB, all processes", sum(mesh["rss_mb"].values()), "rss_mb"),
    ):
        table.add_row(what, "", f"{ours:.1f}", "", *_beside(ours, litellm[key] if litellm else None))
    ours = mesh["cancel_ms"]["p99"]
    theirs = litellm["cancel_ms"]["p99"] if litellm else None
    table.add_row("cancel to upstream closed p99 (ms)", "", f"{ours:.2f}", "", *_beside(ours, theirs))
    console.print(table)
    share = mesh["share_classified_of_requests"]
    console.print(f"Of the requests whose cost was measured {share:.0%} were classified in time.")
    for name, pace in (("mesh", mesh["pace"]), ("LiteLLM", litellm["pace"] if litellm else {})):
        for count, kept in pace.items():
            if kept < KEEPS_UP:
                console.print(
                    f"[yellow]{name} did not keep up with {count} streams: {kept:.0%} of their tokens a second.[/]"
                )


def _beside(ours: float, theirs: float | None, sign: str = "") -> tuple[str, str]:
    return (
        ("-", "-")
        if theirs is None
        else (f"{sign}{theirs:.2f}" if theirs < 10 else f"{sign}{theirs:.0f}", f"{theirs / ours:.1f}")
    )
