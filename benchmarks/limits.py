"""What the machine can do at best: bare sockets and a bare fork, in processes as the real ones are."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import zmq

from .system import DEADLINE, Heard, seconds
from .websocket import Take, WebSocket, hear

MEBIBYTE = 1 << 20

_ECHO = """
import zmq
socket = zmq.Context().socket(zmq.ROUTER)
socket.bind("tcp://127.0.0.1:*")
print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
while True:
    socket.send_multipart(socket.recv_multipart())
"""

_PUSH = """
import os, sys, zmq
context = zmq.Context()
asked, out = context.socket(zmq.PULL), context.socket(zmq.PUSH)
for one in asked, out:
    one.bind("tcp://127.0.0.1:*")
    print(one.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
block = os.urandom(1 << 20)
while True:
    for _ in range(int(asked.recv())):
        out.send(block)
"""

_PUBLISH = """
import zmq, sys
readers, events, *sizes = map(int, sys.argv[1:])
context = zmq.Context()
asked, out = context.socket(zmq.PULL), context.socket(zmq.XPUB)
out.setsockopt(zmq.XPUB_VERBOSE, 1)
out.setsockopt(zmq.SNDHWM, 0)
for one in asked, out:
    one.bind("tcp://127.0.0.1:*")
    print(one.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
for _ in range(readers):
    out.recv()
asked.recv()
frames = [bytes(size) for size in sizes]
for number in range(events):
    out.send_multipart(frames)
asked.recv()
"""

EVENT = (22, 15, 32, 180, 130, 2, 60)
"""Bytes of the frames of a small publication, the topic first. One of Jupyter's has as many."""


@contextmanager
def program(text: str, lines: int, *arguments: int | str) -> Iterator[list[str]]:
    """Run a program, and give the first lines that it prints."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        with process.stdout:
            yield [process.stdout.readline().strip() for _ in range(lines)]
    finally:
        process.kill()
        process.wait()


def connected(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str) -> zmq.Socket[bytes]:
    made = context.socket(kind)
    made.setsockopt(zmq.RCVTIMEO, int(DEADLINE * 1000))
    made.set_hwm(0)
    if kind == zmq.SUB:
        made.setsockopt(zmq.SUBSCRIBE, b"")
    made.connect(address)
    return made


@contextmanager
def zmq_echo() -> Iterator[zmq.Socket[bytes]]:
    """A socket whose other end sends everything back."""
    with program(_ECHO, 1) as (address,), zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(address)
        yield dealer


def zmq_round_trip(dealer: zmq.Socket[bytes]) -> float:
    """Seconds for seven frames, as long as those of a small request."""
    frames = [b"antiphon/1 msgpack", bytes(32), bytes(150), b"{}", b"{}", bytes(120), b""]
    return seconds(lambda: (dealer.send_multipart(frames), dealer.recv_multipart()))


_UNIX = """
import socket, sys
socket = socket.socket(fileno=int(sys.argv[1]))
while data := socket.recv(4096):
    socket.sendall(data)
"""


@contextmanager
def unix_echo() -> Iterator[socket.socket]:
    """A Unix stream socket whose other end sends everything back."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        descriptor = theirs.fileno()
        process = subprocess.Popen([sys.executable, "-c", _UNIX, str(descriptor)], pass_fds=[descriptor])
        theirs.close()
        yield ours
        ours.close()
        process.wait(DEADLINE)


def unix_round_trip(ours: socket.socket) -> float:
    """Seconds for 200 bytes there and back."""

    def trip() -> None:
        ours.sendall(bytes(200))
        ours.recv(4096)

    return seconds(trip)


def zmq_transfer(mebibytes: int, rounds: int) -> list[float]:
    """Seconds for messages of 1 MiB each, from one process to another by tcp."""
    with program(_PUSH, 2) as (asked, out), zmq.Context() as context:
        ask, pull = connected(context, zmq.PUSH, asked), connected(context, zmq.PULL, out)

        def transfer() -> None:
            ask.send(b"%d" % mebibytes)
            for _ in range(mebibytes):
                pull.recv()

        times = [seconds(transfer) for _ in range(rounds + 1)]
        context.destroy(linger=0)
    return times[1:]  # the first one connects


@dataclass(frozen=True)
class RawAddress:
    """A bare PUB socket that sends so many events."""

    out: str
    events: int

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        with zmq.Context() as context:
            left = dict.fromkeys((connected(context, zmq.SUB, self.out) for _ in range(readers)), 0)
            poller = zmq.Poller()
            for one in left:
                poller.register(one, zmq.POLLIN)
            ready()
            while left and (ripe := poller.poll(int(DEADLINE * 1000))):
                for one, _ in ripe:
                    while one in left and one.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                        one.recv_multipart()
                        left[one] += 1
                        if left[one] == self.events:
                            poller.unregister(one)
                            del left[one]
            context.destroy(linger=0)
        return [Heard(displays=self.events)] * (readers - len(left))


@dataclass(frozen=True)
class RawSession:
    """What a crowd hears when only sockets work. ``execute`` sends the events, whatever the code is."""

    address: RawAddress
    ask: zmq.Socket[bytes]

    def execute(self, code: str) -> None:
        self.ask.send(b"")


@contextmanager
def zmq_crowd(readers: int, events: int) -> Iterator[RawSession]:
    """A bare socket that sends events, framed as publications are, to so many subscribers."""
    with program(_PUBLISH, 2, readers, events, *EVENT) as (asked, out), zmq.Context() as context:
        yield RawSession(RawAddress(out, events), connected(context, zmq.PUSH, asked))
        context.destroy(linger=0)


_FORK = """
import os, sys, time, gc
import IPython, numpy
gc.freeze()
read, write = os.pipe()
for _ in range(int(sys.argv[1])):
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.write(write, b"x")
        os._exit(0)
    os.read(read, 1)
    print(time.perf_counter() - begin)
    os.waitpid(pid, 0)
"""


def forks(count: int) -> list[float]:
    """Seconds from a fork of a process with IPython and numpy to the child's first byte on a pipe."""
    command = [sys.executable, "-c", _FORK, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE)
    return [float(line) for line in done.stdout.split()]


_TORNADO = """
import asyncio, json, os, sys
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

texts = json.load(open(sys.argv[1]))
readers = set()

def framed(text):
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65536:
        return b"\\x81\\x7e" + size.to_bytes(2, "big") + text
    return b"\\x81\\x7f" + size.to_bytes(8, "big") + text

class Reader(WebSocketHandler):
    def open(self):
        self.set_nodelay(True)
        readers.add(self)

    async def on_message(self, message):
        for text in texts:
            frame = framed(text.encode())
            for reader in readers:
                if reader is not self:
                    reader.ws_connection.stream.write(frame)
            await asyncio.sleep(0)

    def on_close(self):
        readers.discard(self)

class Echo(WebSocketHandler):
    def open(self):
        self.set_nodelay(True)

    def on_message(self, message):
        for _ in range(3):
            self.write_message(message)

async def main():
    (listening,) = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([("/", Reader), ("/echo", Echo)]))
    server.add_sockets([listening])
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", os.getpid(), sep="\\n", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass(frozen=True)
class TornadoAddress:
    """A tornado server that sends texts to all."""

    url: str
    take: Take

    def connect(self) -> WebSocket:
        return WebSocket(f"{self.url}/")

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        return hear([self.connect() for _ in range(readers)], self.take, ready)


class TornadoSession:
    """What a crowd of browsers hears when only sockets work. ``execute`` sends the texts, whatever the code
    is; ``trip`` is one message there and three back."""

    def __init__(self, address: TornadoAddress, pid: int) -> None:
        self.address = address
        self.pid = pid
        self._go = address.connect()
        self._echo = WebSocket(f"{address.url}/echo")

    def execute(self, code: str) -> None:
        self._go.send(b"go")

    def trip(self) -> None:
        self._echo.send(bytes(200))
        for _ in range(3):
            self._echo.receive()

    def close(self) -> None:
        self._go.close()
        self._echo.close()


@contextmanager
def tornado(texts: Sequence[bytes], take: Take) -> Iterator[TornadoSession]:
    """A tornado server with nothing in it but WebSockets.

    Args:
        texts: what it sends to all readers, each framed once.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([text.decode() for text in texts], file)
        file.flush()
        with program(_TORNADO, 2, file.name) as (url, pid):
            session = TornadoSession(TornadoAddress(url, take), int(pid))
            yield session
            session.close()
