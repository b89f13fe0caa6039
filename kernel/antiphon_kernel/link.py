"""What passes between a session and its worker.

Two directions, two small unions. The service sends a *request* (a ``Message`` whose content the
worker understands) or a signal; the worker says *events*. An event names the request it belongs to
by ``msg_id`` only: the session knows the headers of its own requests, so a worker can speak for no
other session and answer no request that it was not given.

The inline executor hands these objects over as they are. The forked executor frames them: a mark,
four bytes of length (big-endian), then MessagePack (``encode_frame``, ``FrameDecoder``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from .errors import MalformedMessage, MessageTooLarge
from .message import (
    AnswerRequest,
    ClearOutput,
    CommClose,
    CommInfoReply,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CommReply,
    CompleteReply,
    CompleteRequest,
    Content,
    DebugEvent,
    DebugReply,
    DebugRequest,
    DeleteSubshellRequest,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    FileChangeReply,
    FileChangeRequest,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
    Header,
    HistoryReply,
    HistoryRequest,
    InputRequest,
    InspectReply,
    InspectRequest,
    InterruptRequest,
    IsCompleteReply,
    IsCompleteRequest,
    Message,
    Metadata,
    Stream,
    Struct,
    UpdateDisplayData,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)

TOO_DEEP = "the code is nested too deeply to be compiled"
"""What a worker says in a ``MemoryError`` of Python's compiler, which has to do with no limit of memory."""


class Started(Struct, frozen=True, kw_only=True):
    """The worker is ready for its first request."""

    pid: int


class Published(Struct, frozen=True, kw_only=True):
    """Something to publish. ``parent``: msg_id of the request it belongs to, or empty."""

    parent: str
    content: Content
    metadata: Metadata = {}
    buffers: tuple[bytes, ...] = ()


class Replied(Struct, frozen=True, kw_only=True):
    """The answer to the request ``parent``."""

    parent: str
    content: Content


class Died(Struct, frozen=True, kw_only=True):
    """The worker is gone. ``reason`` is a sentence: exit status, signal, memory."""

    reason: str


WorkerEvent: TypeAlias = Started | Published | Replied | Died


class Captured(Struct, frozen=True, kw_only=True):
    """Bytes that were written to file descriptor 1 or 2. The executor makes a stream of them.

    They belong to ``parent``, and so does all that the executor reads from the descriptors' pipes from
    here on (``worker.connection``). The ``execute_input`` of a request of the main line says the same.

    They cross the link undecoded, because a character may be cut between what the worker found in
    the pipe and what the executor found there.
    """

    parent: str
    name: Literal["stdout", "stderr"]
    data: bytes


class Leaving(Struct, frozen=True, kw_only=True):
    """The worker ends of its own will. ``reason`` becomes that of ``Died``."""

    reason: str


LinkEvent: TypeAlias = Started | Published | Replied | Captured | Leaving
"""What a worker process says on its link. Two of them stay with the executor; ``Died`` is its own."""


class Stop(Content, frozen=True, kw_only=True):
    """To a worker process: stop what runs in the subshell that the header names, by ``LimitReached``. For the
    main line there is a signal."""

    msg_type = "stop"
    reason: str


# --- Frames -----------------------------------------------------------------------------------
#
# A frame's payload is a MessagePack array that begins with the frame's kind. Contents follow their
# ``msg_type`` and are decoded by its class, so that what a worker says is checked field by field:
# code in a session may send any bytes on its link (it owns the process), and the daemon must get
# nothing from them but values of these types or ``MalformedMessage``.

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Length of one frame's payload. Room for the largest display that a browser still shows; the
daemon holds at most this much of an unfinished frame per worker."""

MAX_STREAM_CHARACTERS = 256 * 1024
"""A longer text is written as several stream events."""

MARK = bytes.fromhex("c1a7e2d3965b0f88")
"""Begins a frame. A daemon that was killed may have read half of one; the next daemon finds the frame
after it by this. What a worker says in the midst of a frame may contain it too, by will: it then
speaks for its own session, as it may anyway."""

LENGTH_BYTES = 4
HEAD_BYTES = len(MARK) + LENGTH_BYTES

LONG_FRAME_BYTES = 128 * 1024
"""A frame that is worth reading, and writing, in one piece."""

ROOM_BYTES = 2 * 1024 * 1024
"""Taken for a long frame at once, when it is announced; what is longer gets as much again as has come. In
smaller steps it would be read in small portions, for each of which worker and daemon wait for each other."""


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    pass


class _StartedFrame(_Frame, frozen=True, tag="started"):
    pid: int


class _StreamFrame(_Frame, frozen=True, tag="stream"):
    """A ``Published`` stream in its own, shorter form: there are by far the most of them."""

    parent: str
    name: Literal["stdout", "stderr"]
    text: str


class _PublishedFrame(_Frame, frozen=True, tag="published"):
    parent: str
    msg_type: str
    content: msgspec.Raw
    metadata: dict[str, Any]
    buffers: tuple[bytes, ...]


class _RepliedFrame(_Frame, frozen=True, tag="replied"):
    parent: str
    msg_type: str
    content: msgspec.Raw


class _CapturedFrame(_Frame, frozen=True, tag="captured"):
    parent: str
    name: Literal["stdout", "stderr"]
    data: bytes


class _LeavingFrame(_Frame, frozen=True, tag="leaving"):
    reason: str


class _RequestFrame(_Frame, frozen=True, tag="request"):
    header: Header
    parent_header: Header | None
    metadata: dict[str, Any]
    content: msgspec.Raw
    buffers: tuple[bytes, ...]


_EventFrame: TypeAlias = (
    _StartedFrame | _StreamFrame | _PublishedFrame | _RepliedFrame | _CapturedFrame | _LeavingFrame
)

# What a worker may say. A status, an answered prompt and a reply to anything but code are the
# session's own words.
_PUBLISHABLE: dict[str, type[Content]] = {
    content.msg_type: content
    for content in (
        ExecuteInput,
        Stream,
        DisplayData,
        UpdateDisplayData,
        ExecuteResult,
        Error,
        ClearOutput,
        InputRequest,
        CommOpen,
        CommMsg,
        CommClose,
        DebugEvent,
    )
}
_REPLIES: dict[str, type[Content]] = {
    content.msg_type: content
    for content in (
        ExecuteReply,
        CompleteReply,
        InspectReply,
        IsCompleteReply,
        HistoryReply,
        VariablesReply,
        VariableReply,
        FilesReply,
        FileReadReply,
        FileWriteReply,
        FileChangeReply,
        CommInfoReply,
        CommReply,
        DebugReply,
        ErrorReply,
    )
}
_REQUESTS: dict[str, type[Content]] = {
    content.msg_type: content
    for content in (
        ExecuteRequest,
        CompleteRequest,
        InspectRequest,
        IsCompleteRequest,
        HistoryRequest,
        VariablesRequest,
        VariableRequest,
        FilesRequest,
        FileReadRequest,
        FileWriteRequest,
        FileChangeRequest,
        CommInfoRequest,
        CommOpen,
        CommMsg,
        CommClose,
        DebugRequest,
        AnswerRequest,
        InterruptRequest,
        DeleteSubshellRequest,
        Stop,
    )
}

_encode = msgspec.msgpack.Encoder().encode
_decode_event_frame = msgspec.msgpack.Decoder(_EventFrame).decode
_decode_request_frame = msgspec.msgpack.Decoder(_RequestFrame).decode
_content_decoders = {
    msg_type: msgspec.msgpack.Decoder(content)
    for msg_type, content in (_PUBLISHABLE | _REPLIES | _REQUESTS).items()
}


def _content(msg_type: str, raw: msgspec.Raw, allowed: dict[str, type[Content]]) -> Content:
    if msg_type not in allowed:
        raise MalformedMessage(f"{msg_type!r} may not pass here", field="msg_type")
    content: Content = _content_decoders[msg_type].decode(raw)
    return content


def encode_frame(value: LinkEvent | Message) -> bytes:
    """One event or request as a frame: mark, length and payload.

    Raises:
        MessageTooLarge: the payload exceeds ``MAX_FRAME_BYTES``.
        TypeError, ValueError, OverflowError: content that MessagePack cannot hold.
    """
    match value:
        # A mapping pattern would not do for the metadata: ``{}`` matches any mapping.
        case Published(content=Stream(name=name, text=text)) if not value.metadata and not value.buffers:
            payload = _encode(_StreamFrame(value.parent, name, text))
        case Published(content=content):
            payload = _encode(
                ("published", value.parent, content.msg_type, content, value.metadata, value.buffers)
            )
        case Replied(parent=parent, content=content):
            payload = _encode(("replied", parent, content.msg_type, content))
        case Captured(parent=parent, name=name, data=data):
            payload = _encode(_CapturedFrame(parent, name, data))
        case Started(pid=pid):
            payload = _encode(_StartedFrame(pid))
        case Leaving(reason=reason):
            payload = _encode(_LeavingFrame(reason))
        case Message(header=header, content=content):
            payload = _encode(
                ("request", header, value.parent_header, value.metadata, content, value.buffers)
            )
    if len(payload) > MAX_FRAME_BYTES:
        raise MessageTooLarge(f"a frame of {len(payload)} bytes; the limit is {MAX_FRAME_BYTES}")
    return MARK + len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def encode_pieces(value: LinkEvent | Message) -> list[bytes]:
    """``encode_frame`` in pieces that follow each other, without copying the long buffers.

    Raises:
        As ``encode_frame``.
    """
    if not isinstance(value, Published) or sum(map(len, value.buffers)) < LONG_FRAME_BYTES:
        return [encode_frame(value)]
    buffers = value.buffers
    frame = ("published", value.parent, value.content.msg_type, value.content, value.metadata, ())
    # The last byte is the empty array; what follows is how MessagePack writes a full one.
    pieces = [_encode(frame)[:-1] + b"\xdd" + len(buffers).to_bytes(4, "big")]
    for buffer in buffers:
        pieces += [b"\xc6" + len(buffer).to_bytes(4, "big"), buffer]
    length = sum(map(len, pieces))
    if length > MAX_FRAME_BYTES:
        raise MessageTooLarge(f"a frame of {length} bytes; the limit is {MAX_FRAME_BYTES}")
    return [MARK + length.to_bytes(LENGTH_BYTES, "big") + pieces[0], *pieces[1:]]


def encode_stream(parent: str, name: Literal["stdout", "stderr"], text: str) -> bytes:
    """``encode_frame`` of a published stream, without the objects in between."""
    payload = _encode(_StreamFrame(parent, name, text))
    return MARK + len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def decode_event(payload: bytes | bytearray) -> LinkEvent:
    """A worker's event from a frame's payload.

    Raises:
        MalformedMessage: anything but a well-formed event that a worker may say.
    """
    try:
        frame = _decode_event_frame(payload)
        match frame:
            case _StreamFrame(parent=parent, name=name, text=text):
                return Published(parent=parent, content=Stream(name=name, text=text))
            case _PublishedFrame(parent=parent, metadata=metadata, buffers=buffers):
                content = _content(frame.msg_type, frame.content, _PUBLISHABLE)
                return Published(parent=parent, content=content, metadata=metadata, buffers=buffers)
            case _RepliedFrame(parent=parent):
                return Replied(parent=parent, content=_content(frame.msg_type, frame.content, _REPLIES))
            case _CapturedFrame(parent=parent, name=name, data=data):
                return Captured(parent=parent, name=name, data=data)
            case _StartedFrame(pid=pid):
                return Started(pid=pid)
            case _:
                return Leaving(reason=frame.reason)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"a frame does not decode: {error}") from error


def decode_request(payload: bytes | bytearray) -> Message:
    """A request for a worker from a frame's payload.

    Raises:
        MalformedMessage: anything but a well-formed request that a worker understands.
    """
    try:
        frame = _decode_request_frame(payload)
        content = _content(frame.header.msg_type, frame.content, _REQUESTS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"a frame does not decode: {error}") from error
    return Message(
        header=frame.header,
        parent_header=frame.parent_header,
        metadata=frame.metadata,
        content=content,
        buffers=frame.buffers,
    )


T = TypeVar("T")


class FrameDecoder(Generic[T]):
    """Frames from a byte stream, however it was cut.

    Args:
        decode: makes a value of a frame's payload (``decode_event`` or ``decode_request``).
        limit: bytes; a longer payload is refused before it is read.
        resume: the stream may begin in the midst of a frame, which is passed over.
    """

    def __init__(
        self,
        decode: Callable[[bytes | bytearray], T],
        *,
        limit: int = MAX_FRAME_BYTES,
        resume: bool = False,
    ) -> None:
        self._decode = decode
        self._limit = limit
        self._is_seeking = resume
        self._buffer = bytearray()
        # A long frame has a place of its own, into which it can be read without copies in between. It grows
        # with what has come: an announcement alone takes little memory.
        self._long: bytearray | None = None
        self._long_bytes = 0
        self._filled = 0

    def receive(self, data: bytes) -> Iterator[T]:
        """Take bytes from the stream; yields the values that they complete.

        Exhaust the iterator before the next call.

        Raises:
            MalformedMessage: no frame begins where one should, or a payload does not decode.
            MessageTooLarge: a frame announces more than ``limit`` bytes.
        """
        while data and (room := self.room()) is not None:
            part, data = data[: len(room)], data[len(room) :]
            room[: len(part)] = part
            room.release()
            yield from self.filled(len(part))
        buffer = self._buffer
        buffer += data
        if self._is_seeking:
            place = buffer.find(MARK)
            # The last bytes may be the beginning of a mark.
            del buffer[: place if place >= 0 else max(0, len(buffer) - len(MARK) + 1)]
            self._is_seeking = place < 0
        if self._is_seeking:
            return
        start = 0
        try:
            while len(buffer) - start >= HEAD_BYTES:
                if not buffer.startswith(MARK, start):
                    raise MalformedMessage("no frame begins here")
                length = int.from_bytes(buffer[start + len(MARK) : start + HEAD_BYTES], "big")
                if length > self._limit:
                    raise MessageTooLarge(f"a frame of {length} bytes; the limit is {self._limit}")
                end = start + HEAD_BYTES + length
                if end > len(buffer):
                    if length >= LONG_FRAME_BYTES:
                        self._begin_long(length, buffer[start + HEAD_BYTES :])
                        start = len(buffer)
                    break
                with memoryview(buffer) as view:  # a slice of the buffer itself would be a second copy
                    payload = bytes(view[start + HEAD_BYTES : end])
                start = end
                yield self._decode(payload)
        finally:
            del buffer[:start]

    def _begin_long(self, length: int, begun: bytearray) -> None:
        self._long_bytes, self._filled = length, len(begun)
        self._long = bytearray(min(length, max(ROOM_BYTES, len(begun))))
        self._long[: len(begun)] = begun

    def room(self) -> memoryview | None:
        """The rest of a long frame, for the next bytes of the stream to be read into; then call
        ``filled``. None: there is no such frame, call ``receive``."""
        if self._long is None:
            return None
        if self._filled == len(self._long):
            more = max(len(self._long), ROOM_BYTES)
            self._long += bytes(min(more, self._long_bytes - self._filled))
        return memoryview(self._long)[self._filled :]

    def filled(self, count: int) -> Iterator[T]:
        """So many bytes were read into ``room``. Yields and raises as ``receive``."""
        assert self._long is not None
        self._filled += count
        if self._filled == self._long_bytes:
            payload, self._long = self._long, None
            yield self._decode(payload)

    @property
    def unfinished(self) -> int:
        """Bytes of a frame that has not ended yet."""
        return len(self._buffer) if self._long is None else HEAD_BYTES + self._filled
