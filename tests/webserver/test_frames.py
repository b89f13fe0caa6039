"""Frames of text messages. Source: RFC 6455, section 5.2."""

from __future__ import annotations

import pytest

from antiphon_webserver.http.frames import Framed


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "81 00"),
        (125, "81 7d"),
        (126, "81 7e 00 7e"),
        (0xFFFF, "81 7e ff ff"),
        (0x10000, "81 7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_a_frame_is_its_length_and_its_text(size: int, head: str) -> None:
    text = b"x" * size
    assert Framed()(text) == bytes.fromhex(head) + text


def test_readers_of_one_text_share_its_frame() -> None:
    framed, text = Framed(), b'{"jsonrpc":"2.0"}'
    first = framed(text)
    assert framed(text) is first
    assert framed(b"another") != first
    assert framed(text) == first
