"""Takes feedback from clients to telemetry, where the request was recorded."""

import math
from typing import TYPE_CHECKING

from grpc import aio

from pointsman import errors, rpc_status
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.telemetry.v1 import telemetry_service_pb2 as telemetry_pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.router.fleet import Fleet
from services.router.report import Reporter
from services.runtime import tracing

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub

LIMIT_S = 5.0
MAX_REQUEST_ID = 128
MAX_COMMENT = 2_000
RETRY_AFTER_S = 1.0


class Feedback:
    """Forwards; what was reported a moment ago is sent first, so that feedback finds it."""

    def __init__(self, channel: aio.Channel, reporter: Reporter, fleet: Fleet) -> None:
        self._stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)
        self._reporter = reporter
        self._fleet = fleet

    async def record(self, request: pb.RecordFeedbackRequest, remaining_s: float | None) -> pb.RecordFeedbackResponse:
        """Raises InvalidRequest, RequestUnknown for an id that telemetry does not hold, and Overloaded where it is away."""
        _check(request)
        await self._reporter.flush()
        try:
            response = await self._stub.RecordFeedback(
                telemetry_pb.RecordFeedbackRequest(
                    request_id=request.request_id, quality=request.quality, comment=request.comment
                ),
                timeout=LIMIT_S if remaining_s is None else min(LIMIT_S, remaining_s),
                metadata=tracing.outgoing(),
            )
        except aio.AioRpcError as error:
            told = rpc_status.from_rpc_error(error)
            if rpc_status.is_foreign(told):
                raise errors.Overloaded(
                    f"telemetry cannot take feedback now: {told.message}", retry_after_s=RETRY_AFTER_S
                ) from error
            raise told from error
        learned = response.learned
        prior = self._fleet.prior(f"{learned.model.provider}/{learned.model.model}", learned.intent)
        return pb.RecordFeedbackResponse(
            model=learned.model,
            intent=learned.intent,
            ability=prior + learned.offset,
            ability_deviation=learned.deviation,
        )


def _check(request: pb.RecordFeedbackRequest) -> None:
    faults = []
    if not (0 < len(request.request_id) <= MAX_REQUEST_ID and request.request_id.isprintable()):
        faults.append(errors.FieldViolation("request_id", f"expected 1 to {MAX_REQUEST_ID} printable characters"))
    if not (math.isfinite(request.quality) and 0 <= request.quality <= 1):
        faults.append(errors.FieldViolation("quality", f"expected 0 to 1, found {request.quality:g}"))
    if len(request.comment) > MAX_COMMENT:
        told = f"expected at most {MAX_COMMENT} characters, found {len(request.comment)}"
        faults.append(errors.FieldViolation("comment", told))
    if faults:
        words = "; ".join(f"{fault.field}: {fault.description}" for fault in faults)
        raise errors.InvalidRequest(words, violations=faults)
