"""Carries the error tree over gRPC: an error becomes a google.rpc.Status with ErrorInfo, and a status an error again.

Wire format: google.rpc.Status in the trailing metadata `grpc-status-details-bin`, details by AIP-193.
"""

from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from pointsman import errors

DETAILS_KEY = "grpc-status-details-bin"
# gRPC refuses trailing metadata above 8 KiB, and the client then reads another code than ours. Against it count the message,
# percent-encoded, and the details, which hold it once more and grow by a third where a peer takes no binary.
MESSAGE_BYTES = 1_500
DETAILS_BYTES = 4_500
VALUE_BYTES = 400
LONGEST_WAIT_S = 86_400.0
FOREIGN_KEY = "grpc_status"

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
    """Builds the status that carries `error`, its reason, its time to wait and its field violations.

    What is longer than a status may be is cut; what does not fit is left out, the last violations first.
    """
    status = status_pb2.Status(code=grpc.StatusCode[error.code].value[0], message=_fit_message(error.message))
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(int(min(max(0.0, error.retry_after_s), LONGEST_WAIT_S) * 1e9))
        _pack(status, error_details_pb2.RetryInfo(retry_delay=delay))
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=errors.DOMAIN)
    room = DETAILS_BYTES - status.ByteSize() - info.ByteSize()
    info.metadata.update(_fit_metadata(error.metadata, room))
    _pack(status, info)
    if error.violations:
        _pack(status, _fit_violations(error.violations, DETAILS_BYTES - status.ByteSize()))
    return status


def from_rpc_error(error: aio.AioRpcError) -> errors.PointsmanError:
    """Rebuilds the error that a service of the mesh raised; a foreign status becomes the nearest of the tree."""
    message = error.details() or error.code().name
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes) and (rebuilt := _from_details(value)):
            return rebuilt
    cls = FOREIGN.get(error.code(), errors.InternalError)
    return cls(message, metadata={FOREIGN_KEY: error.code().name})


def is_foreign(error: errors.PointsmanError) -> bool:
    """Whether gRPC itself or a proxy said it, not a service of the mesh."""
    return FOREIGN_KEY in error.metadata


def _from_details(details: bytes) -> errors.PointsmanError | None:
    """The error that the details tell; None where they are not ours or not whole."""
    try:
        return _read_details(status_pb2.Status.FromString(details))
    except DecodeError:
        return None


def _read_details(status: status_pb2.Status) -> errors.PointsmanError | None:
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


def _fit_message(message: str) -> str:
    room = MESSAGE_BYTES
    clean = _clip(message, MESSAGE_BYTES)
    for index, character in enumerate(clean):
        room -= sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in character.encode())
        if room < 0:
            return clean[:index]
    return clean


def _fit_metadata(metadata: Mapping[str, str], room: int) -> dict[str, str]:
    """Every key with an equal share of the room."""
    if not metadata:
        return {}
    overhead = 8 + max(map(len, metadata))
    share = min(VALUE_BYTES, room // len(metadata) - overhead)
    return {key: _clip(value, share) for key, value in metadata.items()} if share > 0 else {}


def _fit_violations(violations: Sequence[errors.FieldViolation], room: int) -> error_details_pb2.BadRequest:
    """As many as there is room for, and at least one."""
    found = error_details_pb2.BadRequest()
    for violation in violations:
        told = error_details_pb2.BadRequest.FieldViolation(
            field=_clip(violation.field, VALUE_BYTES), description=_clip(violation.description, VALUE_BYTES)
        )
        room -= told.ByteSize() + 3
        if room < 0 and found.field_violations:
            break
        found.field_violations.append(told)
    return found


def _clip(text: str, limit_bytes: int) -> str:
    """At most so many bytes of UTF-8; what cannot be encoded becomes a question mark."""
    return text.encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")
