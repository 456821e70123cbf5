"""Joins the text of a second model to what a first one delivered, so that the client sees one answer. Pure.

A seam takes the new model's text piece by piece and gives back what the client should append; `kept` is how much of the delivered text
stands, known once it gives back anything or ends.

    Fresh          nothing was delivered: everything passes
    Continuation   the new model was told to go on from the text: all of it stands, a repeat at the seam is left out
    Alignment      the new model began anew: held back while it says the same, then it goes on from there

                      delivered    The train stops at noon in Bas|
    Alignment:        new answer   The train stops at noon in Basel.      kept = all, append "el."
                      new answer   The train leaves at                    kept = 10, append "leaves at"
"""

import unicodedata
from typing import Protocol

# A shorter coincidence of the new text with the end of the old one may be meant.
SHORTEST_REPEAT = 12
# What a model says again when it goes on is some sentence of the end, not more.
LONGEST_REPEAT = 400
_JOINERS = frozenset({"\u200d", "\u200c"})


class Diverged(Exception):
    """The new answer differs from what was delivered, and nothing of that may be taken back."""


class Seam(Protocol):
    """How the text of one attempt becomes the client's."""

    @property
    def kept(self) -> int:
        """Code points of the delivered text that stand."""
        ...

    def feed(self, text: str) -> str:
        """Takes the next piece; returns what to append, empty while it is not known. Raises Diverged."""
        ...

    def end(self) -> str:
        """The new answer is at its end, or something else than text comes; returns what was held back. Raises Diverged."""
        ...


class Fresh:
    """Nothing was delivered before."""

    kept = 0

    def feed(self, text: str) -> str:
        """Passes it."""
        return text

    def end(self) -> str:
        """Nothing is held back."""
        return ""


def prefix_of(delivered: str) -> str:
    """What a model is told to go on from: without white space at the end, which several APIs refuse and others go on from badly."""
    return delivered.rstrip()


class Continuation:
    """The new model goes on from `prefix_of(delivered)`."""

    def __init__(self, delivered: str) -> None:
        self.kept = len(delivered)
        self._tail = delivered[-LONGEST_REPEAT:]
        self._space = delivered[len(prefix_of(delivered)) :]
        self._held: str | None = ""

    def feed(self, text: str) -> str:
        """Holds back while the text may still be a repeat of the end."""
        if self._held is None:
            return text
        self._held += text
        said = self._held.lstrip()
        if not said or (said in self._tail and len(said) < LONGEST_REPEAT):
            return ""
        return self._release()

    def end(self) -> str:
        """Gives what is no repeat."""
        return "" if self._held is None else self._release()

    def _release(self) -> str:
        held, self._held = self._held or "", None
        repeated = _repeated(self._tail, held)
        if repeated:
            return held[repeated:]
        # The delivered white space was not part of the prefix: the model says it again, or leaves it out.
        common = 0
        while common < min(len(self._space), len(held)) and self._space[common] == held[common]:
            common += 1
        return held[common:]


def _repeated(tail: str, held: str) -> int:
    """How much of the beginning of `held` says the end of `tail` again; white space before it does not matter."""
    lead = len(held) - len(held.lstrip())
    end, text = tail.rstrip(), held[lead:]
    for length in range(min(len(end), len(text)), SHORTEST_REPEAT - 1, -1):
        if end.endswith(text[:length]):
            after = text[length:]
            space = tail[len(end) :]
            return lead + length + (len(space) if after.startswith(space) else 0)
    return 0


class Alignment:
    """The new model began anew. Where `take_back` is false, only an answer that says all of `delivered` first is accepted."""

    def __init__(self, delivered: str, *, take_back: bool) -> None:
        self._delivered = delivered
        self._take_back = take_back
        self._matched = 0
        self._joined = False
        self.kept = 0

    def feed(self, text: str) -> str:
        """Holds back what is delivered already."""
        if self._joined:
            return text
        rest = self._delivered[self._matched :]
        same = _common(rest, text)
        if same == len(text) and same < len(rest):
            self._matched += same
            return ""
        self._matched += same
        if same == len(rest):
            self.kept, self._joined = len(self._delivered), True
            return text[same:]
        return self._part(text[same:])

    def end(self) -> str:
        """Where the new answer is shorter than what was delivered, the rest of that is taken back."""
        if self._joined:
            return ""
        if self._matched == len(self._delivered):
            self.kept, self._joined = self._matched, True
            return ""
        return self._part("")

    def _part(self, new: str) -> str:
        """The answers part here, but not within what a reader sees as one character."""
        if not self._take_back:
            raise Diverged
        kept = self._matched
        following = new[:1] or self._delivered[kept : kept + 1]
        while kept > 0 and (
            _joins(following) or _joins(self._delivered[kept : kept + 1]) or self._delivered[kept - 1] in _JOINERS
        ):
            kept -= 1
            new = self._delivered[kept] + new
            following = new[:1]
        self.kept, self._joined = kept, True
        return new


def _joins(character: str) -> bool:
    """Whether a character belongs to the one before it: an accent, a variation selector, a skin tone, a joiner."""
    return bool(character) and (
        unicodedata.combining(character) != 0
        or character in _JOINERS
        or "\ufe00" <= character <= "\ufe0f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(index for index in range(length) if one[index] != other[index])
