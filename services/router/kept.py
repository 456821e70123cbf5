"""The frames of one resumable stream, for a reader that may lose its connection and come back. Pure.

oldest kept          position of the reader        newest
  ├── read, may be let go ──┼── unread, never let go ──┤
"""

from collections import deque

from pointsman.router.v1.router_service_pb2 import GenerateResponse


class Kept:
    """Frames by `sequence`, from 1 without a gap. What was read goes first when there is more than `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._frames: deque[tuple[GenerateResponse, int]] = deque()
        self._bytes = 0
        self._unread_bytes = 0
        self._first = 1
        self._read = 0

    @property
    def newest(self) -> int:
        """The sequence of the newest frame; 0 before the first."""
        return self._first + len(self._frames) - 1

    @property
    def full(self) -> bool:
        """Whether so much is unread that the next frame has to wait."""
        return self._unread_bytes >= self._limit_bytes

    def add(self, frame: GenerateResponse) -> None:
        """Keeps the next frame."""
        size = frame.ByteSize()
        self._frames.append((frame, size))
        self._bytes += size
        self._unread_bytes += size
        self._trim()

    def holds(self, after: int) -> bool:
        """Whether a reader that has seen all up to `after` can go on without a gap."""
        return self._first - 1 <= after <= self.newest

    def rewind(self, after: int) -> None:
        """A reader comes that has seen all up to `after`."""
        self._read = after
        self._unread_bytes = sum(size for _, size in list(self._frames)[after - self._first + 1 :])

    def next(self) -> GenerateResponse | None:
        """The next frame for the reader; None where there is none yet."""
        if self._read >= self.newest:
            return None
        frame, size = self._frames[self._read - self._first + 1]
        self._read += 1
        self._unread_bytes -= size
        self._trim()
        return frame

    def _trim(self) -> None:
        while self._bytes > self._limit_bytes and self._first <= self._read:
            _, size = self._frames.popleft()
            self._bytes -= size
            self._first += 1
