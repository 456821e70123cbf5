"""The one table from what HTTP, aiohttp and the APIs say to the tree in pointsman/errors.py.

An error's own name (`error.code`, then `error.type`) is worth more than the HTTP status, since several APIs answer 400 to nearly
everything; a few words of the message are worth a look where an API names the one thing we must know nowhere else.

Sources: OpenAI, "Error codes"; Anthropic, "Errors"; vLLM, DeepSeek, OpenRouter and llama.cpp for names of their own.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import client_exceptions, http_exceptions

from pointsman import errors
from pointsman.errors import FieldViolation, PointsmanError
from services.providers.http_error_body import ErrorBody, redact

BY_NAME: Mapping[str, type[PointsmanError]] = {
    "context_length_exceeded": errors.ContextTooLong,
    "exceed_context_size_error": errors.ContextTooLong,
    "string_above_max_length": errors.ContextTooLong,
    "request_too_large": errors.ContextTooLong,
    "content_filter": errors.ContentRefused,
    "content_policy_violation": errors.ContentRefused,
    "invalid_prompt": errors.ContentRefused,
    "invalid_api_key": errors.ProviderCredentials,
    "authentication_error": errors.ProviderCredentials,
    "permission_error": errors.ProviderCredentials,
    "account_deactivated": errors.ProviderCredentials,
    # Waiting does not help against an empty account: whoever runs the mesh must act.
    "insufficient_quota": errors.ProviderCredentials,
    "billing_error": errors.ProviderCredentials,
    "billing_hard_limit_reached": errors.ProviderCredentials,
    "billing_not_active": errors.ProviderCredentials,
    # What this model does not take, another may.
    "unsupported_parameter": errors.NoCapableModel,
    "unsupported_value": errors.NoCapableModel,
    "model_not_found": errors.ProviderModelUnknown,
    "not_found_error": errors.ProviderModelUnknown,
    "rate_limit_exceeded": errors.ProviderRateLimited,
    "rate_limit_error": errors.ProviderRateLimited,
    "overloaded_error": errors.ProviderUnavailable,
    "api_error": errors.ProviderUnavailable,
    "server_error": errors.ProviderUnavailable,
    "timeout_error": errors.ProviderUnavailable,
}

BY_WORDS: tuple[tuple[re.Pattern[str], type[PointsmanError]], ...] = (
    # Anthropic and vLLM say this with the type of any bad request.
    (re.compile(r"prompt is too long|maximum context length|exceeds? .{0,40}context", re.IGNORECASE), errors.ContextTooLong),
    (re.compile(r"content (management )?policy|content filtering policy", re.IGNORECASE), errors.ContentRefused),
    (re.compile(r"does not support|(deprecated|not supported) (for|by|with|on) this model", re.IGNORECASE), errors.NoCapableModel),
)  # fmt: skip

BY_STATUS: Mapping[int, type[PointsmanError]] = {
    401: errors.ProviderCredentials,
    402: errors.ProviderCredentials,
    403: errors.ProviderCredentials,
    404: errors.ProviderModelUnknown,
    405: errors.ProviderProtocol,
    406: errors.ProviderProtocol,
    408: errors.ProviderUnavailable,
    409: errors.ProviderUnavailable,
    410: errors.ProviderModelUnknown,
    413: errors.ContextTooLong,
    415: errors.ProviderProtocol,
    425: errors.ProviderUnavailable,
    429: errors.ProviderRateLimited,
    499: errors.ProviderUnavailable,
}
BY_STATUS_CLASS: Mapping[int, type[PointsmanError]] = {
    # Redirects are not followed: they would carry the key and the prompt to a place that nobody configured.
    3: errors.ProviderProtocol,
    4: errors.InvalidRequest,
    5: errors.ProviderUnavailable,
}

# Every exception of aiohttp, exactly; what is a subclass of one of these in a later version is found by its base.
BY_EXCEPTION: Mapping[type[BaseException], type[PointsmanError]] = {
    aiohttp.ClientError: errors.ProviderUnreachable,
    aiohttp.ClientConnectionError: errors.ProviderUnreachable,
    aiohttp.ClientConnectionResetError: errors.ProviderUnreachable,
    aiohttp.ClientOSError: errors.ProviderUnreachable,
    aiohttp.ClientConnectorError: errors.ProviderUnreachable,
    aiohttp.ClientConnectorDNSError: errors.ProviderUnreachable,
    aiohttp.ClientProxyConnectionError: errors.ProviderUnreachable,
    aiohttp.ClientSSLError: errors.ProviderUnreachable,
    aiohttp.ClientConnectorSSLError: errors.ProviderUnreachable,
    aiohttp.ClientConnectorCertificateError: errors.ProviderUnreachable,
    client_exceptions.UnixClientConnectorError: errors.ProviderUnreachable,
    aiohttp.ServerFingerprintMismatch: errors.ProviderUnreachable,
    aiohttp.ServerConnectionError: errors.ProviderUnreachable,
    aiohttp.ServerDisconnectedError: errors.ProviderUnreachable,
    aiohttp.ServerTimeoutError: errors.ProviderUnreachable,
    aiohttp.ConnectionTimeoutError: errors.ProviderUnreachable,
    aiohttp.SocketTimeoutError: errors.ProviderUnreachable,
    aiohttp.ClientHttpProxyError: errors.ProviderUnreachable,
    aiohttp.ClientPayloadError: errors.StreamCut,
    client_exceptions.UploadAbortedError: errors.ProviderUnreachable,
    aiohttp.ClientResponseError: errors.ProviderProtocol,
    aiohttp.ContentTypeError: errors.ProviderProtocol,
    aiohttp.TooManyRedirects: errors.ProviderProtocol,
    aiohttp.WSServerHandshakeError: errors.ProviderProtocol,
    aiohttp.InvalidURL: errors.ProviderProtocol,
    aiohttp.InvalidUrlClientError: errors.ProviderProtocol,
    aiohttp.InvalidUrlRedirectClientError: errors.ProviderProtocol,
    aiohttp.NonHttpUrlClientError: errors.ProviderProtocol,
    aiohttp.NonHttpUrlRedirectClientError: errors.ProviderProtocol,
    aiohttp.RedirectClientError: errors.ProviderProtocol,
    http_exceptions.HttpProcessingError: errors.ProviderProtocol,
    http_exceptions.PayloadEncodingError: errors.ProviderProtocol,
    TimeoutError: errors.ProviderUnreachable,
    asyncio.IncompleteReadError: errors.StreamCut,
    ssl.SSLError: errors.ProviderUnreachable,
    OSError: errors.ProviderUnreachable,
}
FOREIGN = (aiohttp.ClientError, http_exceptions.HttpProcessingError, OSError, EOFError)

# The caller's field for an API's parameter, so that the caller learns which of its own to change.
FIELDS: Mapping[str, str] = {
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "seed": "sampling.seed",
    "stop": "sampling.stop",
    "max_tokens": "sampling.max_output_tokens",
    "max_completion_tokens": "sampling.max_output_tokens",
    "reasoning_effort": "sampling.reasoning_effort",
    "response_format": "prompt.output_format",
    "tool_choice": "prompt.tool_choice",
    "tools": "prompt.tools",
    "messages": "prompt.turns",
}
QUOTED = re.compile(r"[`'\"](\w+)[`'\"]")


def from_answer(
    provider: str, status: int | None, body: ErrorBody, retry_after_s: float | None = None
) -> PointsmanError:
    """Builds the error of an answer that is one; `status` is None where it came in the middle of a stream."""
    error = _classify(status, body)
    said = body.message or (f"HTTP {status}" if status else "an error without words")
    refused = error in (errors.InvalidRequest, errors.NoCapableModel)
    violations = (FieldViolation(field, said),) if refused and (field := _field(body)) else ()
    return error(
        f"{provider} {'refused the request' if refused else 'says'}: {said}",
        retry_after_s=retry_after_s,
        metadata={"http_status": str(status)} if status else {},
        violations=violations,
    )


def from_exception(provider: str, error: BaseException, answering: bool) -> PointsmanError:
    """Builds the error of one of FOREIGN; `answering` where the answer had begun, so that its loss is a cut."""
    mapped = next((BY_EXCEPTION[cls] for cls in type(error).__mro__ if cls in BY_EXCEPTION), errors.ProviderProtocol)
    if answering and mapped is errors.ProviderUnreachable:
        mapped = errors.StreamCut
    # aiohttp puts the URL and the reason into its words, never headers or the body; a URL may hold a key.
    words = redact(str(error), ()) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)
    return mapped(f"{provider}: {words}", metadata={"exception": type(error).__name__})


def _field(body: ErrorBody) -> str:
    """The caller's field that the API blames, by its `param` or by a word that it quotes; empty where it blames none."""
    if body.param:
        return FIELDS.get(re.split(r"[.\[]", body.param)[0], body.param)
    return next((FIELDS[word] for word in QUOTED.findall(body.message) if word in FIELDS), "")


def _classify(status: int | None, body: ErrorBody) -> type[PointsmanError]:
    for name in (body.code, body.type):
        if name.lower() in BY_NAME:
            return BY_NAME[name.lower()]
    if status is None and body.code.isdecimal():
        status = int(body.code)
    if status is None:
        status = 400 if "invalid_request" in body.type else 500
    if status == 400:
        for words, error in BY_WORDS:
            if words.search(body.message):
                return error
    return BY_STATUS.get(status) or BY_STATUS_CLASS.get(status // 100, errors.ProviderProtocol)
