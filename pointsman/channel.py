"""Opens channels to the services of a mesh: one per target, opened at start and closed at the end.

Keepalive must be allowed on both sides, or the server answers `too_many_pings`; servers take the same pair of constants.
"""

from grpc import aio

KEEPALIVE_INTERVAL_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000
# Above the largest prompt that the router refuses with words, so that it is refused with words.
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024

SIZE_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
]

CHANNEL_OPTIONS: list[tuple[str, int]] = [
    *SIZE_OPTIONS,
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Retries belong to the router's budget alone.
    ("grpc.enable_retries", 0),
    # A restarted neighbour is found again within a second instead of two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


def open_channel(address: str) -> aio.Channel:
    """Opens a plaintext channel to `unix:/path` or `host:port`; encryption between hosts is the proxy's work."""
    return aio.insecure_channel(address, options=CHANNEL_OPTIONS)
