"""Parses the JSON payloads of one stream into an API's own shape.

Servers that cut text by UTF-16 units (JavaScript's do) split a character outside the basic plane over two payloads, half a
surrogate pair in each. Neither half is valid by itself; the first is kept back here until the second comes.
"""

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import ValidationError

from pointsman.errors import ProviderProtocol

Payload = TypeVar("Payload")

# In what an event of either API that carries a part of the answer holds.
ANSWERS = ("delta", "content")
# An even number of backslashes before it makes the next one begin an escape.
FIRST_HALF_AT_THE_END = re.compile(r'(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2})(?=")')
SECOND_HALF_AT_THE_START = re.compile(r'(:\s*")(\\u[dD][c-fC-F][0-9a-fA-F]{2})')


class PayloadParser(Generic[Payload]):
    """One stream's parser; `validate` is a pydantic validator's validate_json."""

    def __init__(self, validate: Callable[[str | bytes], Payload]) -> None:
        self._validate = validate
        self._first_half = ""
        self._good = False
        # Events that were no JSON and were left out.
        self.passed_over = 0

    def parse_event(self, data: str) -> Payload | None:
        """The payload of a stream's event; None for the first bad one of a stream that was good before, where it holds no part of
        the answer: gateways put words of their own between events. Raises ProviderProtocol for any other.
        """
        try:
            payload = self.parse(data)
        except ProviderProtocol:
            if not self._good or self.passed_over or any(name in data for name in ANSWERS):
                raise
            self.passed_over += 1
            return None
        self._good = True
        return payload

    def parse(self, data: str | bytes) -> Payload:
        """The payload; raises ProviderProtocol that names the place where it is not what the API promises."""
        try:
            return self._validate(data)
        except ValidationError as error:
            if isinstance(data, str) and (mended := self._mend(data)) != data:
                return self.parse(mended)
            # The value that is wrong may be what the model wrote; only its place and the expectation go into the error.
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "JSON"
            raise ProviderProtocol(f"the provider sent a bad payload: {place}: {first['msg']}") from None

    def _mend(self, data: str) -> str:
        if first := self._first_half:
            self._first_half = ""
            data = SECOND_HALF_AT_THE_START.sub(lambda found: found[1] + first + found[2], data, count=1)
        if found := FIRST_HALF_AT_THE_END.search(data):
            self._first_half = found[2]
            data = data[: found.start(2)] + data[found.end(2) :]
        return data
