"""Which model answered a session last, and what its provider's prompt cache may still hold of it. Pure; the clock is a parameter."""

from collections import OrderedDict

from services.router.candidates import NO_SESSION, Last


class Sessions:
    """Remembers the newest `limit` sessions by digest, each for `kept_s` seconds after its last answer."""

    def __init__(self, limit: int, kept_s: float) -> None:
        self.limit = limit
        self.kept_s = kept_s
        self._sessions: OrderedDict[int, tuple[float, Last]] = OrderedDict()

    def last(self, session: int, now_s: float) -> Last:
        """What is known of a session; 0 is no session."""
        found = self._sessions.get(session) if session else None
        if found is None or now_s - found[0] > self.kept_s:
            return NO_SESSION
        return found[1]

    def served(self, session: int, reference: str, tokens: int, now_s: float) -> None:
        """A model answered: its cache holds the prompt and its own answer, `tokens` together."""
        if not session:
            return
        self._sessions[session] = (now_s, Last(reference, tokens))
        self._sessions.move_to_end(session)
        while len(self._sessions) > self.limit:
            self._sessions.popitem(last=False)

    def __len__(self) -> int:
        return len(self._sessions)
