"""The five sockets of a Jupyter kernel.

What belongs here: sockets and their bounds. What must never come here: what a message means.

When a queue is full:

- replies and prompts, for a client that does not read: dropped by the ROUTER, as by any kernel;
- iopub: whoever publishes waits for the slowest subscriber, up to ``SLOW_SECONDS``. Waiting here only
  delays the reading of the session's feed, which keeps what comes meanwhile. After that the message is
  dropped for the subscribers that do not read, and nobody waits for them for ``PATIENCE_SECONDS``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Literal, TypeAlias

import zmq

from ..codec import DEFAULT_LIMITS, Frames, Limits
from .door import Door, bind
from .sockets import SUBSCRIPTION_BYTES, Reader, new_socket, send_frames

Channel: TypeAlias = Literal["shell", "control", "stdin"]

SLOW_SECONDS = 2.0
PATIENCE_SECONDS = 10.0

LINGER_MILLISECONDS = 1000

MAX_SOCKETS = 8192
"""Of one context. ZeroMQ's own bound, 1023, is that of 200 kernels."""

RETRY_SECONDS = 0.005
"""Between two tries to send to a subscriber that is behind. A thousand messages wait for it, so it is
busy for longer than this."""


Context: TypeAlias = "zmq.Context[zmq.Socket[bytes]]"


def new_context() -> Context:
    """What sockets have in common: a thread that sends and receives for all of them. Close it by ``term``
    when they are closed."""
    context: Context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
    return context


class JupyterSockets:
    """The kernel's end of shell, control, stdin, iopub and heartbeat.

    Args:
        endpoints: addresses to bind, by channel: the three of ``Channel``, "iopub" and "hb".
        take: called with the frames of each message, identities first.
        subscribed: called with each topic that somebody subscribes to.
        context: shared with others, and closed by who made it; without it, one of its own.
    """

    def __init__(
        self,
        endpoints: dict[str, str],
        *,
        take: Callable[[Channel, Frames], None],
        subscribed: Callable[[bytes], None],
        limits: Limits = DEFAULT_LIMITS,
        context: Context | None = None,
    ) -> None:
        self.endpoints = dict(endpoints)
        self._take = take
        self._subscribed = subscribed
        self._limits = limits
        self._context = context or new_context()
        self._is_shared = context is not None
        self._routers: dict[str, zmq.Socket[bytes]] = {}
        self._sockets: list[zmq.Socket[bytes]] = []
        self._readers: dict[str, Reader] = {}
        self._doors: list[Door] = []
        self._order = asyncio.Lock()
        self._patient_from = 0.0

    def open(self) -> None:
        """Bind; afterwards ``endpoints`` are the addresses to connect to.

        Raises:
            OSError: an endpoint cannot be bound. ``close`` must follow.
        """
        shell, control, stdin = (self._router(channel) for channel in ("shell", "control", "stdin"))
        heart = self._router("hb")
        self._iopub = self._bound("iopub", zmq.XPUB)
        self._readers = {
            "shell": Reader(shell, lambda frames: self._take("shell", frames)),
            "control": Reader(control, lambda frames: self._take("control", frames)),
            "stdin": Reader(stdin, lambda frames: self._take("stdin", frames)),
            "hb": Reader(heart, self._beat),
            "iopub": Reader(self._iopub, self._take_subscription),
        }

    def _router(self, channel: str) -> zmq.Socket[bytes]:
        socket = self._routers[channel] = self._bound(channel, zmq.ROUTER)
        return socket

    def _bound(self, channel: str, kind: int) -> zmq.Socket[bytes]:
        try:
            socket = new_socket(self._context, kind, self._limits)
        except zmq.ZMQError as error:
            raise OSError(error.errno, f"no socket can be made: {error}") from error
        self._sockets.append(socket)
        if kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client that connects again keeps its identity
        else:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # each subscriber is welcomed, not the first of a topic
            socket.setsockopt(zmq.XPUB_NODROP, 1)
            socket.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES)
        try:
            self.endpoints[channel], door = bind(socket, self.endpoints[channel])
        except OSError as error:
            raise OSError(error.errno, f"{self.endpoints[channel]} cannot be bound: {error}") from error
        if door is not None:
            self._doors.append(door)
        return socket

    def send(self, channel: Channel, frames: Frames) -> None:
        """Send to the client that the first frame names; dropped if it is gone or does not read."""
        self._send(channel, frames)

    def _send(self, channel: str, frames: Frames) -> None:
        socket = self._routers[channel]
        if not socket.closed:
            with contextlib.suppress(zmq.ZMQError):
                send_frames(socket, frames)
            self._readers[channel].look_again()

    async def publish(self, frames: Frames) -> None:
        """Send on iopub: to all subscribers, in the order of the calls."""
        async with self._order:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + SLOW_SECONDS
            while not self._publish(frames):
                now = loop.time()
                if self._patient_from <= now < deadline:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if now >= deadline:
                    self._patient_from = now + PATIENCE_SECONDS
                self._iopub.setsockopt(zmq.XPUB_NODROP, 0)
                self._publish(frames)
                self._iopub.setsockopt(zmq.XPUB_NODROP, 1)
                break

    def _publish(self, frames: Frames) -> bool:
        """Whether there was room; if not, nothing was sent."""
        if self._iopub.closed:
            return True
        try:
            send_frames(self._iopub, frames)
        except zmq.Again:
            return False
        finally:
            self._readers["iopub"].look_again()
        return True

    def _take_subscription(self, frames: Frames) -> None:
        if frames[0][:1] == b"\x01":
            self._subscribed(frames[0][1:])

    def _beat(self, frames: Frames) -> None:
        self._send("hb", frames)

    def close(self) -> None:
        """Let go of the sockets. What is on its way is sent within a second: after this, in a context that
        is shared; before it returns, in one of its own."""
        for reader in self._readers.values():
            reader.close()
        for door in self._doors:
            door.close()
        for socket in self._sockets:
            socket.close(linger=LINGER_MILLISECONDS)
        if not self._is_shared:
            self._context.term()

    def __enter__(self) -> JupyterSockets:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
