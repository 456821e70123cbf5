"""What the genai-prices package knows of a model: price, and size of its context window.

The package's tables take some 90 MB of memory, so a short-lived process of its own reads them; a service keeps the answer.

    python -m pointsman.config.prices < '["openai/gpt-5-mini"]'
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

LOOKUP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class ListPrice:
    """US dollars per million tokens, and tokens; None where the package does not say."""

    input: float
    output: float
    cache_read: float | None
    cache_write: float | None
    context_tokens: int | None


def look_up(references: Sequence[str]) -> dict[str, ListPrice]:
    """Asks for `provider/model` references; those that the package does not know are left out. Raises RuntimeError when it fails."""
    if not references:
        return {}
    done = subprocess.run(
        [sys.executable, "-m", "pointsman.config.prices"],
        input=json.dumps(list(references)),
        capture_output=True,
        text=True,
        timeout=LOOKUP_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"reading the genai-prices tables failed: {done.stderr.strip()[-500:]}")
    return {reference: ListPrice(**found) for reference, found in json.loads(done.stdout).items()}


def _first_tier(value: Any) -> float | None:
    """Dollars at the lowest tier of a price that may depend on the size of the prompt."""
    if value is None:
        return None
    base = value if isinstance(value, Decimal | int | float) else value.base
    return float(base)


def _find(reference: str) -> ListPrice | None:
    from datetime import UTC, datetime

    from genai_prices.data_snapshot import get_snapshot

    provider_id, _, model = reference.partition("/")
    try:
        _, info = get_snapshot().find_provider_model(model, None, provider_id, None)
    except LookupError:
        return None
    price = info.get_prices(datetime.now(UTC))
    given = _first_tier(price.input_mtok), _first_tier(price.output_mtok)
    if given[0] is None or given[1] is None:
        return None
    return ListPrice(
        input=given[0],
        output=given[1],
        cache_read=_first_tier(price.cache_read_mtok),
        cache_write=_first_tier(price.cache_write_mtok),
        context_tokens=info.context_window,
    )


def main() -> int:
    """Answers a JSON list of references on standard input with a JSON object on standard output."""
    found = {reference: price for reference in json.load(sys.stdin) if (price := _find(reference))}
    json.dump({reference: asdict(price) for reference, price in found.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
