"""JSON-RPC over HTTP and over a WebSocket: the same dispatcher, two ways to it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from .. import logs
from ..clients import Client
from ..dispatcher import dispatch
from ..jsonrpc import MAX_BYTES
from .frames import Framed
from .handler import Handler, Refusal

MESSAGE_BYTES = 2 * MAX_BYTES
"""Above this a connection is ended. What is a little over the limit of a request still gets a sentence."""


class Rpc(Handler):
    """``POST /rpc``: one JSON-RPC request, or a batch, or a notification."""

    def check_xsrf_cookie(self) -> None:
        """Without a sign-in there is nothing that a foreign page could misuse."""
        if self.cookie is not None:
            super().check_xsrf_cookie()

    async def post(self) -> None:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "The Content-Type must be application/json.")
        context = replace(self.web.context, caller=await self.caller())
        answer = await dispatch(context, self.request.body)
        if answer is None:
            self.set_status(204)
            return
        self.set_header("Content-Type", "application/json")
        self.finish(answer)


class Socket(Handler, WebSocketHandler):
    """``/rpc`` as a WebSocket: requests, answers as they come, and notifications of subscriptions."""

    client: Client
    messages = 0

    def prepare(self) -> None:
        self.begin()
        self.pass_door(changes=True)

    def check_origin(self, origin: str) -> bool:
        """``prepare`` has checked it, with the host."""
        return True

    async def get(self, *args: str, **kwargs: str) -> None:
        caller = await self.caller()
        if caller.account is None:
            raise Refusal(401, "A WebSocket needs a sign-in or a token.")
        context = replace(self.web.context, caller=caller)
        self.client = Client(
            context, Wire(self, self.web.framed), self.web.relay, self.web.presence, dispatch
        )
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        # Small messages must not wait for the acknowledgement of the one before (Nagle).
        self.set_nodelay(True)
        self.web.clients.add(self.client)

    async def on_message(self, message: str | bytes) -> None:
        """Returns when the next message may be read: tornado awaits it."""
        if isinstance(message, bytes):
            self.close(1003, "only text is understood")
            return
        # A request of its own, named after the connection: what is started for it inherits the name.
        self.messages += 1
        logs.begin(f"{self.id}-{self.messages}")
        await self.client.handle(message.encode())

    def on_close(self) -> None:
        self.web.clients.remove(self.client)


class Wire:
    """A socket as ``connection.Transport``.

    It writes whole frames to the stream below tornado's WebSocket, which would frame a message once for
    each reader and start a task for each.
    """

    def __init__(self, socket: Socket, framed: Framed) -> None:
        self._socket = socket
        self._framed = framed

    def send(self, text: bytes) -> Awaitable[None] | None:
        protocol = self._socket.ws_connection
        # After a close frame nothing may follow.
        if not isinstance(protocol, WebSocketProtocol13) or protocol.is_closing():
            raise ConnectionError("the WebSocket is closed")
        try:
            written = protocol.stream.write(self._framed(text))
        except StreamClosedError as error:
            raise ConnectionError("the WebSocket is closed") from error
        return None if written.done() else _taken(written)

    def close(self, code: int, reason: str) -> None:
        self._socket.close(code, reason)


async def _taken(written: Awaitable[None]) -> None:
    try:
        await written
    except StreamClosedError as error:
        raise ConnectionError("the WebSocket is closed") from error
