"""The codec: every message through both directions, and every way to refuse one."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, get_args

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from antiphon_kernel import codec, errors, message
from antiphon_kernel.codec import Channel, Encoding, Limits
from antiphon_kernel.message import CONTENTS, CompleteRequest, Content, ExecuteRequest, Header, Message
from antiphon_kernel.signing import SharedKey

SIGNER = SharedKey(b"k" * 32)
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
CHANNELS: tuple[Channel, ...] = get_args(Channel)


def request(content: Content, **header: Any) -> Message:
    return Message(header=Header(msg_id="m1", msg_type=content.msg_type, **header), content=content)


SIMPLE = request(ExecuteRequest(code="1"), session="s", username="ada")


def example(content: type[Content]) -> Content:
    """A value of this class in which every required field is set."""
    fields = {}
    for field in msgspec.structs.fields(content):
        if not field.required:
            continue
        kind = str(field.type)
        if "Literal" in kind:
            fields[field.name] = get_args(field.type)[0]
        elif "SessionInfo" in kind and "tuple" not in kind:
            fields[field.name] = message.SessionInfo(uid="u", name="n", execution_state="idle", latest=1)
        elif "ConnectionFile" in kind:
            fields[field.name] = message.ConnectionFile(shell_port=1, key="k")
        elif "ExecuteReply" in kind:
            fields[field.name] = {"m1": message.ExecuteReply(status="ok", execution_count=1)}
        elif "CommInfo" in kind:
            fields[field.name] = {"c1": message.CommInfo(target_name="t")}
        elif "tuple" in kind:
            fields[field.name] = ()
        elif "dict" in kind:
            fields[field.name] = {"text/plain": "1"}
        elif "bool" in kind:
            fields[field.name] = True
        else:
            fields[field.name] = 3 if "int" in kind else "text-long-enough-for-an-id"
    return content(**fields)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.msg_type)
def test_every_message_comes_back_equal(content: type[Content], encoding: Encoding) -> None:
    sent = Message(
        header=Header(msg_id="m2", msg_type=content.msg_type, session="s", number=3),
        parent_header=Header(msg_id="m1", msg_type="execute_request"),
        metadata={"a": 1},
        content=example(content),
        buffers=(b"\x00\xff", b""),
    )
    assert codec.decode(codec.encode(sent, "reply", SIGNER, encoding), "reply", SIGNER) == sent


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_absent_parent_and_metadata_are_empty_mappings(encoding: Encoding) -> None:
    frames = codec.encode(SIMPLE, "request", SIGNER, encoding)
    assert frames[3] == frames[4] == {"json": b"{}", "msgpack": b"\x80"}[encoding]
    assert codec.decode(frames, "request", SIGNER) == SIMPLE


def test_signature_is_hmac_of_channel_frames_and_digests_of_buffers() -> None:
    frames = codec.encode(msgspec.structs.replace(SIMPLE, buffers=(b"abc", b"")), "request", SIGNER)
    text = b"request" + b"".join(len(frame).to_bytes(8, "big") + frame for frame in frames[2:6])
    for buffer in (b"abc", b""):
        text += len(buffer).to_bytes(8, "big") + blake3(buffer).digest()
    assert frames[1] == hmac.digest(b"k" * 32, text, hashlib.sha256)


@pytest.mark.parametrize("size", [0, 64 * 1024 - 1, 64 * 1024, 200_000])
def test_signature_is_the_same_for_long_frames(size: int) -> None:
    body = [b"head", b"1" * size, b"", b"2" * size]
    text = b"feed" + b"".join(len(frame).to_bytes(8, "big") + frame for frame in body)
    buffer = b"3" * size
    digest = size.to_bytes(8, "big") + blake3(buffer).digest()
    assert SIGNER.sign("feed", [*body, buffer]) == hmac.digest(b"k" * 32, text + digest, hashlib.sha256)


@pytest.mark.parametrize("size", [16, 64, 65, 200])
def test_signature_is_hmac_whatever_the_length_of_the_key(size: int) -> None:
    key = bytes(range(size))
    text = b"reply" + b"".join(len(frame).to_bytes(8, "big") + frame for frame in (b"1", b"", b"3", b"4"))
    assert SharedKey(key).sign("reply", [b"1", b"", b"3", b"4"]) == hmac.digest(key, text, hashlib.sha256)


@pytest.mark.parametrize("place", range(1, 7))
def test_a_changed_byte_breaks_the_signature(place: int) -> None:
    frames = codec.encode(msgspec.structs.replace(SIMPLE, buffers=(b"abc",)), "request", SIGNER)
    frames[place] = bytes([frames[place][0] ^ 1]) + frames[place][1:]
    with pytest.raises(errors.BadSignature) as caught:
        codec.decode(frames, "request", SIGNER)
    assert caught.value.field == "signature"


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 70_000])
def test_every_byte_of_a_buffer_is_signed(size: int) -> None:
    frames = codec.encode(msgspec.structs.replace(SIMPLE, buffers=(bytes(size),)), "request", SIGNER)
    for place in {0, size // 2, size - 1}:
        changed = bytearray(size)
        changed[place] = 1
        with pytest.raises(errors.BadSignature):
            codec.decode([*frames[:6], bytes(changed)], "request", SIGNER)


def test_a_byte_moved_to_the_next_frame_breaks_the_signature() -> None:
    frames = codec.encode(msgspec.structs.replace(SIMPLE, buffers=(b"ab", b"c")), "request", SIGNER)
    frames[6:] = [b"a", b"bc"]
    with pytest.raises(errors.BadSignature):
        codec.decode(frames, "request", SIGNER)


@pytest.mark.parametrize("other", ["reply", "feed"])
def test_a_signature_is_good_for_its_channel_alone(other: Channel) -> None:
    with pytest.raises(errors.BadSignature):
        codec.decode(codec.encode(SIMPLE, "request", SIGNER), other, SIGNER)


def test_an_observer_without_key_reads_a_feed_with_the_standard_library() -> None:
    frames = codec.encode(request(message.Stream(name="stdout", text="é"), number=7), "feed", SIGNER)
    assert json.loads(frames[2])["number"] == 7
    assert json.loads(frames[5]) == {"name": "stdout", "text": "é"}


def test_unknown_fields_are_ignored() -> None:
    frames = codec.encode(SIMPLE, "request", SIGNER)
    frames[5] = b'{"code": "1", "colour": "blue"}'
    assert codec.decode(frames, "request", None) == SIMPLE


# --- Refusals ---------------------------------------------------------------------------------


def refused(frames: list[bytes], limits: Limits = codec.DEFAULT_LIMITS) -> errors.KernelError:
    with pytest.raises(errors.ProtocolError) as caught:
        codec.decode(frames, "request", None, limits)
    return caught.value


@pytest.mark.parametrize(
    ("envelope", "error"),
    [
        (b"antiphon/2 json", errors.UnknownVersion),
        (b"antiphon/1 pickle", errors.UnknownVersion),
        (b"<IDS|MSG>", errors.MalformedMessage),
        (b"", errors.MalformedMessage),
    ],
)
def test_an_envelope_that_is_not_ours_is_named(envelope: bytes, error: type[Exception]) -> None:
    found = refused([envelope, *codec.encode(SIMPLE, "request", SIGNER)[1:]])
    assert type(found) is error
    assert found.field == "envelope"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_too_few_frames_are_refused(count: int) -> None:
    found = refused(codec.encode(SIMPLE, "request", SIGNER)[:count])
    assert (type(found), found.field) == (errors.MalformedMessage, "frames")


def test_no_frames_are_refused() -> None:
    assert refused([]).field == "envelope"


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(message_bytes=100), "message"),
        (Limits(frames=6), "frames"),
        (Limits(header_bytes=10), "header"),
    ],
)
def test_each_limit_is_named_on_both_sides(limits: Limits, field: str) -> None:
    large = msgspec.structs.replace(SIMPLE, buffers=(bytes(200),))
    found = refused(codec.encode(large, "request", SIGNER), limits)
    assert (type(found), found.field) == (errors.MessageTooLarge, field)
    with pytest.raises(errors.MessageTooLarge):
        codec.encode(large, "request", SIGNER, limits=limits)


@pytest.mark.parametrize(
    ("place", "frame", "field"),
    [
        (2, b"\xff", "header"),
        (2, b"[]", "header"),
        (2, b'{"msg_id": "m"}', "header.msg_type"),
        (2, b'{"msg_id": "m", "msg_type": "x", "number": -1}', "header.number"),
        (2, b'{"msg_id": "", "msg_type": "execute_request"}', "header.msg_id"),
        (3, b'{"msg_id": 3}', "parent_header.msg_id"),
        (4, b"[1]", "metadata"),
        (5, b"", "content"),
        (5, b"{}", "content.code"),
        (5, b'{"code": 3}', "content.code"),
        (5, b'{"code": "1", "user_expressions": {"a": 1}}', "content.user_expressions[...]"),
        (4, b'{"code": ' + b"[" * 100_000, "metadata"),
    ],
)
def test_a_part_that_does_not_decode_is_named(place: int, frame: bytes, field: str) -> None:
    frames = codec.encode(SIMPLE, "request", SIGNER)
    frames[place] = frame
    found = refused(frames)
    assert (type(found), found.field) == (errors.MalformedMessage, field)


@pytest.mark.parametrize(("value", "field"), [(-1, "content.cursor_pos"), ("x", "content.cursor_pos")])
def test_a_value_out_of_range_is_named(value: object, field: str) -> None:
    frames = codec.encode(request(CompleteRequest(code="", cursor_pos=0)), "request", SIGNER)
    frames[5] = msgspec.json.encode({"code": "", "cursor_pos": value})
    assert refused(frames).field == field


def test_an_unknown_type_is_named() -> None:
    frames = codec.encode(SIMPLE, "request", SIGNER)
    frames[2] = b'{"msg_id": "m", "msg_type": "dance_request"}'
    found = refused(frames)
    assert (type(found), found.field) == (errors.UnknownMessageType, "header.msg_type")
    assert "dance_request" in found.reason


def test_what_has_no_form_on_the_wire_is_refused_before_it_is_sent() -> None:
    with pytest.raises(errors.MalformedMessage):
        codec.encode(msgspec.structs.replace(SIMPLE, metadata={"x": object()}), "request", SIGNER)


@given(st.lists(st.binary(max_size=40), max_size=9), st.sampled_from([b"", *codec.ENVELOPES]))
def test_any_bytes_are_refused_in_order(frames: list[bytes], envelope: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        codec.decode([envelope, *frames], "request", None)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        SharedKey(b"short")


# --- Records and errors -----------------------------------------------------------------------


def test_a_publication_comes_back_from_a_feed_reply() -> None:
    sent = Message(
        header=Header(msg_id="n-1", msg_type="display_data", number=1),
        parent_header=Header(msg_id="m", msg_type="execute_request"),
        metadata={"a": [1]},
        content=message.DisplayData(data={"image/png": "AAAA"}),
        buffers=(b"\xff",),
    )
    reply = message.FeedReply(publications=(codec.to_record(sent),), latest=1)
    for encoding in ENCODINGS:
        back = codec.decode(codec.encode(request(reply), "reply", SIGNER, encoding), "reply", SIGNER)
        assert isinstance(back.content, message.FeedReply)
        assert codec.from_record(back.content.publications[0]) == sent


@pytest.mark.parametrize(
    ("msg_type", "content", "error"),
    [
        ("dance", {}, errors.UnknownMessageType),
        ("stream", {"name": "stdout"}, errors.MalformedMessage),
    ],
)
def test_a_record_that_is_no_publication_is_refused(
    msg_type: str, content: Any, error: type[Exception]
) -> None:
    record = message.PublicationRecord(header=Header(msg_id="m", msg_type=msg_type), content=content)
    with pytest.raises(error):
        codec.from_record(record)


@pytest.mark.parametrize("error", errors.ERRORS.values())
def test_every_error_crosses_the_wire(error: type[errors.KernelError]) -> None:
    back = codec.from_error_reply(codec.to_error_reply(error("why", field="content.x")))
    assert (type(back), back.reason, back.field) == (error, "why", "content.x")


def test_an_error_of_a_newer_kernel_keeps_its_name() -> None:
    back = codec.from_error_reply(message.ErrorReply(ename="TooHot", evalue="37 degrees"))
    assert (type(back), back.reason) == (errors.KernelError, "TooHot: 37 degrees")
