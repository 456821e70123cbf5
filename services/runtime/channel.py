"""What a server allows its channels; channels themselves are opened by `pointsman.channel`, as a client opens them."""

from pointsman.channel import (
    CHANNEL_OPTIONS,
    KEEPALIVE_INTERVAL_MS,
    KEEPALIVE_TIMEOUT_MS,
    MESSAGE_LIMIT_BYTES,
    SIZE_OPTIONS,
    open_channel,
)

__all__ = ["CHANNEL_OPTIONS", "MESSAGE_LIMIT_BYTES", "SERVER_OPTIONS", "open_channel", "undecodable"]

SERVER_OPTIONS: list[tuple[str, int]] = [
    *SIZE_OPTIONS,
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_INTERVAL_MS // 2),
    # With port reuse a second process would take half of the first one's calls instead of failing.
    ("grpc.so_reuseport", 0),
]


def undecodable(message: object) -> bool:
    """Whether a received message is none: gRPC logs bytes that it cannot decode and hands on None, whatever the types say."""
    return message is None
