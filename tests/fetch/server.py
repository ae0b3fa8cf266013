"""A web server on this machine that keeps, breaks and changes files as a test wants it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """files: path -> content. requests: (path, Range header or "") of every request, in order.

    cut: after how many bytes of a body the next answers, one number each, break off. ranges: whether Range is
    understood. tag: the ETag; "" sends none. failures: status codes to answer the next requests with.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.cut: list[int] = []
        self.failures: list[int] = []
        self.ranges = True
        self.tag = '"one"'
        self.url = ""


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server while in the `with` block."""
    server = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            server.requests.append((self.path, wanted))
            if server.failures:
                self.send_error(server.failures.pop(0))
            elif self.path not in server.files:
                self.send_error(404)
            else:
                same = self.headers.get("If-Range") == server.tag
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and same and server.ranges else 0
                self.send(server.files[self.path], start)

        def send(self, content: bytes, start: int) -> None:
            if start >= len(content):
                self.answer(416, f"bytes */{len(content)}", b"")
            elif start:
                self.answer(206, f"bytes {start}-{len(content) - 1}/{len(content)}", content[start:])
            else:
                self.answer(200, "", content)

        def answer(self, status: int, content_range: str, body: bytes) -> None:
            self.send_response(status)
            headers = {"Content-Range": content_range, "ETag": server.tag, "Content-Length": str(len(body))}
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: server.cut.pop(0)] if server.cut else body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
