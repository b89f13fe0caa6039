"""Sockets of ZeroMQ: their bounds, and how they are read without waste.

Sockets are read straight from the event loop, not through ``zmq.asyncio``, which costs a future and
a task switch for each message. The rule of ZeroMQ's file descriptor: it signals *changes*, not
states, and any send or receive may swallow a signal. So a socket is always read until it is empty,
and looked at once more after every send (``Reader``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

import zmq
from zmq.backend import Socket as BareSocket

from ..codec import Frames, Limits

log = logging.getLogger(__name__)

HIGH_WATER = 1000
"""Messages that wait for one peer, each way. Of a fast feed (64 KiB each) that is 64 MiB for each
slow subscriber before it is left to catch up by itself."""

ZERO_COPY_BYTES = 64 * 1024
"""From here on, a frame is lent to ZeroMQ instead of copied, which costs a call between threads."""

BATCH = 64
"""Messages read from one socket before the others have their turn."""

SUBSCRIPTION_BYTES = 256
"""The largest thing that a subscriber may send: a UID and a byte."""


# Plain numbers: an operation on pyzmq's enumerations costs as much as a system call.
_EVENTS, _POLLIN, _DONTWAIT = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.DONTWAIT)
_MORE = _DONTWAIT | int(zmq.SNDMORE)

# What pyzmq puts around these, written in Python, costs as much again for each frame.
_send = cast("Callable[[zmq.Socket[bytes], bytes, int, bool], object]", BareSocket.send)
_receive = cast("Callable[[zmq.Socket[bytes], int, bool], zmq.Frame]", BareSocket.recv)


def send_frames(socket: zmq.Socket[bytes], frames: Frames) -> None:
    """Send all frames, or raise ``zmq.Again`` and send none: only the first one can be refused."""
    *most, last = frames
    for frame in most:
        _send(socket, frame, _MORE, len(frame) < ZERO_COPY_BYTES)
    _send(socket, last, _DONTWAIT, len(last) < ZERO_COPY_BYTES)


def receive_frames(socket: zmq.Socket[bytes]) -> list[bytes]:
    """The frames of a message, or raise ``zmq.Again``: there is none."""
    frames = []
    has_more = True
    while has_more:
        # As an object, which knows whether another one follows: to ask the socket costs twice as much.
        frame = _receive(socket, _DONTWAIT, False)
        frames.append(frame.bytes)
        has_more = frame.more
    return frames


class Reader:
    """Reads a socket whenever there is something, on the event loop, until it is empty."""

    def __init__(self, socket: zmq.Socket[bytes], take: Callable[[list[bytes]], None]) -> None:
        self._socket = socket
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._fd = int(socket.getsockopt(zmq.FD))
        self._scheduled = False
        self._open = True
        self._loop.add_reader(self._fd, self._drain)
        self.look_again()

    def look_again(self) -> None:
        """Read soon, if there is something: for after each send, which may have swallowed the signal."""
        if not self._scheduled and self._open and self._has_more():
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _has_more(self) -> bool:
        # Asked before each further read too, because an exception costs as much as a message.
        try:
            return bool(int(self._socket.getsockopt(_EVENTS)) & _POLLIN)
        except zmq.ZMQError as error:
            log.error("reading a socket failed: %s", error)
            return False

    def close(self) -> None:
        self._open = False
        self._loop.remove_reader(self._fd)

    def _drain(self) -> None:
        self._scheduled = False
        for number in range(BATCH):
            # At first there mostly is something: it was signalled.
            if not self._open or (number and not self._has_more()):
                return
            try:
                frames = receive_frames(self._socket)
            except zmq.Again:
                return
            except zmq.ZMQError as error:
                log.error("reading a socket failed: %s", error)
                return
            try:
                self._take(frames)
            except Exception:
                # One message must never end the reading of all others.
                log.exception("a message could not be dealt with")
        self.look_again()


def new_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, limits: Limits) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.set_hwm(HIGH_WATER)
    # For each frame, refused by ZeroMQ before memory is taken for it; the codec checks the sum.
    socket.setsockopt(zmq.MAXMSGSIZE, limits.message_bytes)
    socket.setsockopt(zmq.LINGER, 0)
    return socket
