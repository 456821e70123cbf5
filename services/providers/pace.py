"""How long an adapter lets text gather before it reads on, so that a busy process sends fewer and larger frames. Pure.

A frame costs the same whatever it holds, and a process that sleeps costs as much again to wake. With a handful of streams in flight
every piece goes out as it comes. With more, each stream reads at common moments only, which lie further apart the more streams there
are: all of them wake once, and their frames leave together. The bytes wait in the socket meanwhile, so that there is no queue of ours,
and the first token is read before any wait.
"""

# Common moments are a multiple of this apart; less joins nothing at the usual rates, and costs a timer.
STEP_S = 0.010
# One step more for so many streams: two dozen wait the 50 ms that the configuration allows by default.
STREAMS_PER_STEP = 5


def gathering_s(in_flight: int, longest_s: float, now_s: float) -> float:
    """Seconds from `now_s` until a stream should read again, with so many streams in flight; 0 for at once, `longest_s` at most."""
    steps = min(in_flight // STREAMS_PER_STEP, int(longest_s / STEP_S + 1e-6))
    return steps * STEP_S - now_s % (steps * STEP_S) if steps else 0.0
