"""Checks a request's body against the types of the vendors' own SDKs, to the last field of the last part."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter


class VendorType:
    """One of an SDK's TypedDicts; fields that it does not know are errors."""

    def __init__(self, params: Any) -> None:
        # A TypedDict takes no configuration of its own; inside a list it takes the list's.
        self._adapter: TypeAdapter[Any] = TypeAdapter(list[params], config=ConfigDict(extra="forbid", strict=True))

    def check(self, body: Mapping[str, object]) -> None:
        """Raises pydantic.ValidationError where `body` is not what the SDK would send."""
        _exhaust(self._adapter.validate_python([body]))


def _exhaust(value: object) -> None:
    """Pydantic validates an Iterable only while somebody iterates over it."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _exhaust(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _exhaust(inner)
