"""Where prices that move are read from: a file and a URL. Both block, for a bounded time: for worker threads."""

import http.client
import time
from pathlib import Path
from typing import Protocol
from urllib import error, request
from urllib.parse import urlsplit

from pointsman.config.price_file import MOST_BYTES
from services.router.settled import read_settled

# For one answer of a URL, from connecting to its last byte.
URL_LIMIT_S = 4.0
CHUNK_BYTES = 64 * 1024


class Unreadable(Exception):
    """The source said nothing; the message says why."""


class Source(Protocol):
    """One place that tells prices; `name` is for people."""

    @property
    def name(self) -> str: ...

    def read(self, known: bytes | None) -> bytes | None:
        """The content, None where it is still `known`; more than MOST_BYTES where it is too large. Raises Unreadable."""
        ...


class FileSource:
    """A file, read whole each time: only so is a change seen for sure."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def read(self, known: bytes | None) -> bytes | None:
        """See Source."""
        try:
            return read_settled(self.path, known, MOST_BYTES)
        except OSError as problem:
            raise Unreadable(f"{self.name}: expected a readable file: {problem.strerror}") from problem


class UrlSource:
    """A URL, asked with the ETag of its last answer, so that it may say that nothing changed."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        # Without user, password and query, which may be secrets.
        self.name = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self._etag = ""
        self._opener = _http_alone()

    def read(self, known: bytes | None) -> bytes | None:
        """See Source."""
        headers = {"Accept": "application/json, application/yaml", "User-Agent": "pointsman"}
        if self._etag and known is not None:
            headers["If-None-Match"] = self._etag
        until_s = time.monotonic() + URL_LIMIT_S
        # The scheme is http or https by the configuration's own check, and the opener knows no other.
        asked = request.Request(self.url, headers=headers)  # noqa: S310
        try:
            with self._opener.open(asked, timeout=URL_LIMIT_S) as answer:
                content = self._body(answer, until_s)
                self._etag = answer.headers.get("ETag", "")
        except error.HTTPError as problem:
            problem.close()
            if problem.code == http.client.NOT_MODIFIED and known is not None:
                return None
            raise Unreadable(f"{self.name}: expected status 200, found {problem.code}") from problem
        # A URLError is an OSError too; http.client has its own for answers that are no HTTP.
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unreadable(f"{self.name}: expected an answer: {getattr(problem, 'reason', problem)}") from problem
        return None if content == known else content

    def _body(self, answer: http.client.HTTPResponse, until_s: float) -> bytes:
        content = bytearray()
        while len(content) <= MOST_BYTES:
            if time.monotonic() > until_s:
                raise TimeoutError(f"it took longer than {URL_LIMIT_S:g} s")
            chunk = answer.read1(CHUNK_BYTES)
            if not chunk:
                break
            content += chunk
        return bytes(content)


def _http_alone() -> request.OpenerDirector:
    """Redirects are followed, but to nothing other than HTTP; no proxy of the environment."""
    opener = request.OpenerDirector()
    for handler in (
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
