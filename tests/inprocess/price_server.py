"""An HTTP server of prices on the loopback interface, whose answers are the test's to set."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class PriceServer:
    """What it answers next, and what it was asked: the status of each answer."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    answered: list[int] = field(default_factory=list)


@contextmanager
def serving_prices() -> Iterator[PriceServer]:
    """Serves until the end of the block. An `ETag` among the headers is honoured."""
    told = PriceServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            etag = told.headers.get("ETag")
            status = 304 if etag and self.headers.get("If-None-Match") == etag else told.status
            self.send_response(status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if status != 304:
                self.wfile.write(told.body)
            told.answered.append(status)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}/prices"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
