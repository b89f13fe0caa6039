"""The frames of a WebSocket: what a message is on the wire.

What belongs here: bytes to bytes. What must never come here: tornado, who reads it.
"""

from __future__ import annotations

import struct


class Framed:
    """Text messages as frames. The readers of a log write the same text one after another: its frame is made
    for the first of them. Source: RFC 6455, section 5.2; what a server sends is not masked."""

    def __init__(self) -> None:
        self._text = b""
        self._frame = b"\x81\x00"

    def __call__(self, text: bytes) -> bytes:
        if text is not self._text:
            size = len(text)
            if size < 126:
                head = struct.pack("!BB", 0x81, size)
            elif size < 1 << 16:
                head = struct.pack("!BBH", 0x81, 126, size)
            else:
                head = struct.pack("!BBQ", 0x81, 127, size)
            self._text, self._frame = text, head + text
        return self._frame
