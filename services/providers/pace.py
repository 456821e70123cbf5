"""How long an adapter lets text gather before it reads on, so that a busy process sends fewer and larger frames. Pure.

A frame costs the same whatever it holds. With few streams in flight every piece goes out as it comes; with many, each stream sends
at most so many frames that all together stay at `FRAMES_PER_SECOND`. The bytes wait in the socket meanwhile, so that there is no queue
of ours, and the first token is read before any wait.
"""

FRAMES_PER_SECOND = 1_600
# Shorter waits join nothing at the usual rates, and cost a timer.
SHORTEST_S = 0.010
# What a reader does not notice.
LONGEST_S = 0.050


def gathering_s(in_flight: int) -> float:
    """Seconds to wait between two reads of one stream, with so many streams in flight; 0 for none."""
    wait_s = in_flight / FRAMES_PER_SECOND
    return 0.0 if wait_s < SHORTEST_S else min(wait_s, LONGEST_S)
