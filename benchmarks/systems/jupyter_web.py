"""Servers that have Jupyter's interface for the web, each session of which is an ipykernel.

Their WebSockets speak ``v1.kernel.websocket.jupyter.org``, as JupyterLab's do: it spares the servers most
of the work on JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec
import psutil

from ..system import DEADLINE, Heard, Unavailable, kill, tree
from ..websocket import WebSocket, drain, hear
from .jupyter import free_ports

PROTOCOL = "v1.kernel.websocket.jupyter.org"

QUIET = 2.0
"""Seconds without a message, after which new readers are taken to be connected to the kernel."""


class _Header(msgspec.Struct):
    msg_type: str


class _Parent(msgspec.Struct):
    msg_id: str = ""


class _Content(msgspec.Struct):
    execution_state: str = ""
    text: str = ""


_header = msgspec.json.Decoder(_Header).decode
_parent = msgspec.json.Decoder(_Parent).decode
_content = msgspec.json.Decoder(_Content).decode


def encode(channel: str, *parts: bytes) -> bytes:
    """A message of the subprotocol."""
    segments = [channel.encode(), *parts]
    offsets = [8 * (2 + len(segments))]
    for segment in segments:
        offsets.append(offsets[-1] + len(segment))
    head = [len(offsets), *offsets]
    return b"".join([number.to_bytes(8, "little") for number in head] + segments)


def decode(message: bytes) -> list[bytes]:
    """Channel, header, parent header, metadata, content, and buffers."""
    count = int.from_bytes(message[:8], "little")
    offsets = [int.from_bytes(message[8 * place : 8 * place + 8], "little") for place in range(1, count + 1)]
    return [message[start:end] for start, end in itertools.pairwise(offsets)]


class JupyterWeb:
    """A server that a command starts in a folder of its own."""

    name: str
    module: str
    """Without it the server cannot be had."""

    def command(self, port: int) -> Sequence[str]:
        raise NotImplementedError

    def new(self) -> str:
        """Ask for a kernel over HTTP; its id."""
        raise NotImplementedError

    def start(self) -> None:
        if find_spec(self.module) is None:
            raise Unavailable(f"{self.name} is not installed")
        self._folder = tempfile.TemporaryDirectory(prefix="jupyter-web-")
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        # They find the command "python" of their kernelspec on the path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._server = subprocess.Popen(
            [
                str(Path(sys.executable).parent / word) if not place else word
                for place, word in enumerate(self.command(port))
            ],
            cwd=self._folder.name,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + DEADLINE
        while True:
            try:
                self.call("GET", "/api/kernelspecs")
                return
            except (URLError, ConnectionError):
                if self._server.poll() is not None or time.monotonic() > until:
                    self.stop()
                    raise Unavailable(f"{self.name} does not start") from None
                time.sleep(0.1)

    def call(self, method: str, path: str, body: object = None) -> bytes:
        data = json.dumps(body).encode() if method == "POST" else None
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=DEADLINE) as answer:
            read: bytes = answer.read()
        return read

    def create(self) -> JupyterWebSession:
        return JupyterWebSession(self, self.new())

    def processes(self) -> list[psutil.Process]:
        return tree(self._server.pid)

    def stop(self) -> None:
        kill(self._server.pid)
        self._server.wait(DEADLINE)
        self._folder.cleanup()


class JupyterWebSession:
    def __init__(self, server: JupyterWeb, kernel: str) -> None:
        self.address = JupyterWebAddress(f"{server.url}/api/kernels/{kernel}/channels")
        self._server = server
        self._kernel = kernel
        self._session = secrets.token_hex(8)
        self._socket = self.address.connect(self._session)

    def execute(self, code: str) -> None:
        msg_id = secrets.token_hex(8)
        header = {
            "msg_id": msg_id,
            "session": self._session,
            "username": "",
            "version": "5.3",
            "msg_type": "execute_request",
            "date": "2026-01-01T00:00:00Z",
        }
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        parts = [msgspec.json.encode(part) for part in (header, {}, {}, content)]
        self._socket.send(encode("shell", *parts), is_binary=True)
        while True:
            channel, _, parent, *_ = decode(self._socket.receive())
            if channel == b"shell" and _parent(parent).msg_id == msg_id:
                return

    def close(self) -> None:
        self._socket.close()
        self._server.call("DELETE", f"/api/kernels/{self._kernel}")


@dataclass(frozen=True)
class JupyterWebAddress:
    """Where a kernel's WebSockets are."""

    url: str

    def connect(self, session: str = "") -> WebSocket:
        name = session or secrets.token_hex(8)
        return WebSocket(f"{self.url}?session_id={name}", protocol=PROTOCOL)

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        sockets = [self.connect() for _ in range(readers)]
        # A server connects a new reader to the kernel after its WebSocket, and says nothing when it has.
        drain(sockets, QUIET)
        runs: set[str] = set()

        def take(message: bytes, heard: Heard) -> bool:
            _, header, parent, _, content, *_ = decode(message)
            match _header(header).msg_type:
                case "stream":
                    heard.hear(_content(content).text)
                case "execute_input":
                    runs.add(_parent(parent).msg_id)
                case "status":
                    return _content(content).execution_state == "idle" and _parent(parent).msg_id in runs
            return False

        return hear(sockets, take, ready)
