"""The token that says where the next page of a listing begins: opaque to whoever carries it, checked when it comes back. Pure."""

import base64
import binascii
import struct
import zlib
from typing import NamedTuple

_FORMAT = struct.Struct(">IQQ")
_CHECK = struct.Struct(">I")
# A number of SQLite's.
_HIGHEST = 2**63 - 1


class Place(NamedTuple):
    """Which store's listing, the number of its newest decision, and that of the last one told."""

    listing: int
    newest: int
    below: int


BEGINNING = Place(0, 0, 0)


def token(at: Place) -> str:
    """As text for a message."""
    packed = _FORMAT.pack(*at)
    return base64.urlsafe_b64encode(packed + _CHECK.pack(zlib.crc32(packed))).decode()


def place(text: str) -> Place | None:
    """None for what `token` did not make."""
    try:
        packed = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(packed) != _FORMAT.size + _CHECK.size:
        return None
    body, check = packed[: _FORMAT.size], packed[_FORMAT.size :]
    at = Place(*_FORMAT.unpack(body))
    if _CHECK.pack(zlib.crc32(body)) != check or not 0 < at.below <= at.newest <= _HIGHEST:
        return None
    return at
