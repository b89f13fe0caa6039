"""widget.*: what people do to the widgets of a session."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from antiphon_kernel.message import CommMsg

from ..context import Context, Handler
from ..errors import InvalidParams
from ..limits import check, check_id
from ..secret import new_id
from .session import Handed

CommId = Annotated[str, Meta(min_length=1, max_length=200)]

Buffers = Annotated[tuple[str, ...], Meta(max_length=1_000)]


async def send(
    context: Context,
    *,
    session: str,
    comm: CommId,
    data: dict[str, Any],
    buffers: Buffers = (),
    msg_id: str | None = None,
) -> Handed:
    """Hand a message to a widget and return; the feed tells what comes of it.

    ``buffers`` are base64. An id made by the client is handled once.
    """
    if msg_id is not None:
        check_id(msg_id, "msg_id")
    check("widget_bytes", len(msgspec.json.encode(data)) + sum(map(len, buffers)), "The message")
    name = msg_id or new_id()
    raw = tuple(_bytes(number, buffer) for number, buffer in enumerate(buffers))
    await context.sessions.tell_comm(
        session, CommMsg(comm_id=comm, data=data), raw, name, context.account.name
    )
    return Handed(msg_id=name)


def _bytes(number: int, buffer: str) -> bytes:
    try:
        return b64decode(buffer, validate=True)
    except binascii.Error as error:
        raise InvalidParams(f"buffers[{number}]: this is not base64.", field=f"buffers[{number}]") from error


METHODS: dict[str, Handler] = {"widget.send": send}
