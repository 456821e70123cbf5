"""Carries the error tree over gRPC: an error becomes a google.rpc.Status with ErrorInfo, and a status an error again.

Wire format: google.rpc.Status in the trailing metadata `grpc-status-details-bin`, details by AIP-193.
"""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from pointsman import errors

DETAILS_KEY = "grpc-status-details-bin"
# gRPC refuses trailing metadata above 8 KiB by default; the rest of a status needs room too.
MESSAGE_LIMIT = 2_000
METADATA_VALUE_LIMIT = 400

# What a status without our ErrorInfo means: it was made by gRPC itself or by a proxy on the way.
FOREIGN: dict[grpc.StatusCode, type[errors.PointsmanError]] = {
    grpc.StatusCode.CANCELLED: errors.StreamCut,
    grpc.StatusCode.UNKNOWN: errors.InternalError,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: errors.ProviderModelUnknown,
    grpc.StatusCode.ALREADY_EXISTS: errors.InternalError,
    grpc.StatusCode.PERMISSION_DENIED: errors.ProviderCredentials,
    grpc.StatusCode.UNAUTHENTICATED: errors.ProviderCredentials,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.FAILED_PRECONDITION: errors.NoCapableModel,
    grpc.StatusCode.ABORTED: errors.ProviderUnavailable,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequest,
    grpc.StatusCode.UNIMPLEMENTED: errors.InternalError,
    grpc.StatusCode.INTERNAL: errors.ProviderUnreachable,  # a stream reset by the transport
    grpc.StatusCode.UNAVAILABLE: errors.ProviderUnreachable,
    grpc.StatusCode.DATA_LOSS: errors.StreamCut,
}


def to_status(error: errors.PointsmanError) -> status_pb2.Status:
    """Builds the status that carries `error`, its reason, its time to wait and its field violations."""
    status = status_pb2.Status(
        code=grpc.StatusCode[error.code].value[0],
        message=error.message[:MESSAGE_LIMIT],
    )
    info = error_details_pb2.ErrorInfo(
        reason=error.reason.value,
        domain=errors.DOMAIN,
        metadata={key: value[:METADATA_VALUE_LIMIT] for key, value in error.metadata.items()},
    )
    _pack(status, info)
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        _pack(status, error_details_pb2.RetryInfo(retry_delay=delay))
    if error.violations:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description[:METADATA_VALUE_LIMIT])
            for v in error.violations
        ]
        _pack(status, error_details_pb2.BadRequest(field_violations=violations))
    return status


def from_rpc_error(error: aio.AioRpcError) -> errors.PointsmanError:
    """Rebuilds the error that a service of the mesh raised; a foreign status becomes the nearest of the tree."""
    message = error.details() or error.code().name
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes) and (rebuilt := _from_details(value)):
            return rebuilt
    cls = FOREIGN.get(error.code(), errors.InternalError)
    return cls(message, metadata={"grpc_status": error.code().name})


def _from_details(details: bytes) -> errors.PointsmanError | None:
    status = status_pb2.Status.FromString(details)
    cls: type[errors.PointsmanError] | None = None
    metadata: dict[str, str] = {}
    retry_after_s: float | None = None
    violations: list[errors.FieldViolation] = []
    info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == errors.DOMAIN:
            cls = errors.BY_REASON.get(info.reason)
            metadata = dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(bad):
            violations = [errors.FieldViolation(v.field, v.description) for v in bad.field_violations]
    if cls is None:
        return None
    return cls(status.message, retry_after_s=retry_after_s, metadata=metadata, violations=violations)


def _pack(
    status: status_pb2.Status,
    detail: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo | error_details_pb2.BadRequest,
) -> None:
    packed = Any()
    packed.Pack(detail)
    status.details.append(packed)
