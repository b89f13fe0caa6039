"""Jupyter's frames: read, verify, sign, write. No sockets, no clock.

    identity…   <IDS|MSG>   signature   header   parent header   metadata   content   buffer…

Source: the document "Messaging in Jupyter", section *The Wire Protocol*.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ..codec import DEFAULT_LIMITS, Frames, Limits, body_bytes
from ..errors import BadSignature, MalformedMessage, MessageTooLarge

VERSION = "5.5"
"""Of Jupyter's protocol: the first with a welcome on iopub and kernel_info on control."""

DELIMITER = b"<IDS|MSG>"

EMPTY = b"{}"
"""An absent parent header, and absent metadata."""


class Signer:
    """Signs and verifies as Jupyter does. An empty key means that nobody signs.

    Args:
        key: the ``key`` of the connection file.
        scheme: its ``signature_scheme``, "hmac-" and the name of a hash.

    Raises:
        ValueError: there is no such hash.
    """

    def __init__(self, key: bytes, scheme: str = "hmac-sha256") -> None:
        kind, _, self._hash = scheme.partition("-")
        if kind != "hmac" or self._hash not in hashlib.algorithms_available:
            raise ValueError(f"the signature scheme {scheme!r} is not known here")
        self._key = key

    def sign(self, frames: Sequence[bytes]) -> bytes:
        """The signature of header, parent header, metadata and content, in hexadecimal digits.

        Nothing separates the frames, and buffers are not signed: so it is in Jupyter.
        """
        if not self._key:
            return b""
        return hmac.digest(self._key, b"".join(frames), self._hash).hex().encode()

    def verify(self, signature: bytes, frames: Sequence[bytes]) -> None:
        """Check a signature.

        Raises:
            BadSignature: it is not the one that this key gives.
        """
        if self._key and not hmac.compare_digest(signature, self.sign(frames)):
            raise BadSignature("the signature does not fit the message and the key", field="signature")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of a client's header. It goes back as it came, with whatever else is in it."""

    msg_id: str
    msg_type: str
    username: str = ""
    subshell_id: str | None = None


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of a parent header, which may be empty."""

    msg_id: str = ""


class Request(NamedTuple):
    """A client's message. ``content`` is not parsed: its type depends on ``header.msg_type``. ``parent``
    is the msg_id of what it answers, if it says."""

    identities: Frames
    header: Header
    raw_header: bytes
    parent: str
    metadata: dict[str, Any]
    content: bytes
    buffers: tuple[bytes, ...]


_read_header = msgspec.json.Decoder(Header).decode
_read_parent = msgspec.json.Decoder(Parent).decode
_read_metadata = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def decode(frames: Frames, signer: Signer, limits: Limits = DEFAULT_LIMITS) -> Request:
    """A client's message from its frames.

    Args:
        frames: identities first.

    Raises:
        ProtocolError: it is none, or not signed with our key.
    """
    try:
        start = frames.index(DELIMITER)
    except ValueError:
        raise MalformedMessage("there is no delimiter", field="frames") from None
    identities, signed, buffers = frames[:start], frames[start + 2 : start + 6], frames[start + 6 :]
    if len(signed) < 4:
        raise MalformedMessage(
            f"{len(frames) - start} frames from the delimiter on; at least 6", field="frames"
        )
    if len(frames) > limits.frames or body_bytes(frames) > limits.message_bytes:
        raise MessageTooLarge(f"{len(frames)} frames, {body_bytes(frames)} bytes", field="message")
    signer.verify(frames[start + 1], signed)
    try:
        header, metadata = _read_header(signed[0]), _read_metadata(signed[2])
        parent = _read_parent(signed[1]).msg_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"does not decode: {error}", field="header") from error
    return Request(identities, header, signed[0], parent, metadata, signed[3], tuple(buffers))


def header(msg_id: str, msg_type: str, session: str, username: str, date: str) -> bytes:
    """A header of ours."""
    return _encode(
        {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": session,
            "username": username,
            "date": date,
            "version": VERSION,
        }
    )


def encode(
    prefix: Frames,
    signer: Signer,
    header: bytes,
    content: Any,
    *,
    parent: bytes = EMPTY,
    metadata: dict[str, Any] | None = None,
    buffers: Sequence[bytes] = (),
) -> Frames:
    """A message as frames.

    Args:
        prefix: the identities of who gets it; on iopub, the topic.
        parent: the header of the request, as it came.
    """
    signed = [header, parent, _encode(metadata) if metadata else EMPTY, _encode(content)]
    return [*prefix, DELIMITER, signer.sign(signed), *signed, *buffers]
