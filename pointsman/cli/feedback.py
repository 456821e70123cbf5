"""`pointsman feedback`: says how good an answer was, and prints what was learned from it."""

from pointsman.answer import reference
from pointsman.cli.consoles import answers
from pointsman.cli.failures import run_command
from pointsman.cli.figures import plain
from pointsman.cli.target import Whereabouts, find_target
from pointsman.client import Client
from pointsman.router.v1.router_service_pb2 import RecordFeedbackResponse

TIMEOUT_S = 10.0


def run_feedback(request_id: str, quality: float, comment: str, where: Whereabouts) -> int:
    """Returns the exit code."""
    address = ""

    async def send() -> int:
        nonlocal address
        address = find_target(where).router
        async with Client(address) as client:
            learned = await client.record_feedback(request_id, quality, comment=comment, timeout_s=TIMEOUT_S)
        answers().print(feedback_line(learned), markup=False, highlight=False, soft_wrap=True)
        return 0

    return run_command(send, lambda: address)


def feedback_line(learned: RecordFeedbackResponse) -> str:
    """One line: p/m: ability for coding is now 0.62 ± 0.11 (0 is a small open model, 1 a frontier model)."""
    intent = plain(learned.intent) or "prompts of no known intent"
    return (
        f"{plain(reference(learned.model))}: ability for {intent} is now {learned.ability:.2f} ± {learned.ability_deviation:.2f} "
        "(0 is a small open model, 1 a frontier model)"
    )
