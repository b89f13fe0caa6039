"""WebSockets as cheap as they can be: what a library's client costs would hide what the servers do.

No extension is offered, so nothing is compressed. Source: RFC 6455.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from .system import DEADLINE, SILENCE, Heard

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class Closed(Exception):
    """The server has closed the connection."""


class WebSocket:
    """A connection. ``receive`` waits for the next message; ``arrived`` gives those that are there.

    Args:
        url: of ``http``, because everything else of these servers is reached so.
        protocol: the subprotocol that is asked for.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, protocol: str = "") -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), DEADLINE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **({"Sec-WebSocket-Protocol": protocol} if protocol else {}),
            **(headers or {}),
        }
        asked = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        where = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._socket.sendall(f"GET {where} HTTP/1.1\r\n{asked}\r\n".encode())
        self._came = bytearray()
        while (end := self._came.find(b"\r\n\r\n")) < 0:
            self._read()
        answer = bytes(self._came[:end])
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            raise ConnectionError(f"no WebSocket at {url}: {answer[:100]!r}")
        del self._came[: end + 4]
        self._fragments: list[bytes] = []

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: bytes, *, is_binary: bool = False) -> None:
        self._send(_BINARY if is_binary else _TEXT, message)

    def receive(self) -> bytes:
        """The next message.

        Raises:
            Closed: there is none.
            TimeoutError: nothing came in ``DEADLINE`` seconds.
        """
        while (message := self._message()) is None:
            self._read()
        return message

    def arrived(self) -> Iterator[bytes]:
        """Read once, and give every message that is whole. Blocks, if nothing has come."""
        self._read()
        while (message := self._message()) is not None:
            yield message

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        if not (data := self._socket.recv(1 << 18)):
            raise Closed("the server has closed the connection")
        self._came += data

    def _send(self, opcode: int, payload: bytes) -> None:
        # Masked with zeros: a client has to mask, and nobody is to be hidden from.
        size = len(payload)
        if size < 126:
            head = struct.pack("!BBI", 0x80 | opcode, 0x80 | size, 0)
        elif size < 1 << 16:
            head = struct.pack("!BBHI", 0x80 | opcode, 0x80 | 126, size, 0)
        else:
            head = struct.pack("!BBQI", 0x80 | opcode, 0x80 | 127, size, 0)
        self._socket.sendall(head + payload)

    def _message(self) -> bytes | None:
        """The next whole message; pings on the way are answered."""
        while (frame := self._frame()) is not None:
            first, payload = frame
            match first & 0x0F:
                case 0 | 1 | 2:
                    if first & 0x80 and not self._fragments:
                        return payload
                    self._fragments.append(payload)
                    if first & 0x80:
                        whole, self._fragments = b"".join(self._fragments), []
                        return whole
                case 8:
                    raise Closed(payload[2:].decode())
                case 9:
                    self._send(_PONG, payload)
        return None

    def _frame(self) -> tuple[int, bytes] | None:
        came = self._came
        if len(came) < 2:
            return None
        start, size = 2, came[1]
        if size == 126:
            start, size = 4, int.from_bytes(came[2:4], "big")
        elif size == 127:
            start, size = 10, int.from_bytes(came[2:10], "big")
        if len(came) < start + size:
            return None
        first, payload = came[0], bytes(came[start : start + size])
        del came[: start + size]
        return first, payload


Take = Callable[[bytes, Heard], bool]
"""Count a message; whether it is the last one of the run."""


def hear(sockets: Sequence[WebSocket], take: Take, ready: Callable[[], None]) -> list[Heard]:
    """Call ``ready``, and tell what each of them hears until its run ends."""
    heard = [Heard() for _ in sockets]
    with selectors.DefaultSelector() as selector:
        for one, own in zip(sockets, heard, strict=True):
            selector.register(one, selectors.EVENT_READ, (one, own))
        ready()
        left, patience = len(sockets), DEADLINE
        while left and (events := selector.select(patience)):
            patience = SILENCE
            for key, _ in events:
                one, own = key.data
                try:
                    if any(take(message, own) for message in one.arrived()):
                        selector.unregister(one)
                        left -= 1
                except Closed:
                    selector.unregister(one)
                    left -= 1
    for one in sockets:
        one.close()
    return heard


def drain(sockets: Sequence[WebSocket], quiet: float) -> None:
    """Take what comes, until nothing has come for so many seconds."""
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ, one)
        while events := selector.select(quiet):
            for key, _ in events:
                for _message in key.data.arrived():
                    pass
