"""An address by ipc that takes no more connections than there are file descriptors for.

ZeroMQ accepts whoever connects, and its listener by ipc (4.3.5) ends the process when ``accept`` says that
there is no descriptor left; that by tcp tries again. So the listener that clients reach is ours. Once
somebody waits there it goes to ZeroMQ, and another one takes its place at the address: nobody can connect to
the first any more, so ZeroMQ cannot accept more from it than were waiting, which is bounded, and for so many
there was room. While there is not, they wait outside, as by tcp.

A connection lives as long as the listener that it came by, so that is kept until the last of them has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket

import zmq
from zmq.utils.monitor import parse_monitor_message

from .. import descriptors
from .sockets import Reader

log = logging.getLogger(__name__)

WAITING = 16
"""Connections that wait at a listener: as many, and one, as ZeroMQ is given at once. A client that finds it
full tries again by itself."""

SUFFIX_BYTES = 9
"""By which the path of a listener may be longer than the address."""

ACCEPT_SECONDS = 0.001
"""Until ZeroMQ is looked at again, which still accepts those before."""

ROOM_SECONDS = 0.2
"""Until the descriptors are looked at again."""

LEAVE_SECONDS = 1.0
"""For which a listener without connections is kept: somebody may have been on the way to it when it lost its
place, which a busy machine can make long."""


class Door:
    """The one address by ipc of a socket. ``close`` it before the socket.

    Args:
        socket: of a kind that is bound.
        path: of the address; what is there is replaced, as ZeroMQ does.

    Raises:
        OSError: nothing can be bound there.
    """

    def __init__(self, socket: zmq.Socket[bytes], path: str) -> None:
        self._socket = socket
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._given = -1  # the listener that was given last
        self._inside: dict[str, _Listener] = {}
        self._is_short = False
        self._is_open = True
        self._outside = self._listen()
        self._monitor = socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self._events = Reader(self._monitor, self._take_event)
        self._wait_for_somebody()

    def _listen(self) -> socket.socket:
        """A listener in the place."""
        self._count = self._count % 0xFFFFFFF + 1
        name = f"{self._path}.{self._count:x}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)  # left by a process that was killed just here
            listener.bind(name)
            listener.listen(WAITING)
            os.rename(name, self._path)
        except BaseException:
            listener.close()
            raise
        return listener

    def _wait_for_somebody(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._outside, self._knock)

    def _knock(self) -> None:
        self._loop.remove_reader(self._outside)
        wait = self._let_in()
        if wait:
            self._loop.call_later(wait, self._wait_for_somebody)
        else:
            self._wait_for_somebody()

    def _let_in(self) -> float:
        """Let in those who wait. Gives the seconds to wait if that cannot be yet."""
        if _has_somebody(self._given):
            return ACCEPT_SECONDS
        try:
            descriptors.require(WAITING + 2)  # one more than it says waits, and there is the next listener
            following = self._listen()
        except OSError as error:
            if not self._is_short:
                log.error("nobody can connect to %s for now: %s", self._path, error)
            self._is_short = True
            return ROOM_SECONDS
        if self._is_short:
            log.warning("clients can connect to %s again", self._path)
        self._is_short = False
        name = str(self._outside.getsockname())
        self._given = self._outside.detach()
        self._outside = following
        self._inside[name] = _Listener(self._given)
        self._socket.setsockopt(zmq.USE_FD, self._given)
        self._socket.bind(f"ipc://{name}")
        return 0

    def _take_event(self, frames: list[bytes]) -> None:
        event = parse_monitor_message(frames)
        name = event["endpoint"].decode().removeprefix("ipc://")
        if (listener := self._inside.get(name)) is None:
            return
        listener.connections += 1 if event["event"] == zmq.EVENT_ACCEPTED else -1
        if not listener.connections:
            self._loop.call_later(LEAVE_SECONDS, self._leave, name)

    def _leave(self, name: str) -> None:
        listener = self._inside.get(name)
        if not self._is_open or listener is None or listener.connections:
            return
        if _has_somebody(listener.descriptor):
            return  # who leaves too
        del self._inside[name]
        if self._given == listener.descriptor:
            self._given = -1
        self._socket.unbind(f"ipc://{name}")

    def close(self) -> None:
        """Nobody comes in any more; those inside stay as long as the socket."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._outside)
        self._outside.close()
        self._events.close()
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        with contextlib.suppress(OSError):
            os.unlink(self._path)


class _Listener:
    """One that ZeroMQ has, and how many connections came by it that are still there."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.connections = 0


def _has_somebody(listener: int) -> bool:
    if listener < 0:
        return False
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


def bind(socket: zmq.Socket[bytes], endpoint: str) -> tuple[str, Door | None]:
    """Bind a socket. Gives the address to connect to, and the door to close, if it is by ipc.

    Raises:
        OSError: it cannot be bound.
    """
    scheme, _, path = endpoint.partition("://")
    if scheme == "ipc" and path[:1] not in ("@", "*"):  # names without a file
        return endpoint, Door(socket, path)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise OSError(error.errno, str(error)) from error
    return socket.getsockopt_string(zmq.LAST_ENDPOINT), None
