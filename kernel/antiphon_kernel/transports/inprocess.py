"""The transport without a wire: a ``Service`` on this event loop.

What belongs here: only what keeps it from differing from the wire. A request passes through the
codec, so that it fails here exactly as it would there and nobody shares a mutable value with the
kernel. Nothing is called back before the call that caused it has returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .. import codec
from ..codec import Frames
from ..errors import ConnectionLost, KernelError
from ..message import Message, SessionUID
from ..service import Service
from . import Receiver


class InProcessTransport:
    """Satisfies ``Transport``. Closing it leaves the service alone."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = None
        self._subscribed: set[SessionUID] = set()

    async def open(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._service.add_publisher(self._publish)

    def send(self, request: Message) -> None:
        if self._receiver is None:
            raise ConnectionLost("the transport is closed")
        frames = codec.encode(request, "request", None, "msgpack", self._service.limits)
        self._loop.call_soon(self._deliver_request, frames)

    def subscribe(self, uid: SessionUID) -> None:
        self._subscribed.add(uid)
        self._loop.call_soon(self._service.beacon, uid)

    def unsubscribe(self, uid: SessionUID) -> None:
        self._subscribed.discard(uid)

    async def close(self) -> None:
        self._receiver = None
        self._service.remove_publisher(self._publish)

    def _deliver_request(self, frames: Frames) -> None:
        header = None
        try:
            opened = codec.unseal(frames, "request", None, self._service.limits)
            header = opened.header
            request = codec.read(opened)
        except KernelError as error:
            self._reply(self._service.reply_to(header, codec.to_error_reply(error)))
        else:
            self._service.submit(request, self._reply)

    def _reply(self, message: Message) -> None:
        self._later(lambda receiver: receiver.reply(message))

    def _publish(self, uid: SessionUID, message: Message, body: Frames) -> None:
        if uid in self._subscribed:
            self._later(lambda receiver: receiver.publication(message))

    def _later(self, call: Callable[[Receiver], None]) -> None:
        def deliver() -> None:
            if self._receiver is not None:
                call(self._receiver)

        self._loop.call_soon(deliver)
