"""The transport over ZeroMQ, both ends.

What belongs here: which sockets there are, and what goes on them. What must never come here: what a
message means.

When a queue is full:

- requests, client to kernel: ``send`` raises ``ConnectionLost`` after ``HIGH_WATER`` unsent ones;
- replies to a client that does not read: dropped by the ROUTER; the client asks again by msg_id;
- a feed, for a subscriber that does not read: dropped by the XPUB, for this subscriber alone; the
  numbers show it the gap, and ``feed_request`` fills it.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import zmq

from .. import codec
from ..codec import DEFAULT_LIMITS, Channel, Encoding, Frames, Limits
from ..connection import Connection
from ..errors import ConnectionLost, KernelError, ProtocolError
from ..message import Header, Message, SessionUID, Status
from ..service import Service
from ..signing import SharedKey
from . import Receiver
from .door import Door, bind
from .sockets import HIGH_WATER, SUBSCRIPTION_BYTES, Reader, new_socket, send_frames

log = logging.getLogger(__name__)


class ZeroMQServer:
    """The kernel's end: requests to a ``Service`` and its feeds to subscribers.

    Args:
        service: answers the requests; opened and closed by the caller.
        key: signs and verifies; the ``key`` of the connection file.
        requests: endpoint to bind for requests, such as "ipc:///run/…" or "tcp://127.0.0.1:*".
        feed: endpoint to bind for feeds.
    """

    def __init__(self, service: Service, *, key: bytes, requests: str, feed: str) -> None:
        self._service = service
        self._signer = SharedKey(key)
        self._limits = service.limits
        self._context = zmq.Context()
        self.requests = requests
        self.feed = feed
        self._readers: list[Reader] = []
        self._doors: list[Door] = []
        # Sessions that somebody has subscribed to, once at least: who still does, ZeroMQ knows.
        self._followed: set[str] = set()

    def open(self) -> None:
        """Bind both sockets; afterwards ``requests`` and ``feed`` are the addresses to connect to.

        Raises:
            OSError: an endpoint cannot be bound.
        """
        self._router = new_socket(self._context, zmq.ROUTER, self._limits)
        self._xpub = new_socket(self._context, zmq.XPUB, self._limits)
        self._xpub.setsockopt(zmq.XPUB_MANUAL, 1)
        self._xpub.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES)
        self.requests = self._bind(self._router, self.requests)
        self.feed = self._bind(self._xpub, self.feed)
        self._service.feed_address = self.feed
        self._requests = Reader(self._router, self._take_request)
        self._subscriptions = Reader(self._xpub, self._take_subscription)
        self._readers = [self._requests, self._subscriptions]
        self._service.add_publisher(self._publish)

    def _bind(self, socket: zmq.Socket[bytes], endpoint: str) -> str:
        address, door = bind(socket, endpoint)
        if door is not None:
            self._doors.append(door)
        return address

    def close(self) -> None:
        """Send what is on its way, within a second, and let go of the sockets."""
        self._service.remove_publisher(self._publish)
        for door in self._doors:
            door.close()
        for reader in self._readers:
            reader.close()
        self._context.destroy(linger=1000)

    def _take_request(self, parts: list[bytes]) -> None:
        identity, frames = parts[0], parts[1:]
        encoding: Encoding = "json"
        header: Header | None = None
        try:
            encoding = codec.encoding_of(frames)
            opened = codec.unseal(frames, "request", self._signer, self._limits)
            header = opened.header
            request = codec.read(opened)
        except ProtocolError as error:
            self._reply(identity, encoding, self._service.reply_to(header, codec.to_error_reply(error)))
            return
        self._service.submit(request, lambda reply: self._reply(identity, encoding, reply))

    def _reply(self, identity: bytes, encoding: Encoding, reply: Message) -> None:
        try:
            frames = codec.encode(reply, "reply", self._signer, encoding, self._limits)
        except KernelError as error:
            refusal = self._service.reply_to(reply.parent_header, codec.to_error_reply(error))
            frames = codec.encode(refusal, "reply", self._signer, encoding, self._limits)
        if self._router.closed:
            return
        with contextlib.suppress(zmq.ZMQError):  # the client is gone
            send_frames(self._router, [identity, *frames])
        self._requests.look_again()

    def _take_subscription(self, parts: list[bytes]) -> None:
        word, topic = parts[0][:1], parts[0][1:]
        if word == b"\x00":
            self._xpub.setsockopt(zmq.UNSUBSCRIBE, topic)
        elif word == b"\x01":
            # Manual mode: what is not accepted here gets nothing. ZeroMQ matches by prefix, but all
            # UIDs have one length, so an exact UID is a prefix of no other.
            uid = topic.decode("ascii", "replace")
            if self._service.has_feed(uid):
                self._xpub.setsockopt(zmq.SUBSCRIBE, topic)
                self._followed.add(uid)
                self._service.beacon(SessionUID(uid))
            if not self._service.has_session(uid):
                # Closed before this subscription came, which its reader may not know: it had the beacon.
                self._followed.discard(uid)

    def _publish(self, uid: SessionUID, message: Message, body: Frames) -> None:
        if uid not in self._followed:
            return  # the four publications of a run would be signed for nobody
        if isinstance(message.content, Status) and message.content.execution_state == "closed":
            self._followed.discard(uid)  # nothing follows it
        frames = codec.seal(body, "feed", self._signer, "json")
        with contextlib.suppress(zmq.ZMQError):
            send_frames(self._xpub, [uid.encode(), *frames])
        self._subscriptions.look_again()


class ZeroMQTransport:
    """The client's end. Satisfies ``Transport``.

    Args:
        requests: address of the kernel's request channel (connection file).
        feed: address of its feeds.
        key: the ``key`` of the connection file.
        encoding: how requests are written; replies come back the same way.
    """

    def __init__(
        self,
        *,
        requests: str,
        feed: str,
        key: bytes,
        encoding: Encoding = "msgpack",
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._addresses = (requests, feed)
        self._signer = SharedKey(key)
        self._encoding = encoding
        self._limits = limits
        self._context = zmq.Context()
        self._readers: list[Reader] = []
        self._receiver: Receiver | None = None
        self._gone: ConnectionLost | None = None

    @classmethod
    def to(cls, connection: Connection, **options: Any) -> ZeroMQTransport:
        """A transport to the kernel of a connection file."""
        return cls(requests=connection.requests, feed=connection.feed, key=connection.key.encode(), **options)

    async def open(self, receiver: Receiver) -> None:
        self._receiver = receiver
        requests, feed = self._addresses
        self._dealer = new_socket(self._context, zmq.DEALER, self._limits)
        self._sub = new_socket(self._context, zmq.SUB, self._limits)
        monitor = self._dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._replies = Reader(self._dealer, self._take_reply)
        self._readers = [
            self._replies,
            Reader(self._sub, self._take_publication),
            Reader(monitor, self._take_event),
        ]
        self._dealer.connect(requests)
        self._sub.connect(feed)

    def send(self, request: Message) -> None:
        if self._receiver is None or self._gone is not None:
            raise self._gone or ConnectionLost("the transport is closed")
        frames = codec.encode(request, "request", self._signer, self._encoding, self._limits)
        try:
            send_frames(self._dealer, frames)
        except zmq.Again as error:
            raise ConnectionLost(f"the kernel does not take requests: {HIGH_WATER} wait") from error
        self._replies.look_again()

    def subscribe(self, uid: SessionUID) -> None:
        self._sub.setsockopt(zmq.SUBSCRIBE, uid.encode())

    def unsubscribe(self, uid: SessionUID) -> None:
        self._sub.setsockopt(zmq.UNSUBSCRIBE, uid.encode())

    async def close(self) -> None:
        if self._receiver is None:
            return
        self._receiver = None
        for reader in self._readers:
            reader.close()
        self._dealer.disable_monitor()
        self._context.destroy(linger=0)

    def _take_reply(self, frames: list[bytes]) -> None:
        message = self._decoded(frames, "reply")
        if message is not None and self._receiver is not None:
            self._receiver.reply(message)

    def _take_publication(self, parts: list[bytes]) -> None:
        message = self._decoded(parts[1:], "feed")
        if message is None or self._receiver is None:
            return
        if message.header.session.encode() != parts[0]:
            log.warning("a publication came under a topic that is not its session")
            return
        self._receiver.publication(message)

    def _decoded(self, frames: list[bytes], channel: Channel) -> Message | None:
        try:
            return codec.decode(frames, channel, self._signer, self._limits)
        except ProtocolError as error:
            # The number that is missing now is asked for again; a reply has its deadline.
            log.warning("a message of the kernel cannot be read: %s (%s)", error.reason, error.field)
            return None

    def _take_event(self, frames: list[bytes]) -> None:
        # ZeroMQ would connect again by itself, but to another kernel: a kernel that ended takes its
        # sessions with it, and its key.
        if self._gone is None:
            self._gone = ConnectionLost("the kernel closed the connection: it ended, or it refused a message")
            if self._receiver is not None:
                self._receiver.lose(self._gone)
