"""Reads what an API says about an error, in any of the shapes in use, without letting a secret through."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from pydantic_core import from_json

MAX_MESSAGE_CHARACTERS = 1_000
# Longer waits are mistakes; a day is the longest limit that providers count by.
MAX_RETRY_AFTER_S = 86_400.0
# APIs quote the key they refuse, whole or with stars in it.
KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|key|xai|gsk|AIza)[-_][\w*.-]{6,}")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an API says: its words, its names for the error, and the parameter it blames. Empty where it says nothing."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""


def parse_error_body(raw: bytes, secrets: Sequence[str]) -> ErrorBody:
    """Reads a body, JSON or not; never fails."""
    text = raw.decode(errors="replace")
    try:
        value = from_json(text)
    except ValueError:
        # A gateway's page: its title says enough, its markup nothing.
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return ErrorBody(redact(" ".join((title[1] if title else text).split()), secrets))
    return read_error(value, secrets)


def read_error(value: object, secrets: Sequence[str]) -> ErrorBody:
    """Reads parsed JSON: `{"error": {...}}`, the same in an array (Google), flat (vLLM) or `{"detail": ...}` (FastAPI)."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return ErrorBody(redact(str(value), secrets))
    inner = value.get("error")
    if isinstance(inner, str):
        return ErrorBody(redact(inner, secrets))
    error = inner if isinstance(inner, dict) else value
    message = error.get("message") or error.get("detail") or error.get("msg") or ""
    return ErrorBody(
        message=redact(message if isinstance(message, str) else str(message), secrets),
        code=_name(error.get("code")),
        type=_name(error.get("type")),
        param=_name(error.get("param")),
    )


def redact(text: str, secrets: Sequence[str]) -> str:
    """Cuts `text` to a bearable length and takes every secret out of it, and all that looks like one."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return KEY_LIKE.sub("[secret]", text)[:MAX_MESSAGE_CHARACTERS]


def read_retry_after(headers: Mapping[str, str], wall_time_s: float) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (seconds or an HTTP date); None where unsaid or senseless."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return min(milliseconds / 1_000, MAX_RETRY_AFTER_S)
    value = headers.get("Retry-After")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return min(seconds, MAX_RETRY_AFTER_S)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    # The obsolete "-0000" zone gives a date without one; HTTP dates are in GMT.
    at_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return min(max(0.0, at_s - wall_time_s), MAX_RETRY_AFTER_S)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else -1.0
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _name(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
