"""Reads server-sent events from bytes that may be cut anywhere.

    bytes ──split at CR, LF, CRLF──> lines ──collect until an empty line──> events

By the WHATWG's HTML standard, section "Server-sent events", but for three things: `id` and `retry` are dropped, as nobody
reconnects to a generation; UTF-8 that is not valid is an error instead of a replacement character; an event's size has a bound.
"""

from dataclasses import dataclass

from pointsman.errors import ProviderProtocol

# As much as a gRPC message may hold by default; nothing larger could be handed on.
MAX_EVENT_BYTES = 4 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: `kind` is its event type, `message` where the stream names none."""

    kind: str
    data: str


class SseParser:
    """One stream's parser; feed it what arrives, in order. An event that the end of the stream cuts is never seen."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._at_start = True
        self._after_return = False
        self._kind = b""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes; raises ProviderProtocol for bad UTF-8 and for an event above the bound."""
        if self._after_return and chunk:
            # The CR that ended the last chunk ended its line already; a LF right after it belongs to it.
            self._after_return = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_return = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        events: list[ServerSentEvent] = []
        if lines:
            if self._line:
                lines[0] = bytes(self._line) + lines[0]
                self._line.clear()
            if self._at_start:
                self._at_start = False
                lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
            for line in lines:
                if not line:
                    if self._data:
                        events.append(self._complete())
                    self._kind = b""
                    continue
                # In a usual stream every line but the empty ones is `data: ` and a value: no further work for those.
                if line.startswith(b"data: "):
                    self._add_data(line[6:])
                else:
                    self._take_field(line)
        if rest:
            self._line += rest
            self._check(len(self._line))
        return events

    def _take_field(self, line: bytes) -> None:
        self._check(len(line))
        name, _, value = line.partition(b":")
        if name == b"data":
            self._add_data(value.removeprefix(b" "))
        elif name == b"event":
            self._kind = value.removeprefix(b" ")

    def _add_data(self, value: bytes) -> None:
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._max_event_bytes:
            self._check(self._data_bytes)
        self._data.append(value)

    def _complete(self) -> ServerSentEvent:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        kind = self._kind
        self._data.clear()
        self._data_bytes = 0
        try:
            return ServerSentEvent(kind.decode() if kind else "message", data.decode())
        except UnicodeDecodeError as error:
            raise ProviderProtocol(
                f"the provider's stream is not UTF-8: {error.reason} at byte {error.start}"
            ) from None

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise ProviderProtocol(f"the provider sent an event above {self._max_event_bytes} bytes")
