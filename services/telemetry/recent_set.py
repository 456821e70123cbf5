"""Remembers what was seen lately, in bounded memory."""


class RecentSet:
    """Holds at least the newest `capacity` identities and at most twice as many: two generations, the older is forgotten whole."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def add(self, identity: int) -> bool:
        """Remembers `identity`; returns whether it is new."""
        if identity in self._newer or identity in self._older:
            return False
        self._newer.add(identity)
        if len(self._newer) >= self._capacity:
            self._newer, self._older = set(), self._newer
        return True

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
