"""Jupyter's frames and words, without a socket."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_kernel.codec import Limits
from antiphon_kernel.errors import BadSignature, KernelError, MalformedMessage, MessageTooLarge
from antiphon_kernel.jupyter import wire, words
from antiphon_kernel.jupyter.wire import Signer
from antiphon_kernel.message import (
    Beacon,
    CommMsg,
    CompleteRequest,
    ConnectionFile,
    Content,
    ErrorReply,
    ExecuteReply,
    ExecuteRequest,
    HistoryRequest,
    InputRequest,
    InspectRequest,
    Status,
    Stream,
)

SIGNER = Signer(b"key")
NOBODY = Signer(b"")


def message(content: Any = None, *, signer: Signer = SIGNER, buffers: tuple[bytes, ...] = ()) -> list[bytes]:
    header = b'{"msg_id": "m1", "msg_type": "execute_request", "username": "ada", "subshell_id": null}'
    return wire.encode([b"client"], signer, header, content or {"code": "1"}, buffers=buffers)


def test_a_signature_is_hexadecimal_hmac_of_four_frames() -> None:
    frames = message(buffers=(b"unsigned",))
    assert frames[:2] == [b"client", b"<IDS|MSG>"]
    assert frames[2].decode() == hmac.new(b"key", b"".join(frames[3:7]), hashlib.sha256).hexdigest()
    assert frames[7:] == [b"unsigned"]


def test_a_request_is_read_and_keeps_its_header_as_it_came() -> None:
    request = wire.decode([b"router", *message(buffers=(b"\x00\xff",))], SIGNER)
    assert request.identities == [b"router", b"client"]
    assert (request.header.msg_id, request.header.username) == ("m1", "ada")
    assert json.loads(request.raw_header)["subshell_id"] is None
    assert json.loads(request.content) == {"code": "1"}
    assert request.buffers == (b"\x00\xff",)


def test_an_empty_key_means_that_nobody_signs() -> None:
    frames = message(signer=NOBODY)
    assert frames[2] == b""
    assert wire.decode(frames, NOBODY).header.msg_id == "m1"


@pytest.mark.parametrize("place", range(2, 7))
def test_a_changed_frame_breaks_the_signature(place: int) -> None:
    frames = message()
    frames[place] += b" "
    with pytest.raises(BadSignature):
        wire.decode(frames, SIGNER)


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([], MalformedMessage),
        ([b"client", b"", b"{}"], MalformedMessage),
        (message()[:-1], MalformedMessage),
        ([b"<IDS|MSG>", b"", b"[]", b"{}", b"{}", b"{}"], MalformedMessage),
        ([b"<IDS|MSG>", b"", b'{"msg_id": 1, "msg_type": "x"}', b"{}", b"{}", b"{}"], MalformedMessage),
        ([b"<IDS|MSG>", b"", b'{"msg_id": "1", "msg_type": "x"}', b"{}", b"\xff", b"{}"], MalformedMessage),
    ],
)
def test_what_is_no_message_is_refused(frames: list[bytes], error: type[KernelError]) -> None:
    with pytest.raises(error):
        wire.decode(frames, NOBODY)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(MessageTooLarge):
        wire.decode(message(buffers=(b"x" * 500,)), SIGNER, Limits(message_bytes=400))
    with pytest.raises(MessageTooLarge):
        wire.decode(message(buffers=(b"",) * 20), SIGNER, Limits(frames=20))


@given(st.lists(st.one_of(st.binary(max_size=30), st.just(wire.DELIMITER), st.just(b"{}")), max_size=12))
def test_any_frames_are_read_or_refused(frames: list[bytes]) -> None:
    with pytest.raises(KernelError):
        wire.decode(frames, SIGNER)


def test_an_unknown_signature_scheme_is_refused() -> None:
    assert Signer(b"key", "hmac-sha512").sign([b""])
    for scheme in ("sha256", "hmac-nothing"):
        with pytest.raises(ValueError, match=scheme):
            Signer(b"key", scheme)


def test_endpoints_are_those_of_jupyter() -> None:
    assert ConnectionFile(shell_port=5).endpoint(5) == "tcp://127.0.0.1:5"
    assert ConnectionFile().endpoint(0) == "tcp://127.0.0.1:*"
    assert ConnectionFile(transport="ipc", ip="/run/k").endpoint(1) == "ipc:///run/k-1"


# --- Words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("msg_type", "frame", "content"),
    [
        ("execute_request", {"code": "1"}, ExecuteRequest(code="1")),
        ("execute_request", {"code": "1", "new_field": [1]}, ExecuteRequest(code="1")),
        ("complete_request", {"code": "a😀", "cursor_pos": 3}, CompleteRequest(code="a😀", cursor_pos=2)),
        ("inspect_request", {"code": "a", "cursor_pos": 1}, InspectRequest(code="a", cursor_pos=1)),
        (
            "history_request",
            {"hist_access_type": "tail", "n": 3, "raw": True, "output": False},
            HistoryRequest(hist_access_type="tail", n=3),
        ),
        ("comm_msg", {"comm_id": "c", "data": {"a": 1}}, CommMsg(comm_id="c", data={"a": 1})),
    ],
)
def test_a_request_in_our_words(msg_type: str, frame: Any, content: Content) -> None:
    assert words.is_known(msg_type)
    assert words.request(msg_type, json.dumps(frame).encode()) == content


@pytest.mark.parametrize("frame", [b"{}", b"[]", b"\xff", b'{"code": 1}', b"["])
def test_a_wrong_content_is_refused(frame: bytes) -> None:
    with pytest.raises(MalformedMessage):
        words.request("execute_request", frame)


@pytest.mark.parametrize("msg_type", ["shutdown_request", "restart_session_request", "x"])
def test_what_a_session_does_not_answer_is_not_known(msg_type: str) -> None:
    assert not words.is_known(msg_type)


def test_an_execute_reply_has_the_fields_of_its_status() -> None:
    assert words.reply(ExecuteReply(status="ok", execution_count=2)) == {
        "status": "ok",
        "execution_count": 2,
        "user_expressions": {},
        "payload": (),
    }
    failed = words.reply(ExecuteReply(status="error", ename="ValueError", evalue="x", traceback=("t",)))
    assert (failed["status"], failed["ename"], failed["traceback"]) == ("error", "ValueError", ("t",))


def test_a_run_that_was_dropped_is_aborted() -> None:
    assert words.reply(ExecuteReply(status="error", ename="RequestCancelled"))["status"] == "aborted"


def test_a_refusal_is_an_error_with_an_empty_traceback() -> None:
    assert words.reply(ErrorReply(ename="QueueFull", evalue="full")) == {
        "status": "error",
        "ename": "QueueFull",
        "evalue": "full",
        "traceback": [],
    }


@pytest.mark.parametrize("content", [Beacon(latest=1), InputRequest(prompt="?"), ExecuteReply(status="ok")])
def test_replies_and_prompts_are_not_for_iopub(content: Content) -> None:
    assert words.published(content) is None


def test_outputs_go_out_as_they_are_and_a_closed_session_is_a_dead_kernel() -> None:
    assert words.published(Stream(name="stdout", text="a")) == Stream(name="stdout", text="a")
    assert words.published(Status(execution_state="busy")) == {"execution_state": "busy"}
    assert words.published(Status(execution_state="closed", reason="r")) == {"execution_state": "dead"}
