"""The signature of a message: who sent it has the key, and nothing was changed on the way.

What belongs here: bytes and a key. What must never come here: what the bytes mean. Only a wire needs it,
so nothing else has to have its library.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from blake3 import blake3

from .codec import BODY, PARTS, Channel
from .errors import BadSignature

_LONG_FRAME_BYTES = 64 * 1024
"""From here on, joining a frame with the others costs more than an update of its own."""

_BLOCK_BYTES = 64
"""Of SHA-256."""
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class SharedKey:
    """Signs and verifies with the key that both ends know. Satisfies ``codec.Signer``.

    Args:
        key: the secret of the connection file, at least 16 bytes.

    Source: spec, section *Signing*; RFC 2104; the BLAKE3 paper, section 2 (the hash).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a signing key has at least 16 bytes")
        block = key if len(key) <= _BLOCK_BYTES else sha256(key).digest()
        block = block.ljust(_BLOCK_BYTES, b"\0")
        # HMAC's two hashes, begun once: OpenSSL, and what Python has around it, take longer to begin one, or
        # to copy one that is begun, than to sign a short message.
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def sign(self, channel: Channel, body: Sequence[bytes]) -> bytes:
        """The signature of the frames from the header on; 32 bytes.

        Each frame goes in with its length before it: without, bytes could wander from one frame
        into the next under the same signature. A buffer goes in by its digest: SHA-256 takes four times
        as long as BLAKE3, and of large displays it was two thirds of the whole way.
        """
        text = [channel.encode()]
        for frame in body[: len(PARTS)]:
            text += (len(frame).to_bytes(8, "big"), frame)
        for buffer in body[len(PARTS) :]:
            text += (len(buffer).to_bytes(8, "big"), blake3(buffer).digest())
        inner, outer = self._inner.copy(), self._outer.copy()
        if max(map(len, text)) < _LONG_FRAME_BYTES:
            # Joined for one call: an update for each piece costs eight times as much.
            inner.update(b"".join(text))
        else:
            for piece in text:
                inner.update(piece)
        outer.update(inner.digest())
        return outer.digest()

    def verify(self, channel: Channel, frames: Sequence[bytes]) -> None:
        """Check the signature of a whole message.

        Raises:
            BadSignature: it is not the one that this key gives for this channel.
        """
        if not hmac.compare_digest(frames[1], self.sign(channel, frames[BODY:])):
            raise BadSignature("the signature does not fit the message and the key", field="signature")
