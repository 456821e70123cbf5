"""The last decisions, so that a changed configuration can be tried on them before it is taken."""

from collections import deque

from pointsman.telemetry.v1.telemetry_service_pb2 import FleetSnapshot, RequestRecord


class Recent:
    """The newest `limit` records with their snapshots, newest last."""

    def __init__(self, limit: int) -> None:
        self._kept: deque[tuple[RequestRecord, FleetSnapshot]] = deque(maxlen=limit)

    def keep(self, limit: int) -> None:
        """Remembers so many from now on."""
        if limit != self._kept.maxlen:
            self._kept = deque(self._kept, maxlen=limit)

    def add(self, record: RequestRecord, snapshot: FleetSnapshot) -> None:
        """Remembers one."""
        self._kept.append((record, snapshot))

    def all(self) -> list[tuple[RequestRecord, FleetSnapshot]]:
        """A copy."""
        return list(self._kept)
