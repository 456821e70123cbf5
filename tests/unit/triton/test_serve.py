"""What the starter of Triton decides before and after it runs the server."""

import socket
from pathlib import Path

import pytest

from deploy.triton import serve


def test_a_free_port_is_found_and_a_taken_one_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.reserve_port("127.0.0.1", 0) != port
        with pytest.raises(
            serve.ServeError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"
        ) as error:
            serve.reserve_port("127.0.0.1", port)
    assert error.value.exit_code == 3


def test_keys_do_not_reach_the_server() -> None:
    distribution = serve.Distribution(Path("/s"), Path("/b"), Path("/t"), Path("/libs"))
    inherited = {
        "OPENAI_API_KEY": "secret",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "PATH": "/bin",
        "LD_LIBRARY_PATH": "/mine",
    }
    environment = serve.environment(distribution, Path("/python/lib"), inherited)
    assert "OPENAI_API_KEY" not in environment
    assert environment["HOME"] == "/home/me"
    assert environment["LD_LIBRARY_PATH"] == "/python/lib:/libs:/mine"
    assert environment["PATH"].endswith("/bin:/bin")


def test_doors_that_nobody_asked_for_stay_shut() -> None:
    arguments = serve.arguments_for(Path("/r"), Path("/b"), "127.0.0.1", serve.Ports(9001, None, None), 3, "p-")
    assert {"--grpc-address=127.0.0.1", "--grpc-port=9001", "--allow-http=false", "--allow-metrics=false"} <= set(
        arguments
    )
    arguments = serve.arguments_for(Path("/r"), Path("/b"), "127.0.0.1", serve.Ports(9001, 9000, 9002), 3, "p-")
    assert {"--http-address=127.0.0.1", "--http-port=9000", "--metrics-address=127.0.0.1"} <= set(arguments)


@pytest.mark.parametrize(
    ("lines", "exit_code", "words"),
    [
        (
            ["E1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: no\""],
            4,
            "model m failed to load: Internal: no",
        ),
        (
            ["E1 main.cc:1] failed to start GRPC service: Unavailable - Socket '127.0.0.1:1' already in use"],
            3,
            "already in use",
        ),
        (["something odd"], 5, "something odd"),
        ([], 5, "ended before it was ready"),
    ],
)
def test_the_servers_last_words_become_a_reason(lines: list[str], exit_code: int, words: str) -> None:
    error = serve.failure_in(lines)
    assert error.exit_code == exit_code
    assert words in str(error)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("W1124 08:19:06 model.cc:1] careful", True),
        ("a model printed this", True),
        ("I1124 08:19:06 server.cc:1] note", False),
        ("| tiny-chat | 1 | READY |", False),
        ("", False),
        ('E1124 08:32:03 server.cc:241] "CudaDriverHelper has not been initialized."', False),
    ],
)
def test_only_what_matters_is_shown(line: str, shown: bool) -> None:
    assert serve.is_worth_showing(line) is shown
