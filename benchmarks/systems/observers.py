"""Many observers of one session on bare sockets, as those that hear the kernels of Jupyter.

What our client does beside hearing (typed messages, signatures) is not the daemon's work; a hundred clients
in a few processes would be most of what is measured. An observer reads as much of each message as those
do, and asks by number for what it missed, as every client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import zmq

from antiphon_kernel import KernelClient, SessionUID, read_connection
from antiphon_kernel.message import DisplayData, ExecuteReply
from antiphon_kernel.transports.zeromq import ZeroMQTransport

from ..system import DEADLINE, Heard
from .jupyter import subscribed, waiting

# Of the frames: topic, envelope, signature, header, parent header, metadata, content.
_HEADER, _PARENT, _CONTENT = 3, 4, 6


class _Header(msgspec.Struct):
    msg_type: str
    number: int = 0


class _Parent(msgspec.Struct):
    msg_id: str = ""


class _Content(msgspec.Struct):
    latest: int = 0


_header = msgspec.json.Decoder(_Header).decode
_parent = msgspec.json.Decoder(_Parent).decode
_content = msgspec.json.Decoder(_Content).decode


class _Observer:
    """What one subscriber has of the run, which begins after the number ``since``."""

    def __init__(self, since: int) -> None:
        self.since = since
        self.last = 0
        self.heard: set[int] = set()
        self.displays = 0

    def take(self, frames: Sequence[bytes]) -> int:
        """Count a message. The latest number, if it is a beacon that tells of more than was heard."""
        header = _header(frames[_HEADER])
        _parent(frames[_PARENT])
        latest = _content(frames[_CONTENT]).latest
        if header.number > self.since:
            self.heard.add(header.number)
            self.displays += header.msg_type == "display_data"
            if header.msg_type == "execute_reply":
                self.last = header.number
        return latest if latest not in self.heard and latest > self.since else 0

    async def ask(self, client: KernelClient, uid: SessionUID, up_to: int) -> None:
        """Ask for all up to this number that was not heard."""
        cursor = self.since
        while True:
            while cursor + 1 in self.heard:
                cursor += 1
            if cursor >= up_to:
                return
            for publication in (await client.feed_since(uid, cursor)).publications:
                if (number := publication.header.number) not in self.heard:
                    self.heard.add(number)
                    self.displays += isinstance(publication.content, DisplayData)
                    if isinstance(publication.content, ExecuteReply):
                        self.last = number


def hear(file: Path, uid: SessionUID, readers: int, ready: Callable[[], None]) -> list[Heard]:
    """Subscribe so many times, call ``ready``, and tell what each heard of the next run."""
    context = zmq.Context()
    connection = read_connection(file)
    observers: dict[zmq.Socket[bytes], _Observer] = {}
    poller = zmq.Poller()
    for _ in range(readers):
        one = subscribed(context, connection.feed, uid)
        beacon = one.recv_multipart()  # it is subscribed now
        observers[one] = _Observer(_content(beacon[_CONTENT]).latest)
        poller.register(one, zmq.POLLIN)
    loop = asyncio.new_event_loop()
    client = KernelClient(ZeroMQTransport.to(connection))

    async def catch_up(observer: _Observer, up_to: int) -> None:
        await asyncio.wait_for(observer.ask(client, uid, up_to), DEADLINE)

    try:
        loop.run_until_complete(client.open())
        ready()
        left = set(observers)
        while left and (events := poller.poll(int(DEADLINE * 1000))):
            for one, _ in events:
                observer = observers[one]
                for frames in waiting(one):
                    if missed := observer.take(frames):
                        loop.run_until_complete(catch_up(observer, missed))
                if observer.last and one in left:
                    loop.run_until_complete(catch_up(observer, observer.last))
                    poller.unregister(one)
                    left.discard(one)
        return [Heard(displays=observer.displays) for observer in observers.values()]
    finally:
        loop.run_until_complete(client.close())
        loop.close()
        context.destroy(linger=0)
