"""The one tree of errors, split by who can act. Domain code raises these; one interceptor maps them to a gRPC status.

PointsmanError
├── CallerError                    the caller changes the request
│   ├── InvalidRequest             INVALID_ARGUMENT, names each field and what was expected
│   ├── NoCapableModel             FAILED_PRECONDITION
│   ├── ContextTooLong             FAILED_PRECONDITION
│   ├── ContentRefused             FAILED_PRECONDITION
│   ├── SwitchNotAllowed           ABORTED
│   ├── RequestUnknown             NOT_FOUND, feedback for a request that nobody remembers
│   └── DeadlineExceeded           DEADLINE_EXCEEDED, the request's own time ran out
├── OperatorError                  whoever runs the mesh changes its configuration
│   ├── ProviderCredentials        INTERNAL
│   └── ProviderModelUnknown       NOT_FOUND
├── ProviderError                  another model may do better; time may heal it
│   ├── ProviderRateLimited        RESOURCE_EXHAUSTED, with a time to wait
│   ├── ProviderUnavailable        UNAVAILABLE
│   ├── ProviderUnreachable        UNAVAILABLE
│   ├── ProviderSilent             DEADLINE_EXCEEDED, no first token
│   ├── StreamStalled              DEADLINE_EXCEEDED
│   ├── StreamCut                  UNAVAILABLE
│   ├── ProviderProtocol           INTERNAL
│   └── AllCandidatesUnavailable   UNAVAILABLE, tells every attempt
└── MeshError                      us
    ├── Overloaded                 RESOURCE_EXHAUSTED, with a time to wait
    └── InternalError              INTERNAL
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

DOMAIN = "pointsman"


class Reason(StrEnum):
    """Names of pointsman.llm.v1.ErrorReason, as they travel in google.rpc.ErrorInfo.reason."""

    INVALID_REQUEST = "ERROR_REASON_INVALID_REQUEST"
    NO_CAPABLE_MODEL = "ERROR_REASON_NO_CAPABLE_MODEL"
    ALL_CANDIDATES_UNAVAILABLE = "ERROR_REASON_ALL_CANDIDATES_UNAVAILABLE"
    PROVIDER_RATE_LIMITED = "ERROR_REASON_PROVIDER_RATE_LIMITED"
    PROVIDER_UNAVAILABLE = "ERROR_REASON_PROVIDER_UNAVAILABLE"
    PROVIDER_UNREACHABLE = "ERROR_REASON_PROVIDER_UNREACHABLE"
    PROVIDER_SILENT = "ERROR_REASON_PROVIDER_SILENT"
    STREAM_STALLED = "ERROR_REASON_STREAM_STALLED"
    STREAM_CUT = "ERROR_REASON_STREAM_CUT"
    PROVIDER_PROTOCOL = "ERROR_REASON_PROVIDER_PROTOCOL"
    PROVIDER_CREDENTIALS = "ERROR_REASON_PROVIDER_CREDENTIALS"
    CONTEXT_TOO_LONG = "ERROR_REASON_CONTEXT_TOO_LONG"
    CONTENT_REFUSED = "ERROR_REASON_CONTENT_REFUSED"
    OVERLOADED = "ERROR_REASON_OVERLOADED"
    SWITCH_NOT_ALLOWED = "ERROR_REASON_SWITCH_NOT_ALLOWED"
    DEADLINE_EXCEEDED = "ERROR_REASON_DEADLINE_EXCEEDED"
    PROVIDER_MODEL_UNKNOWN = "ERROR_REASON_PROVIDER_MODEL_UNKNOWN"
    INTERNAL = "ERROR_REASON_INTERNAL"
    REQUEST_UNKNOWN = "ERROR_REASON_REQUEST_UNKNOWN"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong: its path (`sampling.top_p`) and what was expected."""

    field: str
    description: str


class PointsmanError(Exception):
    """What every failure of the mesh is; `reason` and `code` (a gRPC status name) are fixed by its class.

    `retry_after_s` is how long to wait before the same call makes sense, `metadata` short facts for machines.
    """

    reason: ClassVar[Reason]
    code: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)


class CallerError(PointsmanError):
    """The caller can mend this by changing the request."""


class InvalidRequest(CallerError):
    """Fields of the request are wrong; `violations` names each with what was expected."""

    reason = Reason.INVALID_REQUEST
    code = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, field: str, description: str) -> "InvalidRequest":
        """Builds the error for one field."""
        return cls(f"{field}: {description}", violations=(FieldViolation(field, description),))


class NoCapableModel(CallerError):
    """No configured model can do what the request needs."""

    reason = Reason.NO_CAPABLE_MODEL
    code = "FAILED_PRECONDITION"


class ContextTooLong(CallerError):
    """The provider's own limit was too small for the prompt."""

    reason = Reason.CONTEXT_TOO_LONG
    code = "FAILED_PRECONDITION"


class ContentRefused(CallerError):
    """A provider's safety system refused the prompt."""

    reason = Reason.CONTENT_REFUSED
    code = "FAILED_PRECONDITION"


class RequestUnknown(CallerError):
    """No request of that id is known, or not any more; feedback for it has nothing to say about."""

    reason = Reason.REQUEST_UNKNOWN
    code = "NOT_FOUND"


class SwitchNotAllowed(CallerError):
    """Text was delivered, the model failed, and the request forbids going on elsewhere."""

    reason = Reason.SWITCH_NOT_ALLOWED
    code = "ABORTED"


class DeadlineExceeded(CallerError):
    """The request's own time ran out."""

    reason = Reason.DEADLINE_EXCEEDED
    code = "DEADLINE_EXCEEDED"


class OperatorError(PointsmanError):
    """Whoever runs the mesh can mend this in its configuration."""


class ProviderCredentials(OperatorError):
    """The provider refused our credentials, or none are set."""

    reason = Reason.PROVIDER_CREDENTIALS
    code = "INTERNAL"


class ProviderModelUnknown(OperatorError):
    """The provider does not have the configured model."""

    reason = Reason.PROVIDER_MODEL_UNKNOWN
    code = "NOT_FOUND"


class ProviderError(PointsmanError):
    """The provider failed; another model may do better."""


class ProviderRateLimited(ProviderError):
    """The provider asks us to slow down; `retry_after_s` where it said for how long."""

    reason = Reason.PROVIDER_RATE_LIMITED
    code = "RESOURCE_EXHAUSTED"


class ProviderUnavailable(ProviderError):
    """The provider says that it is overloaded or broken."""

    reason = Reason.PROVIDER_UNAVAILABLE
    code = "UNAVAILABLE"


class ProviderUnreachable(ProviderError):
    """Refused, reset or unresolvable."""

    reason = Reason.PROVIDER_UNREACHABLE
    code = "UNAVAILABLE"


class ProviderSilent(ProviderError):
    """No first token within the limit."""

    reason = Reason.PROVIDER_SILENT
    code = "DEADLINE_EXCEEDED"


class StreamStalled(ProviderError):
    """The stream stopped moving."""

    reason = Reason.STREAM_STALLED
    code = "DEADLINE_EXCEEDED"


class StreamCut(ProviderError):
    """The stream ended before it finished."""

    reason = Reason.STREAM_CUT
    code = "UNAVAILABLE"


class ProviderProtocol(ProviderError):
    """The provider broke its own wire format."""

    reason = Reason.PROVIDER_PROTOCOL
    code = "INTERNAL"


class AllCandidatesUnavailable(ProviderError):
    """Every candidate failed or is down; `metadata` holds `attempt_N: provider/model: reason: words`."""

    reason = Reason.ALL_CANDIDATES_UNAVAILABLE
    code = "UNAVAILABLE"


class MeshError(PointsmanError):
    """Our own trouble."""


class Overloaded(MeshError):
    """This process sheds load; `retry_after_s` says when to come back."""

    reason = Reason.OVERLOADED
    code = "RESOURCE_EXHAUSTED"


class InternalError(MeshError):
    """A defect of this mesh; the log of the service that raised it holds the details."""

    reason = Reason.INTERNAL
    code = "INTERNAL"


def _leaves(cls: type[PointsmanError]) -> list[type[PointsmanError]]:
    below = cls.__subclasses__()
    return [leaf for sub in below for leaf in _leaves(sub)] if below else [cls]


BY_REASON: Mapping[str, type[PointsmanError]] = {leaf.reason.value: leaf for leaf in _leaves(PointsmanError)}
