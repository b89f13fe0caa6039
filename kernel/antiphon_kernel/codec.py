"""Messages to frames and back: encode, sign, verify, decode, refuse.

What belongs here: functions from values to values. What must never come here: sockets, clocks,
randomness. Everything that arrives is hostile until ``decode`` returned it, so each step has a
limit with a name, and each refusal names the part of the message that was wrong.

A message is these frames (spec, section *Frames*); a transport may put its own in front:

    0 envelope   1 signature   2 header   3 parent header   4 metadata   5 content   6… buffers
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from .errors import (
    ERRORS,
    KernelError,
    MalformedMessage,
    MessageTooLarge,
    UnknownMessageType,
    UnknownVersion,
)
from .message import CONTENT_TYPES, Content, ErrorReply, Header, Message, Metadata, PublicationRecord

WIRE_VERSION = 1

Encoding: TypeAlias = Literal["json", "msgpack"]
"""How the frames 2 to 5 are written. A reply is written as its request was."""

Channel: TypeAlias = Literal["request", "reply", "feed"]
"""What a signature is for: one made for a channel is worth nothing on another."""

Frames: TypeAlias = list[bytes]

ENVELOPES: dict[bytes, Encoding] = {
    f"antiphon/{WIRE_VERSION} json".encode(): "json",
    f"antiphon/{WIRE_VERSION} msgpack".encode(): "msgpack",
}
_ENVELOPE_OF: dict[Encoding, bytes] = {encoding: envelope for envelope, encoding in ENVELOPES.items()}

PARTS = ("header", "parent_header", "metadata", "content")
"""The names of the frames 2 to 5, as an error's ``field`` says them."""
BODY = 2
"""Index of the first signed frame."""
BUFFERS = BODY + len(PARTS)
"""Index of the first buffer."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a message may measure. The names are those of ``kernel_info_reply.limits``.

    64 MiB lets a large plot or table through and bounds what one peer can make us hold; Jupyter
    servers cut at 10 MiB by default and people trip over it. The headers of honest messages have
    some hundred bytes.
    """

    message_bytes: int = 64 * 1024 * 1024
    frames: int = 1024
    header_bytes: int = 16 * 1024


DEFAULT_LIMITS = Limits()

_T = TypeVar("_T")
_ENCODERS: dict[Encoding, msgspec.json.Encoder | msgspec.msgpack.Encoder] = {
    "json": msgspec.json.Encoder(),
    "msgpack": msgspec.msgpack.Encoder(),
}


class _Decoders(dict[type, Any]):
    """A decoder for each type, made at its first use: making one costs more than using it."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __missing__(self, type_: type) -> Any:
        decoder = self[type_] = self._make(type_)
        return decoder


_DECODERS: dict[Encoding, _Decoders] = {
    "json": _Decoders(msgspec.json.Decoder),
    "msgpack": _Decoders(msgspec.msgpack.Decoder),
}

_NO_HEADER: dict[Encoding, bytes] = {"json": b"{}", "msgpack": b"\x80"}
"""An empty ``parent_header``, and an empty ``metadata``: both are an empty mapping."""


class Signer(Protocol):
    """Makes signatures and checks them: ``signing.SharedKey``. Where there is no wire there is none."""

    def sign(self, channel: Channel, body: Sequence[bytes]) -> bytes:
        """The signature of the frames from the header on."""

    def verify(self, channel: Channel, frames: Sequence[bytes]) -> None:
        """Check the signature of a whole message.

        Raises:
            BadSignature: it is not the one that this signer gives for this channel.
        """


# --- Encoding ---------------------------------------------------------------------------------


def encode_body(message: Message, encoding: Encoding) -> Frames:
    """The frames from the header on: what is signed, and what a message's size is counted of."""
    encode = _ENCODERS[encoding].encode
    empty = _NO_HEADER[encoding]
    return [
        encode(message.header),
        empty if message.parent_header is None else encode(message.parent_header),
        encode(message.metadata) if message.metadata else empty,
        encode(message.content),
        *message.buffers,
    ]


def body_bytes(body: Iterable[bytes]) -> int:
    """The size of a message in bytes, as the limits count it."""
    return sum(map(len, body))


def seal(body: Frames, channel: Channel, signer: Signer | None, encoding: Encoding) -> Frames:
    """Put envelope and signature before the frames of ``encode_body``; an empty one where nobody signs."""
    signature = b"" if signer is None else signer.sign(channel, body)
    return [_ENVELOPE_OF[encoding], signature, *body]


def encode(
    message: Message,
    channel: Channel,
    signer: Signer | None,
    encoding: Encoding = "json",
    limits: Limits = DEFAULT_LIMITS,
) -> Frames:
    """A message as frames, ready to send.

    Args:
        signer: None does not sign, where there is no wire.

    Raises:
        MalformedMessage: a value in it has no form on the wire.
        MessageTooLarge: it is over a limit; the receiver would refuse it.
    """
    try:
        body = encode_body(message, encoding)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedMessage(f"cannot be encoded: {error}", field="content") from error
    check_body(body, limits)
    return seal(body, channel, signer, encoding)


# --- Decoding ---------------------------------------------------------------------------------


class Opened(NamedTuple):
    """A message whose envelope, limits, signature and header are good; its body is not read yet."""

    encoding: Encoding
    header: Header
    frames: Sequence[bytes]


def decode(
    frames: Sequence[bytes], channel: Channel, signer: Signer | None, limits: Limits = DEFAULT_LIMITS
) -> Message:
    """A message from its frames.

    Args:
        frames: envelope first.
        signer: None reads without verifying, as an observer of a feed does who has no key.

    Raises:
        ProtocolError: what is wrong, and in ``field`` where.
    """
    return read(unseal(frames, channel, signer, limits))


def unseal(
    frames: Sequence[bytes], channel: Channel, signer: Signer | None, limits: Limits = DEFAULT_LIMITS
) -> Opened:
    """Check everything outside the body and read the header. ``read`` does the rest.

    A receiver that answers errors takes the two steps apart: once the header is known, an error
    can name the request it is about.
    """
    encoding = encoding_of(frames)
    check_limits(frames, limits)
    if signer is not None:
        signer.verify(channel, frames)
    return Opened(encoding, _decode(Header, frames[BODY], encoding, "header"), frames)


def encoding_of(frames: Sequence[bytes]) -> Encoding:
    """Which encoding the envelope names.

    Raises:
        MalformedMessage: there is no envelope, or it is not one of ours.
        UnknownVersion: it is ours, of another wire version.
    """
    envelope = frames[0] if frames else b""
    encoding = ENVELOPES.get(envelope)
    if encoding is not None:
        return encoding
    if envelope.startswith(b"antiphon/"):
        raise UnknownVersion(
            f"this side speaks {' and '.join(known.decode() for known in ENVELOPES)}", field="envelope"
        )
    raise MalformedMessage("the first frame is not an envelope of this protocol", field="envelope")


def check_limits(frames: Sequence[bytes], limits: Limits) -> None:
    """Refuse what is too large, or too little to be a message, before any of it is parsed."""
    if len(frames) < BUFFERS:
        raise MalformedMessage(f"a message has at least {BUFFERS} frames, not {len(frames)}", field="frames")
    check_body(frames[BODY:], limits, before=body_bytes(frames[:BODY]))


def check_body(body: Sequence[bytes], limits: Limits, *, before: int = 0) -> int:
    """As ``check_limits``, of the frames from the header on; gives the bytes, with those ``before`` them."""
    if len(body) + BODY > limits.frames:
        raise MessageTooLarge(f"{len(body) + BODY} frames, limit {limits.frames}", field="frames")
    total = before + body_bytes(body)
    if total > limits.message_bytes:
        raise MessageTooLarge(f"{total} bytes, limit {limits.message_bytes}", field="message")
    if len(body[0]) > limits.header_bytes or len(body[1]) > limits.header_bytes:
        name, frame = max(zip(PARTS, body[:2], strict=False), key=lambda part: len(part[1]))
        raise MessageTooLarge(f"{len(frame)} bytes, limit {limits.header_bytes}", field=name)
    return total


def read(opened: Opened) -> Message:
    """The whole message of an opened one.

    Raises:
        UnknownMessageType: no section of the spec defines ``header.msg_type``.
        MalformedMessage: a part does not decode, or a field in it has a wrong type or value.
    """
    encoding, header, frames = opened
    content_type = CONTENT_TYPES.get(header.msg_type)
    if content_type is None:
        raise UnknownMessageType(f"no message type {header.msg_type[:80]!r}", field="header.msg_type")
    empty = _NO_HEADER[encoding]
    parent, metadata = frames[BODY + 1], frames[BODY + 2]
    return Message(
        header=header,
        parent_header=None if parent == empty else _decode(Header, parent, encoding, "parent_header"),
        metadata={} if metadata == empty else _decode(dict, metadata, encoding, "metadata"),
        content=_decode(content_type, frames[BODY + 3], encoding, "content"),
        buffers=tuple(frames[BUFFERS:]),
    )


def _decode(type_: type[_T], frame: bytes, encoding: Encoding, part: str) -> _T:
    try:
        value: _T = _DECODERS[encoding][type_].decode(frame)
    except msgspec.ValidationError as error:
        reason, field = _located(str(error), part)
        raise MalformedMessage(reason, field=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"is not {encoding}: {error}", field=part) from error
    return value


_MISSING = re.compile(r"missing required field `([^`]+)`")


def _located(text: str, part: str) -> tuple[str, str]:
    """Split msgspec's sentence into the reason and the dotted path of the field it is about."""
    reason, _, path = text.partition(" - at `$")
    path = path.rstrip("`")
    if not path.startswith(("[", ".")):
        path = ""
    if missing := _MISSING.search(reason):
        path += f".{missing[1]}"
    return reason, part + path


# --- Publications inside a reply --------------------------------------------------------------


def to_record(message: Message) -> PublicationRecord:
    """A publication as a ``feed_reply`` carries it."""
    return PublicationRecord(
        header=message.header,
        parent_header=message.parent_header,
        metadata=message.metadata,
        content=msgspec.to_builtins(message.content, builtin_types=(bytes,)),
        buffers=message.buffers,
    )


def from_record(record: PublicationRecord) -> Message:
    """The publication that a ``feed_reply`` carried.

    Raises:
        UnknownMessageType, MalformedMessage: as ``read``.
    """
    content_type = CONTENT_TYPES.get(record.header.msg_type)
    if content_type is None:
        raise UnknownMessageType(f"no message type {record.header.msg_type[:80]!r}", field="header.msg_type")
    try:
        content: Content = msgspec.convert(record.content, content_type)
    except msgspec.ValidationError as error:
        reason, field = _located(str(error), "content")
        raise MalformedMessage(reason, field=field) from error
    metadata: Metadata = record.metadata
    return Message(
        header=record.header,
        parent_header=record.parent_header,
        metadata=metadata,
        content=content,
        buffers=record.buffers,
    )


# --- Errors as messages -----------------------------------------------------------------------


def to_error_reply(error: KernelError) -> ErrorReply:
    """An exception of ours as the content that answers with it."""
    return ErrorReply(ename=error.ename, evalue=error.reason, field=error.field)


def from_error_reply(content: ErrorReply) -> KernelError:
    """The exception that an ``error_reply`` stands for.

    An ``ename`` that this side does not know (a newer kernel's) becomes a plain ``KernelError``
    whose reason names it.
    """
    error = ERRORS.get(content.ename)
    if error is None:
        return KernelError(f"{content.ename}: {content.evalue}", field=content.field)
    return error(content.evalue, field=content.field)
