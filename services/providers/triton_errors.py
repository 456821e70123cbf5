"""One table from what Triton, its client and gRPC say to the project's errors."""

import re
from collections.abc import Callable

from grpc import StatusCode
from grpc.aio import AioRpcError
from tritonclient.utils import InferenceServerException

from pointsman.errors import (
    ContextTooLong,
    InvalidRequest,
    PointsmanError,
    ProviderCredentials,
    ProviderModelUnknown,
    ProviderProtocol,
    ProviderRateLimited,
    ProviderSilent,
    ProviderUnavailable,
    ProviderUnreachable,
    StreamCut,
)


def _sampling_refused(message: str) -> PointsmanError:
    return InvalidRequest.of("sampling", f"the model refused it: {message}")


Build = Callable[[str], PointsmanError]

# Words come before codes: errors inside a stream come without one, and backends report nearly everything as INTERNAL.
BY_WORDS: tuple[tuple[re.Pattern[str], Build], ...] = tuple(
    (re.compile(words, re.IGNORECASE), build)
    for words, build in (
        (r"maximum (model|context|input|sequence) length|max_(model|seq|input)_len|exceeds? max_?(input|seq)", ContextTooLong),
        (r"not at ready state|has no available versions|is unhealthy|being unloaded|unavailable due to", ProviderUnavailable),
        (r"unknown model|model .*is not found|failed to find model", ProviderModelUnknown),
        (r"exceeds maximum queue size", ProviderRateLimited),
        (r"unexpected inference input|unexpected shape|unexpected datatype|inference input .* is not", ProviderProtocol),
        (r"failed to connect|name resolution|dns resolution|domain name", ProviderUnreachable),
        (r"socket closed|connection (reset|closed)|goaway|transport closed|end of tcp stream|broken pipe", StreamCut),
        (r"sampling_?param|temperature|top_p|top_k|max_tokens", _sampling_refused),
    )
)  # fmt: skip

BY_CODE: dict[StatusCode, Build] = {
    StatusCode.OK: StreamCut,
    StatusCode.CANCELLED: StreamCut,
    StatusCode.UNKNOWN: ProviderUnavailable,
    # The request's fields were checked before; what is left is a model that wants other tensors than configured.
    StatusCode.INVALID_ARGUMENT: ProviderProtocol,
    StatusCode.DEADLINE_EXCEEDED: ProviderSilent,
    StatusCode.NOT_FOUND: ProviderModelUnknown,
    StatusCode.ALREADY_EXISTS: ProviderProtocol,
    StatusCode.PERMISSION_DENIED: ProviderCredentials,
    StatusCode.RESOURCE_EXHAUSTED: ProviderRateLimited,
    StatusCode.FAILED_PRECONDITION: ProviderUnavailable,
    StatusCode.ABORTED: ProviderUnavailable,
    StatusCode.OUT_OF_RANGE: ProviderProtocol,
    StatusCode.UNIMPLEMENTED: ProviderProtocol,
    StatusCode.INTERNAL: ProviderUnavailable,
    StatusCode.UNAVAILABLE: ProviderUnavailable,
    StatusCode.DATA_LOSS: ProviderProtocol,
    StatusCode.UNAUTHENTICATED: ProviderCredentials,
}
_CODE_BY_NAME = {str(code): code for code in StatusCode}


def map_error(error: AioRpcError | InferenceServerException, *, text_delivered: bool = False) -> PointsmanError:
    """The project's error for a foreign one; once text was delivered, a lost connection is a cut stream."""
    if isinstance(error, AioRpcError):
        code, words = error.code(), error.details() or ""
    else:
        code, words = _CODE_BY_NAME.get(error.status() or "", StatusCode.UNKNOWN), error.message() or ""
    build = next((build for pattern, build in BY_WORDS if pattern.search(words)), None) or BY_CODE[code]
    if build is StreamCut and not text_delivered:
        build = ProviderUnreachable
    elif build is ProviderUnreachable and text_delivered:
        build = StreamCut
    return build(f"Triton said {code.name}: {words[:300]}")
