"""Shows what was learned to watchers: each gets what changed since it last looked, however long ago that was. Pure.

What changes by less than anybody would decide by is not shown, or the lengths of answers alone would be news at every tick.
"""

from collections.abc import Sequence

from services.telemetry.knowledge import Key, Knowledge, Learned

# In units of ability; and the share by which evidence and lengths have to change.
LEAST_CHANGE, LEAST_SHARE = 0.001, 0.01
# What fades does so unseen; so often all of it is looked at.
FULL_LOOK_S = 60.0


class Board:
    """`refresh` before `since`. Times are of the monotonic and of the wall clock."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._shown: dict[Key, tuple[int, Learned]] = {}
        self._full_look_at_s = 0.0
        self.version = 0

    def refresh(self, now_s: float, wall_time_s: float) -> None:
        """Looks at what was touched, and at all of it now and then."""
        touched, self._knowledge.unshown = self._knowledge.unshown, set()
        if now_s >= self._full_look_at_s:
            self._full_look_at_s = now_s + FULL_LOOK_S
            known = self._knowledge.keys()
            # Watchers were told at the last full look that these are forgotten.
            for key in [key for key, (_, learned) in self._shown.items() if key not in known and not learned.weight]:
                del self._shown[key]
            touched = known | self._shown.keys()
        if not touched:
            return
        self.version += 1
        for key in touched:
            learned = self._knowledge.learned(key, wall_time_s)
            shown = self._shown.get(key)
            if shown is None or _differ(shown[1], learned):
                self._shown[key] = (self.version, learned)

    def since(self, version: int) -> Sequence[tuple[Key, Learned]]:
        """What changed after that version; all after version -1."""
        return [(key, learned) for key, (changed, learned) in self._shown.items() if changed > version]


def _differ(shown: Learned, now: Learned) -> bool:
    return (
        abs(shown.offset - now.offset) >= LEAST_CHANGE
        or abs(shown.deviation - now.deviation) >= LEAST_CHANGE
        or abs(shown.weight - now.weight) > LEAST_SHARE * shown.weight
        or abs(shown.output_ratio - now.output_ratio) > LEAST_SHARE * shown.output_ratio
    )
