"""However often an answer breaks, and wherever: the client holds one text without gap or repeat, one end and nothing after it."""

import re

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pointsman import errors
from pointsman.errors import BY_REASON
from pointsman.llm.v1.generation_pb2 import GenerationEvent
from services.router.failover import Action, How, SwitchMode, Track, TryModel
from services.router.seam import SHORTEST_REPEAT
from tests.scenarios.player import Player, Request, given_up

# Words that are all different, so that what is said twice is a repeat and never the model's own.
WORDS = [f"{number}-\u00e9\U0001f44d\U0001f3fd" for number in range(40)]
AGREED = " ".join(WORDS[:10]) + "\n\n" + " ".join(WORDS[10:24]) + " end."
FAILURES = [errors.StreamCut, errors.StreamStalled, errors.ProviderUnavailable, errors.ProviderProtocol]


class SwitchingMachine(RuleBasedStateMachine):
    """All models know one `answer`. One that begins anew may have another in mind: once the client reads of that, it is the answer."""

    @initialize(
        continues=st.lists(st.booleans(), min_size=1, max_size=5),
        breaks=st.integers(0, 4),
        spare=st.integers(0, 3),
        # Once in a while the client wants no switch.
        mode=st.sampled_from([*[SwitchMode.CONTINUE_OR_RESTART, SwitchMode.CONTINUE] * 3, SwitchMode.FAIL]),
    )
    def begin(self, continues: list[bool], breaks: int, spare: int, mode: SwitchMode) -> None:
        tracks = [Track(f"p{index}/m", continues=goes_on) for index, goes_on in enumerate(continues)]
        self.request = Request(tracks, attempts=1 + breaks + spare, mode=mode)
        # So often the answer breaks before anything may end it; else most requests would be over before anything happened.
        self.breaks = breaks
        self.player = Player(self.request)
        self.answer = AGREED
        self.over = False
        self.held_before = ""
        self._attempt("", 0, says_again=False)

    def _attempt(self, parts_with: str, at: int, *, says_again: bool) -> None:
        """What the model that is asked now has in mind to say, and how much of it is said."""
        self.said = 0
        self.called = False
        action = self.player.action
        assert isinstance(action, TryModel)
        match action.how:
            case How.FRESH:
                self.mind = self.answer
            case How.CONTINUE:
                prefix = self.player.prefix
                assert self.answer.startswith(prefix)
                rest = self.answer[len(prefix) :]
                # Many models say the last words again.
                again = re.search(rf"\S[\s\S]{{{SHORTEST_REPEAT}}}\S*\Z", prefix) if says_again and rest else None
                self.mind = (again.group() if again else "") + rest
            case How.RESTART:
                self.mind = self.answer[: min(at, len(self.answer))] + parts_with if parts_with else self.answer

    def _fail(self, error: errors.PointsmanError, parts_with: str, at: int, says_again: bool) -> None:
        self.held_before = self.player.text
        action = self.player.fails(error)
        self.over = given_up(action)
        assert self.over or not self.held_before or self.request.mode is not SwitchMode.FAIL
        if not self.over:
            self._attempt(parts_with, at, says_again=says_again)

    def _took(self, action: Action | None) -> None:
        """A model said something else than the client lets it say; or what it said is the answer from now on."""
        if action is None:
            how = self.player.action.how if isinstance(self.player.action, TryModel) else How.FRESH
            if how is How.RESTART and not self.answer.startswith(self.player.text):
                self.answer = self.mind
            return
        self.over = given_up(action)
        if not self.over:
            self._attempt("", 0, says_again=False)

    @precondition(lambda self: not self.over)
    @rule(share=st.floats(0, 1), size=st.integers(1, 40))
    def says(self, share: float, size: int) -> None:
        self._say(share, size)

    def _say(self, share: float, size: int) -> bool:
        """Says a share of what is left of the model's answer, in pieces; whether it is still its turn."""
        attempt, until = self.player.attempts, self.said + round((len(self.mind) - self.said) * share)
        while not self.over and self.player.attempts == attempt and self.said < until:
            piece = self.mind[self.said : min(until, self.said + size)]
            self.said += len(piece)
            self._took(self.player.says(GenerationEvent(text_delta={"text": piece, "token_count": 1})))
        return not self.over and self.player.attempts == attempt

    @precondition(lambda self: not self.over)
    @rule(
        share=st.floats(0, 1),
        size=st.integers(1, 40),
        error=st.sampled_from(FAILURES),
        parts_with=st.sampled_from(["", "", " another end.", " \u0301 quite another"]),
        at=st.integers(0, len(AGREED)),
        says_again=st.booleans(),
    )
    def breaks_off(
        self,
        share: float,
        size: int,
        error: type[errors.PointsmanError],
        parts_with: str,
        at: int,
        says_again: bool,
    ) -> None:
        if self._say(share, size):
            self.breaks = max(0, self.breaks - 1)
            self._fail(error("it broke"), parts_with, at, says_again)

    @precondition(lambda self: not self.over and self.breaks == 0)
    @rule(reason=st.sampled_from(sorted(BY_REASON)))
    def fails_in_any_way(self, reason: str) -> None:
        self._fail(BY_REASON[reason]("as told"), "", 0, False)

    @precondition(lambda self: not self.over and self.breaks == 0)
    @rule()
    def finishes(self) -> None:
        if not self._say(1.0, 7):
            return
        action = self.player.finishes()
        self._took(action)
        if action is None:
            self.over = True
            assert self.player.client.finished is not None
            assert self.player.text == self.answer

    @precondition(lambda self: self.over)
    @rule()
    def it_is_over(self) -> None:
        assert (self.player.client.finished is None) is given_up(self.player.action)

    @invariant()
    def the_client_holds_the_beginning_of_the_answer(self) -> None:
        if not hasattr(self, "player"):
            return
        assert self.answer.startswith(self.player.text)

    @invariant()
    def what_it_may_not_lose_stands(self) -> None:
        if hasattr(self, "player") and self.request.mode is not SwitchMode.CONTINUE_OR_RESTART:
            assert self.player.text.startswith(self.held_before)

    @invariant()
    def attempts_and_switches_stay_within_the_budget(self) -> None:
        if hasattr(self, "player"):
            assert self.player.attempts <= self.request.attempts
            assert len(self.player.client.switches) < self.request.attempts

    @invariant()
    def there_is_one_end_and_nothing_after_it(self) -> None:
        if not hasattr(self, "player"):
            return
        ends = [frame.event.WhichOneof("event") == "finished" for frame in self.player.frames]
        assert sum(ends) <= 1
        assert not any(ends[:-1])
        assert [frame.sequence for frame in self.player.frames] == list(range(1, len(ends) + 1))


SwitchingMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=30)
TestSwitching = SwitchingMachine.TestCase
