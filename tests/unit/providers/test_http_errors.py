"""Every foreign error has a place in our tree, whatever shape it comes in, and no key gets out with it."""

import errno
import ssl
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import http_exceptions

from pointsman import errors
from services.providers.http_error_body import parse_error_body, read_retry_after
from services.providers.http_errors import BY_EXCEPTION, FOREIGN, from_answer, from_exception

KEY = "sk-proj-0123456789abcdef"


def subclasses(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from subclasses(sub)


@pytest.mark.parametrize("cls", sorted(set(subclasses(aiohttp.ClientError)), key=repr))
def test_every_exception_of_aiohttp_is_mapped_by_itself(cls: type[BaseException]) -> None:
    if cls.__module__.startswith("aiohttp"):
        assert cls in BY_EXCEPTION, f"{cls.__name__} is new in aiohttp; give it a place"
    assert issubclass(cls, FOREIGN)


@pytest.mark.parametrize(
    "cls",
    sorted(
        {
            *subclasses(http_exceptions.HttpProcessingError),
            *subclasses(OSError),
            *subclasses(ssl.SSLError),
            TimeoutError,
        },
        key=repr,
    ),
)
def test_every_exception_of_the_system_and_of_the_parser_is_mapped_by_its_base(cls: type[BaseException]) -> None:
    assert issubclass(cls, FOREIGN)
    assert any(base in BY_EXCEPTION for base in cls.__mro__)


@pytest.mark.parametrize(
    ("error", "before", "during"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), errors.ProviderUnreachable, errors.StreamCut),
        (aiohttp.ServerDisconnectedError(), errors.ProviderUnreachable, errors.StreamCut),
        (aiohttp.ClientPayloadError("incomplete"), errors.StreamCut, errors.StreamCut),
        (aiohttp.ConnectionTimeoutError(), errors.ProviderUnreachable, errors.StreamCut),
        (TimeoutError(), errors.ProviderUnreachable, errors.StreamCut),
        (http_exceptions.TransferEncodingError("chunk"), errors.ProviderProtocol, errors.ProviderProtocol),
        (ssl.SSLCertVerificationError(1, "self-signed"), errors.ProviderUnreachable, errors.StreamCut),
    ],
)
def test_a_lost_connection_is_unreachable_before_an_answer_and_a_cut_during_one(
    error: BaseException, before: type[errors.PointsmanError], during: type[errors.PointsmanError]
) -> None:
    assert type(from_exception("api.test", error, answering=False)) is before
    assert type(from_exception("api.test", error, answering=True)) is during
    assert from_exception("api.test", error, answering=True).message.startswith("api.test: ")


ANSWERS = [
    (400, '{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}', "ContextTooLong"),
    (400, '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}',
     "ContextTooLong"),
    (400, '{"object":"error","message":"This model\'s maximum context length is 4096 tokens","type":"BadRequestError","code":400}',
     "ContextTooLong"),
    (413, '{"type":"error","error":{"type":"request_too_large","message":"too large"}}', "ContextTooLong"),
    (400, '{"error":{"message":"refused","code":"content_filter"}}', "ContentRefused"),
    (400, '{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature"}}', "InvalidRequest"),
    (400, '{"error":{"message":"\'temperature\' does not support 0.2","code":"unsupported_value","param":"temperature"}}',
     "NoCapableModel"),
    (400, '{"type":"error","error":{"type":"invalid_request_error","message":"`temperature` is deprecated for this model."}}',
     "NoCapableModel"),
    (400, '{"type":"error","error":{"type":"invalid_request_error","message":"This model does not support assistant prefill."}}',
     "NoCapableModel"),
    (422, '{"detail":[{"loc":["body","messages"],"msg":"field required"}]}', "InvalidRequest"),
    (401, '{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}', "ProviderCredentials"),
    (401, '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}', "ProviderCredentials"),
    (403, "<html><title>403 Forbidden</title></html>", "ProviderCredentials"),
    (402, '{"error":{"message":"Insufficient Balance","type":"unknown_error"}}', "ProviderCredentials"),
    (429, '{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}', "ProviderCredentials"),
    (404, '{"error":{"message":"no such model","code":"model_not_found"}}', "ProviderModelUnknown"),
    (404, '{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}', "ProviderModelUnknown"),
    (429, '{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}', "ProviderRateLimited"),
    (429, '[{"error":{"code":429,"message":"exhausted","status":"RESOURCE_EXHAUSTED"}}]', "ProviderRateLimited"),
    (529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "ProviderUnavailable"),
    (500, "", "ProviderUnavailable"),
    (502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", "ProviderUnavailable"),
    (301, "", "ProviderProtocol"),
    (None, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "ProviderUnavailable"),
    (None, '{"error":{"code":429,"message":"upstream rate limit"}}', "ProviderRateLimited"),
    (None, '{"error":{"message":"no","type":"invalid_request_error"}}', "InvalidRequest"),
    (None, '{"error":"it broke"}', "ProviderUnavailable"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
def test_what_an_api_answers_has_one_place_in_the_tree(status: int | None, body: str, expected: str) -> None:
    error = from_answer("api.test", status, parse_error_body(body.encode(), []))
    assert type(error).__name__ == expected
    assert error.message.startswith("api.test ")


def test_a_refused_request_carries_the_words_of_the_provider_and_the_callers_field() -> None:
    body = b'{"error":{"message":"Invalid temperature: 3","type":"invalid_request_error","param":"temperature"}}'
    error = from_answer("api.test", 400, parse_error_body(body, []))
    assert "Invalid temperature: 3" in error.message
    assert error.violations == (errors.FieldViolation("sampling.temperature", "Invalid temperature: 3"),)
    nested = b'{"error":{"message":"no tools","param":"tools[0].function"}}'
    assert from_answer("api.test", 400, parse_error_body(nested, [])).violations[0].field == "prompt.tools"
    quoted = (
        b'{"type":"error","error":{"type":"invalid_request_error","message":"`top_p` is deprecated for this model."}}'
    )
    assert from_answer("api.test", 400, parse_error_body(quoted, [])).violations[0].field == "sampling.top_p"


def test_a_page_of_a_gateway_is_told_by_its_title() -> None:
    page = b"<html><head>\n<title>502\n Bad Gateway</title></head><body>a lot of markup</body></html>"
    assert parse_error_body(page, []).message == "502 Bad Gateway"


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}. Find yours in your account.",
        "Incorrect API key provided: sk-proj-****************cdef. Find yours in your account.",
        "the header x-secret-header-value is wrong",
    ],
)
def test_no_secret_gets_out_with_an_error(said: str) -> None:
    body = parse_error_body(f'{{"error":{{"message":"{said}"}}}}'.encode(), [KEY, "x-secret-header-value"])
    assert "[secret]" in body.message
    assert not any(secret in body.message for secret in (KEY, "cdef", "x-secret-header-value"))


def test_a_long_message_is_cut() -> None:
    assert len(parse_error_body(b"x" * 50_000, []).message) <= 1_000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "20"}, 20.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "99999999"}, 86_400.0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"retry-after-ms": "x", "Retry-After": "1"}, 1.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 -0000"}, 30.0),
    ],
)
def test_the_time_to_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, wall_time_s=1_445_412_450.0) == seconds
