"""The scheduler on the real network, without Triton: batching, cancelling, bounds."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tiny_chat
from tiny_chat.network import Network
from tiny_chat.parameters import SamplingParameters
from tiny_chat.scheduler import ClosedError, FinishReason, Outcome, Scheduler

GREEDY = SamplingParameters(temperature=0.0, max_tokens=40)
ENDLESS = SamplingParameters(temperature=0.0, max_tokens=100_000, ignore_eos=True)


@dataclass
class Recorder:
    """Keeps what it is told; `cancel_after` pieces it says that its caller went away."""

    cancel_after: int | None = None
    pieces: list[str] = field(default_factory=list)
    tokens: int = 0
    finish: FinishReason | None = None
    aborted: str | None = None
    first: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def is_cancelled(self) -> bool:
        return self.cancel_after is not None and len(self.pieces) >= self.cancel_after

    def deliver(self, text: str, tokens: int, finish: FinishReason | None) -> None:
        self.pieces.append(text)
        self.tokens += tokens
        self.finish = finish
        self.first.set()
        if finish is not None:
            self.ended.set()

    def abort(self, reason: str, cancelled: bool) -> None:
        self.aborted = reason
        self.ended.set()

    @property
    def text(self) -> str:
        assert self.ended.wait(30)
        return "".join(self.pieces)


@dataclass
class Tally:
    """Counts as an operator's metrics do."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    output_tokens: int = 0
    running: int = 0
    waiting: int = 0

    def ended(self, outcome: Outcome, output_tokens: int) -> None:
        self.outcomes[outcome] += 1
        self.output_tokens += output_tokens

    def depth(self, running: int, waiting: int) -> None:
        self.running, self.waiting = running, waiting


@pytest.fixture(scope="module")
def network() -> Network:
    assert tiny_chat.__file__ is not None
    return Network.load(Path(tiny_chat.__file__).parent.parent, threads=1)


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def scheduler(network: Network, tally: Tally) -> Iterator[Scheduler]:
    scheduler = Scheduler(network, tally, max_running=4, max_waiting=4)
    scheduler.start()
    yield scheduler
    scheduler.close()


def ids(network: Network, text: str) -> list[int]:
    return list(network.tokenizer.encode(f"<|user|>{text}<|end|><|assistant|>").ids)


def ask(scheduler: Scheduler, network: Network, text: str, parameters: SamplingParameters = GREEDY) -> Recorder:
    recorder = Recorder()
    scheduler.submit(ids(network, text), parameters, recorder)
    return recorder


def test_the_cache_changes_nothing(network: Network, scheduler: Scheduler) -> None:
    """Greedy tokens through the batched cache are those of reading the whole text anew for each token."""
    prompt = ids(network, "Give me three tips for sleeping better.")
    expected = list(prompt)
    for _ in range(40):
        logits = network.run(np.array([expected], dtype=np.int64), network.new_cache().add_empty())
        token = int(logits[0].argmax())
        if token == network.end_token:
            break
        expected.append(token)
    answers = [ask(scheduler, network, "Give me three tips for sleeping better."), ask(scheduler, network, "Hello")]
    said = b"".join(network.token_bytes[token] for token in expected[len(prompt) :])
    assert answers[0].text == said.decode()


def test_prompts_longer_than_a_chunk_are_read_whole(network: Network, scheduler: Scheduler) -> None:
    text = "The fox ran. " * 60 + "What is the capital of France?"
    whole = network.run(np.array([ids(network, text)], dtype=np.int64), network.new_cache().add_empty())
    first_only = SamplingParameters(temperature=0.0, max_tokens=1, ignore_eos=True)
    answer = ask(scheduler, network, text, first_only)
    assert answer.text.encode() == network.token_bytes[int(whole[0].argmax())]


def test_joining_and_leaving_disturbs_nobody(network: Network, scheduler: Scheduler) -> None:
    questions = ["Hello", "What is the capital of Japan?", "Tell me about gravity.", "Write a poem about the sea."]
    alone = [ask(scheduler, network, q).text for q in questions]
    together = [ask(scheduler, network, q) for q in questions]
    assert [answer.text for answer in together] == alone


def test_requests_advance_together(network: Network, scheduler: Scheduler) -> None:
    endless = ask(scheduler, network, "Hello", ENDLESS)
    assert endless.first.wait(30)
    assert ask(scheduler, network, "Hello").text
    assert not endless.ended.is_set()


def test_a_cancelled_request_ends_after_the_token_at_which_it_was_noticed(
    network: Network, scheduler: Scheduler
) -> None:
    recorder = Recorder(cancel_after=3)
    scheduler.submit(ids(network, "Tell me about gravity."), ENDLESS, recorder)
    assert recorder.ended.wait(30)
    assert recorder.aborted == "the request was cancelled"
    assert len(recorder.pieces) == 3


def test_submitting_blocks_while_as_many_wait_as_may(network: Network, scheduler: Scheduler, tally: Tally) -> None:
    running = [ask(scheduler, network, "Hello", ENDLESS) for _ in range(4)]
    for recorder in running:
        assert recorder.first.wait(30)
    waiting = [ask(scheduler, network, "Hello") for _ in range(4)]
    late: list[Recorder] = []
    submitting = threading.Thread(target=lambda: late.append(ask(scheduler, network, "Hello")))
    submitting.start()
    # Places come free only by ending those that run: until then the late one cannot have been taken.
    assert late == []
    for recorder in running:
        recorder.cancel_after = 0
    submitting.join(30)
    assert all(recorder.text for recorder in (*waiting, *late))
    scheduler.close()
    assert tally.outcomes == {Outcome.CANCELLED: 4, Outcome.FINISHED: 5}
    assert (tally.running, tally.waiting) == (0, 0)


def test_refusals_are_sent_by_the_schedulers_thread(scheduler: Scheduler, tally: Tally) -> None:
    senders: list[str] = []
    sent = threading.Event()
    scheduler.refuse(lambda: senders.append(threading.current_thread().name) or sent.set())  # type: ignore[func-returns-value]
    assert sent.wait(30)
    scheduler.close()
    assert senders == ["scheduler"]
    assert tally.outcomes == {Outcome.REFUSED: 1}


def test_max_tokens_and_the_context_window_end_the_answer(network: Network, scheduler: Scheduler) -> None:
    short = ask(scheduler, network, "Tell me about gravity.", SamplingParameters(temperature=0.0, max_tokens=5))
    assert short.text
    assert (short.tokens, short.finish) == (5, FinishReason.LENGTH)
    endless = ask(scheduler, network, "Hello", ENDLESS)
    assert endless.ended.wait(60)
    assert endless.finish is FinishReason.LENGTH
    assert endless.tokens == network.context_tokens - len(ids(network, "Hello"))


def test_stop_texts_are_not_delivered(network: Network, scheduler: Scheduler) -> None:
    whole = ask(scheduler, network, "What is the capital of France?").text
    stop = whole[5:9]
    stopped = ask(
        scheduler, network, "What is the capital of France?", SamplingParameters(0.0, max_tokens=40, stop=(stop,))
    )
    assert stopped.text == whole[: whole.index(stop)]
    assert stopped.finish is FinishReason.STOP


def test_the_same_seed_gives_the_same_answer(network: Network, scheduler: Scheduler) -> None:
    def say(seed: int) -> str:
        return ask(
            scheduler, network, "Tell me a story about a fox.", SamplingParameters(1.5, seed=seed, max_tokens=40)
        ).text

    assert say(1) == say(1) != say(2)


def test_closing_aborts_what_is_unfinished(network: Network) -> None:
    tally = Tally()
    scheduler = Scheduler(network, tally, max_running=1, max_waiting=2)
    scheduler.start()
    running = ask(scheduler, network, "Hello", ENDLESS)
    assert running.first.wait(30)
    waiting = ask(scheduler, network, "Hello")
    scheduler.close()
    assert running.aborted == waiting.aborted == "the model is being unloaded"
    assert tally.outcomes == {Outcome.ABORTED: 2}
    with pytest.raises(ClosedError, match="being unloaded"):
        ask(scheduler, network, "Hello")
