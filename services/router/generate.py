"""Takes requests: so many at a time, each routed and then driven to its end by `generation`."""

from opentelemetry import trace

from pointsman import errors
from pointsman import telemetry_names as names
from services.router.asking import Request
from services.router.budget import Budget
from services.router.delivery import Send
from services.router.generation import Generation
from services.router.route import Router
from services.router.workings import Workings
from services.runtime import tracing

RETRY_AFTER_S = 0.5
# The provider's call has the same deadline and tells more when it passes; this long after it, it is the client that holds us up.
UNREAD_S = 0.5


class Generator:
    """Answers requests, `max_in_flight` at a time."""

    def __init__(self, workings: Workings, router: Router) -> None:
        self._workings = workings
        self._router = router
        self.in_flight = 0

    async def run(self, request: Request, remaining_s: float | None, send: Send) -> None:
        """Answers through `send`, frame by frame; raises the one error that the client should see.

        `remaining_s` is the time that the client gives, None where it sets no deadline.
        """
        limits, clock = self._workings.in_force.config.limits, self._workings.clock
        if self.in_flight >= limits.max_in_flight:
            raise errors.Overloaded(
                f"{limits.max_in_flight} requests are in flight, the limit", retry_after_s=RETRY_AFTER_S
            )
        self.in_flight += 1
        try:
            began_s = clock.monotonic()
            given_s, remaining_s = remaining_s, limits.default_deadline_s if remaining_s is None else remaining_s
            with tracing.span(names.ROUTE_SPAN, trace.SpanKind.INTERNAL, {}) as span:
                routed = await self._router.route(request, remaining_s)
                routed.describe(span)
                budget = Budget(began_s + remaining_s, limits.max_attempts)
                # gRPC ends a call at the client's deadline; without one nobody else ends a call that the client does not read.
                own_s = None if given_s is not None else budget.remaining_s(clock.monotonic()) + UNREAD_S
                await Generation(self._workings, routed, request, budget, began_s, send).run(span, own_s)
        finally:
            self.in_flight -= 1
