"""Frames between a session and its worker."""

from __future__ import annotations

import msgspec
import pytest

from antiphon_kernel.errors import MalformedMessage, MessageTooLarge
from antiphon_kernel.link import (
    MARK,
    ROOM_BYTES,
    Captured,
    FrameDecoder,
    Leaving,
    Published,
    Replied,
    Started,
    decode_event,
    decode_request,
    encode_frame,
    encode_pieces,
    encode_stream,
)
from antiphon_kernel.message import (
    AnswerRequest,
    DisplayData,
    ExecuteReply,
    ExecuteRequest,
    Header,
    InputRequest,
    Message,
    Status,
    Stream,
)

EVENTS = [
    Started(pid=7),
    Published(parent="r", content=Stream(name="stdout", text="grüße\n")),
    Published(
        parent="r",
        content=DisplayData(data={"text/plain": "1"}, transient={"display_id": "d"}),
        metadata={"a": [1, None]},
        buffers=(b"\x00\xff",),
    ),
    Published(parent="r", content=Stream(name="stdout", text="x"), metadata={"a": 1}),
    Published(parent="r", content=Stream(name="stdout", text="x"), buffers=(b"b",)),
    Published(parent="", content=InputRequest(prompt="? ", password=True)),
    Replied(parent="r", content=ExecuteReply(status="error", ename="E", traceback=("a", "b"))),
    Captured(parent="r", name="stderr", data=b"\xc3"),
    Leaving(reason="ended by exit()"),
]


def frame(*payload: object) -> bytes:
    encoded = msgspec.msgpack.encode(payload)
    return MARK + len(encoded).to_bytes(4, "big") + encoded


@pytest.mark.parametrize("event", EVENTS)
def test_event_comes_back_equal(event):
    assert list(FrameDecoder(decode_event).receive(encode_frame(event))) == [event]


@pytest.mark.parametrize(
    "content", [ExecuteRequest(code="1", user_expressions={"a": "b"}), AnswerRequest(prompt="p", value="v")]
)
def test_request_comes_back_equal(content):
    request = Message(
        header=Header(msg_id="m", msg_type=content.msg_type, session="s"), content=content, metadata={"k": 1}
    )
    assert list(FrameDecoder(decode_request).receive(encode_frame(request))) == [request]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("place", [0, 1, 5, 12, 40])
def test_a_stream_is_resumed_at_the_next_frame(place: int, size: int) -> None:
    """Whatever was read of it before, in the midst of a frame or between two."""
    data = b"".join(map(encode_frame, EVENTS))
    first = len(encode_frame(EVENTS[0]))
    decoder = FrameDecoder(decode_event, resume=True)
    rest = data[place:]
    found = [event for i in range(0, len(rest), size) for event in decoder.receive(rest[i : i + size])]
    assert found == EVENTS[0 if place == 0 else 1 if place <= first else 2 :]
    assert decoder.unfinished == 0


def test_what_follows_a_frame_must_be_one() -> None:
    found = FrameDecoder(decode_event).receive(encode_frame(EVENTS[0]) + bytes(20))
    assert next(found) == EVENTS[0]
    with pytest.raises(MalformedMessage, match="no frame begins here"):
        next(found)


def test_stream_has_a_shortcut_with_the_same_bytes():
    event = Published(parent="r", content=Stream(name="stderr", text="x"))
    assert encode_stream("r", "stderr", "x") == encode_frame(event)


@pytest.mark.parametrize("size", [1, 3, 5, 1000])
def test_frames_are_found_however_the_stream_was_cut(size):
    data = b"".join(map(encode_frame, EVENTS))
    decoder = FrameDecoder(decode_event)
    found = [event for i in range(0, len(data), size) for event in decoder.receive(data[i : i + size])]
    assert found == EVENTS
    assert decoder.unfinished == 0


def test_events_before_a_malformed_frame_are_found():
    found = FrameDecoder(decode_event).receive(encode_frame(EVENTS[0]) + frame("no such kind"))
    assert next(found) == EVENTS[0]
    with pytest.raises(MalformedMessage):
        next(found)


@pytest.mark.parametrize(
    "data",
    [
        frame(),
        frame("started", "not a number"),
        frame("published", "r", "stream", {"name": "stdfoo", "text": ""}, {}, []),
        frame("published", "r", "stream", {"name": "stdout"}, {}, []),
        frame("published", "r", "no_such_type", {}, {}, []),
        frame("published", "r", Status.msg_type, {"execution_state": "closed"}, {}, []),
        frame("replied", "r", "close_session_reply", {}),
        frame("stream", "r", "stdout", b"\xff"),
        bytes(12),
        MARK + b"\x00\x00\x00\x01\xc1",
        MARK + b"\x00\x00\x00\x00",
        MARK + b"\x00\x00\x00\x05" + b"\x95\xa1\xff\x00\x00",
        MARK + (1000).to_bytes(4, "big") + b"\x91" * 1000,
    ],
)
def test_what_a_worker_may_not_say_is_malformed(data):
    with pytest.raises(MalformedMessage):
        list(FrameDecoder(decode_event).receive(data))


def test_malformed_content_names_what_is_wrong():
    with pytest.raises(MalformedMessage, match=r"text"):
        list(
            FrameDecoder(decode_event).receive(frame("published", "r", "stream", {"name": "stdout"}, {}, []))
        )


def test_request_of_another_type_is_malformed():
    header = {"msg_id": "m", "msg_type": "close_session_request"}
    with pytest.raises(MalformedMessage, match="close_session_request"):
        list(FrameDecoder(decode_request).receive(frame("request", header, None, {}, {}, [])))


def test_announced_length_beyond_the_limit_is_refused_at_once():
    with pytest.raises(MessageTooLarge, match="11 bytes; the limit is 10"):
        list(FrameDecoder(decode_event, limit=10).receive(MARK + (11).to_bytes(4, "big")))


@pytest.mark.slow
def test_event_beyond_the_limit_is_not_encoded():
    text = "x" * (64 * 1024 * 1024)
    with pytest.raises(MessageTooLarge):
        encode_frame(Published(parent="", content=DisplayData(data={"text/plain": text})))


def a_large_event(size: int) -> Published:
    return Published(
        parent="r",
        content=DisplayData(data={"text/plain": "x"}),
        metadata={"a": 1},
        buffers=(b"1" * size, b"", b"2" * size),
    )


@pytest.mark.parametrize("size", [0, 10, 70_000, 200_000])
def test_pieces_are_one_frame(size):
    event = a_large_event(size)
    assert list(FrameDecoder(decode_event).receive(b"".join(encode_pieces(event)))) == [event]


def test_long_buffers_are_not_copied_into_pieces():
    event = a_large_event(200_000)
    assert [piece for piece in encode_pieces(event) if piece is event.buffers[0]]


def test_pieces_beyond_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr("antiphon_kernel.link.MAX_FRAME_BYTES", 300_000)
    with pytest.raises(MessageTooLarge, match="the limit is 300000"):
        encode_pieces(a_large_event(200_000))


@pytest.mark.parametrize("size", [1, 1000, 65_536, 10_000_000])
def test_long_frame_can_be_read_into_its_room(size):
    events = [EVENTS[0], a_large_event(200_000), EVENTS[0], a_large_event(1000)]
    stream = b"".join(encode_frame(event) for event in events)
    decoder = FrameDecoder(decode_event)
    found = []
    while stream:
        if size > 1 and (room := decoder.room()) is not None:
            part = stream[: min(len(room), size)]
            room[: len(part)] = part
            room.release()
            found += decoder.filled(len(part))
        else:
            part = stream[:size]
            found += decoder.receive(part)
        stream = stream[len(part) :]
    assert found == events
    assert decoder.unfinished == 0


def test_announced_long_frame_takes_little_memory_yet():
    decoder = FrameDecoder(decode_event)
    assert list(decoder.receive(MARK + (60 * 1024 * 1024).to_bytes(4, "big") + b"12")) == []
    room = decoder.room()
    assert room is not None
    assert len(room) <= ROOM_BYTES
    assert decoder.unfinished == 14
