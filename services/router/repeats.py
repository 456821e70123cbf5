"""Tells that a prompt is asked again: whoever asks the same twice in a row was not content with the answer. Pure."""

import hashlib
import secrets
from collections import OrderedDict

# Who asks again so much later may just want it again.
AGAIN_WITHIN_S = 600.0
REMEMBERED = 10_000


class Repeats:
    """Remembers prompts by a digest with a key of this process' own, so that no text can be guessed from what is kept."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._key = secrets.token_bytes(32)
        self._asked: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def earlier(self, who: str, prompt: bytes, request_id: str, now_s: float) -> str:
        """The request id under which the same caller asked the same lately; empty where nobody did."""
        mark = hashlib.blake2b(prompt, digest_size=16, key=self._key, person=_person(who)).digest()
        found = self._asked.pop(mark, None)
        self._asked[mark] = (now_s, request_id)
        if len(self._asked) > self._limit:
            self._asked.popitem(last=False)
        if found is None or now_s - found[0] > AGAIN_WITHIN_S or found[1] == request_id:
            return ""
        return found[1]


def _person(who: str) -> bytes:
    return hashlib.blake2b(who.encode("utf-8", "surrogatepass"), digest_size=16).digest()
