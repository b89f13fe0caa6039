"""The signature of a message: who sent it has the key, and nothing was changed on the way.

What belongs here: bytes and a key. What must never come here: what the bytes mean. Only a wire needs it,
so nothing else has to have its library.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from blake3 import blake3

from .codec import BODY, PARTS, Channel
from .errors import BadSignature

_LONG_FRAME_BYTES = 64 * 1024
"""From here on, joining a frame with the others costs more than an update of its own."""


class SharedKey:
    """Signs and verifies with the key that both ends know. Satisfies ``codec.Signer``.

    Args:
        key: the secret of the connection file, at least 16 bytes.

    Source: spec, section *Signing*; RFC 2104; the BLAKE3 paper, section 2 (the hash).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a signing key has at least 16 bytes")
        # Begun once: to begin one takes OpenSSL longer than to sign a short message.
        self._begun = hmac.new(key, digestmod="sha256")

    def sign(self, channel: Channel, body: Sequence[bytes]) -> bytes:
        """The signature of the frames from the header on; 32 bytes.

        Each frame goes in with its length before it: without, bytes could wander from one frame
        into the next under the same signature. A buffer goes in by its digest: SHA-256 takes four times
        as long as BLAKE3, and of large displays it was two thirds of the whole way.
        """
        signed = self._begun.copy()
        text = [channel.encode()]
        for place, frame in enumerate(body):
            text.append(len(frame).to_bytes(8, "big"))
            if place >= len(PARTS):
                text.append(blake3(frame).digest())
                continue
            text.append(frame)
            if len(frame) >= _LONG_FRAME_BYTES:
                for piece in text:
                    signed.update(piece)
                text.clear()
        # Joined for one call: an update for each piece costs eight times as much.
        signed.update(b"".join(text))
        return signed.digest()

    def verify(self, channel: Channel, frames: Sequence[bytes]) -> None:
        """Check the signature of a whole message.

        Raises:
            BadSignature: it is not the one that this key gives for this channel.
        """
        if not hmac.compare_digest(frames[1], self.sign(channel, frames[BODY:])):
            raise BadSignature("the signature does not fit the message and the key", field="signature")
