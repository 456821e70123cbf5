"""Every status and the words of real servers have their place in the table."""

import inspect

import pytest
import tritonclient.grpc
import tritonclient.utils
from grpc import StatusCode
from tritonclient.utils import InferenceServerException

from pointsman import errors
from services.providers.triton_errors import BY_CODE, map_error


def test_every_status_of_grpc_is_mapped() -> None:
    assert set(BY_CODE) == set(StatusCode)


def test_the_client_library_raises_nothing_that_the_table_does_not_know() -> None:
    found = {
        value
        for module in (tritonclient.utils, tritonclient.grpc)
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, BaseException)
    }
    assert all(issubclass(error, InferenceServerException) for error in found)
    assert found


@pytest.mark.parametrize("code", list(StatusCode))
def test_each_status_becomes_an_error_of_ours(code: StatusCode) -> None:
    assert isinstance(map_error(InferenceServerException("words", status=str(code))), errors.PointsmanError)


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("Request for unknown model: 'm' is not found", None, errors.ProviderModelUnknown),
        ("Request for unknown model: 'm' has no available versions", None, errors.ProviderUnavailable),
        ("Request for unknown model: 'm' is not at ready state", None, errors.ProviderUnavailable),
        ("Exceeds maximum queue size", StatusCode.UNAVAILABLE, errors.ProviderRateLimited),
        ("unexpected inference input 'foo' for model 'm'", None, errors.ProviderProtocol),
        (
            "Error generating stream: The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
            StatusCode.INTERNAL,
            errors.ContextTooLong,
        ),
        ("Prompt length (5000) exceeds maximum input length (4096)", StatusCode.INTERNAL, errors.ContextTooLong),
        ("sampling_parameters.top_p: expected a number", StatusCode.INVALID_ARGUMENT, errors.InvalidRequest),
        ("failed to connect to all addresses", StatusCode.UNAVAILABLE, errors.ProviderUnreachable),
        ("Model is unavailable due to unhealthy vLLM engine", StatusCode.UNAVAILABLE, errors.ProviderUnavailable),
        ("Received http2 header with status: 401", StatusCode.UNAUTHENTICATED, errors.ProviderCredentials),
    ],
)
def test_what_servers_say_finds_its_error(words: str, status: StatusCode | None, expected: type[Exception]) -> None:
    said = InferenceServerException(words, status=None if status is None else str(status))
    assert type(map_error(said)) is expected


def test_a_lost_connection_is_a_cut_stream_once_text_was_delivered() -> None:
    lost = InferenceServerException("Socket closed", status=str(StatusCode.UNAVAILABLE))
    assert type(map_error(lost)) is errors.ProviderUnreachable
    assert type(map_error(lost, text_delivered=True)) is errors.StreamCut
