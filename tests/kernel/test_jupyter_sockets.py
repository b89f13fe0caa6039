"""The five sockets: heartbeat, welcome, and a subscriber that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import zmq
import zmq.asyncio

from antiphon_kernel.transports import jupyter
from antiphon_kernel.transports.jupyter import JupyterSockets
from antiphon_kernel.transports.sockets import HIGH_WATER
from tests.deadline import DEADLINE

MESSAGE = [b"topic", b"x" * 10_000]


class Clients:
    """Makes sockets of clients."""

    def __init__(self) -> None:
        self._context = zmq.asyncio.Context()
        self._kept: list[zmq.asyncio.Socket] = []

    def connect(self, kind: int, endpoint: str, **options: object) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        self._kept.append(socket)
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(endpoint)
        return socket

    def close(self) -> None:
        for socket in self._kept:
            socket.close(linger=0)
        self._context.term()


@pytest_asyncio.fixture
async def clients() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


class Open(JupyterSockets):
    """With what came in."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[tuple[str, list[bytes]]] = asyncio.Queue()
        self.topics: asyncio.Queue[bytes] = asyncio.Queue()
        super().__init__(
            dict.fromkeys(("shell", "control", "stdin", "iopub", "hb"), "tcp://127.0.0.1:*"),
            take=lambda channel, frames: self.taken.put_nowait((channel, frames)),
            subscribed=self.topics.put_nowait,
        )


@pytest_asyncio.fixture
async def sockets() -> AsyncIterator[Open]:
    with Open() as sockets:
        yield sockets


async def subscriber(clients: Clients, sockets: Open) -> zmq.asyncio.Socket:
    socket = clients.connect(zmq.SUB, sockets.endpoints["iopub"], rcvhwm=1, rcvbuf=10_000)
    socket.subscribe(b"")
    async with asyncio.timeout(DEADLINE):
        assert await sockets.topics.get() == b""
    return socket


async def test_the_heart_beats_an_echo(sockets: Open, clients: Clients) -> None:
    heart = clients.connect(zmq.REQ, sockets.endpoints["hb"])
    await heart.send(b"ping")
    async with asyncio.timeout(DEADLINE):
        assert await heart.recv() == b"ping"


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
async def test_a_message_comes_with_its_sender_who_can_be_answered(sockets, clients, channel) -> None:
    client = clients.connect(zmq.DEALER, sockets.endpoints[channel], identity=b"ada")
    await client.send_multipart([b"hello", b""])
    async with asyncio.timeout(DEADLINE):
        assert await sockets.taken.get() == (channel, [b"ada", b"hello", b""])
        sockets.send(channel, [b"ada", b"you"])
        assert await client.recv_multipart() == [b"you"]


async def test_a_message_for_nobody_is_dropped(sockets: Open) -> None:
    sockets.send("shell", [b"nobody", b"x"])


async def test_each_subscriber_is_told_of(sockets: Open, clients: Clients) -> None:
    await subscriber(clients, sockets)
    await subscriber(clients, sockets)


async def test_a_reader_gets_everything_at_its_own_pace(sockets: Open, clients: Clients) -> None:
    reader = await subscriber(clients, sockets)
    count = 3 * HIGH_WATER

    async def publish() -> None:
        for number in range(count):
            await sockets.publish([b"%d" % number, b"x" * 1000])

    async with asyncio.timeout(DEADLINE):
        publishing = asyncio.create_task(publish())
        for number in range(count):
            assert (await reader.recv_multipart())[0] == b"%d" % number
        await publishing


async def test_nobody_waits_long_for_a_subscriber_that_does_not_read(sockets, clients, monkeypatch) -> None:
    monkeypatch.setattr(jupyter, "SLOW_SECONDS", 0.01)
    await subscriber(clients, sockets)  # never reads
    async with asyncio.timeout(DEADLINE):
        for _ in range(3 * HIGH_WATER):
            await sockets.publish(MESSAGE)
        reader = await subscriber(clients, sockets)
        await sockets.publish([b"last"])
        assert await reader.recv_multipart() == [b"last"]
