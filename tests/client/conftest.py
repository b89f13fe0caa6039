"""A real HTTP server that answers JSON-RPC as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = Callable[[dict[str, Any]], object]
Serving = Callable[..., AbstractContextManager[tuple[str, list[dict[str, Any]]]]]


@pytest.fixture
def serving() -> Serving:
    """``serving(*answers)`` is a context: the server's address, and the list of what it was asked."""
    return _serving


@contextmanager
def _serving(*answers: Answer) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that gives ``answers`` in turn (JSON, bytes, None to hang up) and keeps what it was asked."""
    asked: list[dict[str, Any]] = []
    turn = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({**body, "token": self.headers["Authorization"], "path": self.path})
            answer = next(turn)(body)
            if answer is None:
                self.close_connection = True
                return
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
