"""JSON-RPC 2.0 over ``POST /rpc``: one call at a time on a connection that is kept open.

What belongs here: bytes to HTTP and back, and errors into exceptions. Which methods there are is known
to ``client`` alone. Synchronous and on the standard library: the ``antiphon`` command starts in the time
that a larger HTTP client takes to import.

Source: spec, part *JSON-RPC*.
"""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from antiphon_client.errors import ClientError, NotAntiphon, NotSignedIn, RpcError, ServerUnreachable

T = TypeVar("T")

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""A call that asks the server to wait gets this on top."""

ANSWER_BYTES = 256 * 2**20
"""The longest answer that is read: a page of a feed may carry many pictures, but memory has an end."""

PART_BYTES = 512 * 1024
"""Of a file, read or written at a time."""

_ERROR_NAMES = {
    -32700: "ParseError",
    -32600: "InvalidRequest",
    -32601: "MethodNotFound",
    -32602: "InvalidParams",
    -32603: "InternalError",
}
"""Names for the codes of JSON-RPC itself, should a server leave ``data.name`` out."""


class _ErrorBody(msgspec.Struct):
    code: int
    message: str
    data: Any = None


class _Sentence(msgspec.Struct):
    error: str


class _Answer(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _ErrorBody | None = None


class Rpc:
    """A connection to one server. Not for use by two threads at once.

    Args:
        url: the server's address, such as ``http://127.0.0.1:8750``.
        token: sent as bearer token; empty for the few methods that need none.

    Raises:
        ClientError: ``url`` is not an ``http`` or ``https`` address.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClientError(f"{url!r} is not the address of a server. It looks like http://127.0.0.1:8750")
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/") + "/rpc"
        self._token = token
        self._ids = itertools.count(1)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connect = partial(kind, parts.hostname, parts.port, timeout=CONNECT_SECONDS)
        self._connection: http.client.HTTPConnection = self._connect()

    def __enter__(self) -> Rpc:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. A later call opens another."""
        self._connection.close()
        # A closed one still holds the headers of a request that was interrupted while it was put
        # together, and would send them before those of the next.
        self._connection = self._connect()

    def call(
        self,
        method: str,
        params: dict[str, Any],
        result: type[T],
        *,
        repeatable: bool = False,
        wait: float = 0.0,
    ) -> T:
        """Call ``method`` and return its result as a ``result``.

        Args:
            repeatable: the server does the same when it is asked twice, so a connection that broke
                while it was idle is opened again and the request sent once more. Otherwise it is
                not: nobody knows whether the first one arrived.
            wait: seconds for which the server was asked to hold the answer back.

        Raises:
            RpcError: the server refused; ``NotSignedIn`` when it did not accept the token.
            ServerUnreachable: no connection, no answer in time, or it broke.
            NotAntiphon: the answer is not JSON-RPC, or not of the promised shape.
        """
        id = next(self._ids)
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        kept = self._connection.sock is not None
        try:
            answer = self._post(body, wait)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            self.close()
            if not (kept and repeatable):
                raise self._unreachable(error) from error
            answer = self._post_again(body, wait)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error
        except BaseException:
            # Ctrl-C between request and answer: the next call must not read this call's answer.
            self.close()
            raise
        return self._result(method, id, answer, result)

    def get(self, path: str) -> bytes:
        """What the server has at a path of its own.

        Raises:
            ServerUnreachable: no connection, no answer in time, or it broke.
            NotAntiphon: it has nothing there for this token, or more than can be read.
        """
        try:
            try:
                status, body = self._send("GET", path, None, 0.0)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()  # it may have been idle for too long
                status, body = self._send("GET", path, None, 0.0)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error
        except BaseException:
            self.close()
            raise
        if status != http.HTTPStatus.OK:
            raise NotAntiphon(f"{self.url} has nothing at {path} for this token (HTTP {status}).")
        return body

    def stream(self, path: str) -> Iterator[bytes]:
        """What the server has at a path of its own, a part at a time; at least one, which may be empty.

        Raises:
            ClientError: the server refuses, and says why.
            ServerUnreachable: no connection, no answer in time, or it broke before the end.
        """
        with self._telling():
            response = self._ask("GET", path, None)
            left = int(response.headers.get("Content-Length") or 0)
            while True:
                part = response.read(min(left, PART_BYTES))
                left -= len(part)
                yield part
                if left == 0:
                    return
                if not part:
                    raise http.client.IncompleteRead(b"", left)

    def put(self, path: str, parts: Iterable[bytes]) -> None:
        """Put the bytes of the parts there. Raises what ``stream`` raises."""
        with self._telling():
            self._ask("PUT", path, parts).read()

    def _ask(self, method: str, path: str, parts: Iterable[bytes] | None) -> http.client.HTTPResponse:
        """One request on a connection of its own to begin with: who is refused leaves a body half sent."""
        self.close()
        connection = self._connection
        connection.timeout = CONNECT_SECONDS
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had all
            connection.request(method, path, parts, headers, encode_chunked=True)
        response = connection.getresponse()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            try:
                sentence = msgspec.json.decode(response.read(), type=_Sentence).error
            except msgspec.DecodeError as error:
                raise NotAntiphon(f"{self.url} answered {path} with HTTP {response.status}.") from error
            raise ClientError(sentence)
        return response

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error
        except BaseException:
            self.close()
            raise

    def _post_again(self, body: bytes, wait: float) -> tuple[int, bytes]:
        try:
            return self._post(body, wait)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _post(self, body: bytes, wait: float) -> tuple[int, bytes]:
        return self._send("POST", self._path, body, wait)

    def _send(self, method: str, path: str, body: bytes | None, wait: float) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"} if body else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection
        if connection.sock is None:
            connection.timeout = CONNECT_SECONDS
            connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS + wait)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_BYTES + 1)
        if len(answer) > ANSWER_BYTES:
            self.close()
            raise NotAntiphon(f"The answer of {self.url} is longer than {ANSWER_BYTES} bytes.")
        return response.status, answer

    def _result(self, method: str, id: int, answer: tuple[int, bytes], result: type[T]) -> T:
        status, body = answer
        try:
            decoded = msgspec.json.decode(body, type=_Answer)
            if decoded.error is None and decoded.id == id:
                return msgspec.json.decode(decoded.result, type=result)
        except msgspec.DecodeError as error:
            raise NotAntiphon(
                f"{self.url} answered {method} with HTTP {status} and something else than Antiphon would "
                f"({error}). Is this the address of an Antiphon server, of the same version?"
            ) from error
        if decoded.error is None:
            raise NotAntiphon(f"{self.url} answered {method} with the answer to something else.")
        raise _refusal(decoded.error)

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        if isinstance(error, TimeoutError):
            return ServerUnreachable(f"The server at {self.url} did not answer in time.")
        if isinstance(error, ConnectionRefusedError):
            return ServerUnreachable(f"No server answers at {self.url}. Start one with: antiphon serve")
        reason = str(error) or type(error).__name__
        return ServerUnreachable(f"The connection to {self.url} failed: {reason}.")


def _refusal(error: _ErrorBody) -> RpcError:
    data = error.data if isinstance(error.data, dict) else {}
    name = str(data.get("name") or _ERROR_NAMES.get(error.code, "ServerError"))
    kind = NotSignedIn if name == "NotSignedIn" else RpcError
    return kind(error.code, name, error.message, data)
