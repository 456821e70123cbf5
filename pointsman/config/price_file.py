"""What a file or a URL says of prices, as `prices.file` and `prices.url` name them:

    models:
      openai/gpt-5: {input: 1.25, output: 10, cache_read: 0.125}

YAML or JSON; US dollars per million tokens.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pointsman.config.catalogue import Price, as_price
from pointsman.config.fields import Reference, Section
from pointsman.config.routing_schema import PriceSection
from pointsman.config.yaml_file import ConfigError, Problem, YamlFile, parse_yaml

# Ten thousand models; what is larger is something else.
MOST_BYTES = 1024 * 1024


class PriceFile(Section):
    """The whole file."""

    models: dict[Reference, PriceSection]


def read_prices(source: Path | str, content: bytes) -> Mapping[str, Price]:
    """Prices by `provider/model`; raises ConfigError, with everything that is wrong, for content that is not as it should be.

    `source` is where the content came from, for people.
    """
    if len(content) > MOST_BYTES:
        raise ConfigError(source, [Problem(0, "(file)", f"expected at most {MOST_BYTES} bytes")])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(source, [Problem(0, "(file)", f"expected UTF-8 text: {error}")]) from error
    file = _quick(text)
    if file is None:
        parsed = _parse(source, text)
        try:
            file = PriceFile.model_validate(parsed.content)
        except ValidationError as error:
            raise parsed.invalid(error) from error
    return {reference: as_price(price) for reference, price in file.models.items()}


def _quick(text: str) -> PriceFile | None:
    """Good JSON, which Python reads a hundred times as fast as YAML; None for all else, which is then read as YAML.

    JSON is YAML too, and only there is it known on which line something is wrong.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        return PriceFile.model_validate(json.loads(text, object_pairs_hook=_once))
    except (ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _parse(source: Path | str, text: str) -> YamlFile:
    # Aliases of aliases can make of a few lines more than fits into memory, and prices need none.
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader) if "*" in text else ():
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise ConfigError(source, [Problem(line, "(syntax)", "expected no aliases (*name)")])
    except (yaml.YAMLError, RecursionError):
        # It is told below what is wrong.
        pass
    return parse_yaml(source, text)
