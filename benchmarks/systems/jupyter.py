"""Kernels that speak Jupyter's protocol, through the cheapest client that there can be.

Bare sockets, not jupyter_client: its cost would hide the kernel's. Signatures of replies are not checked.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import zmq

from ..system import DEADLINE, SILENCE, Heard, kill, tree

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
DELIMITER = b"<IDS|MSG>"


class _Header(msgspec.Struct):
    msg_type: str
    msg_id: str = ""


class _Parent(msgspec.Struct):
    msg_id: str = ""


class _Content(msgspec.Struct):
    execution_state: str = ""
    text: str = ""


_header = msgspec.json.Decoder(_Header).decode
_parent = msgspec.json.Decoder(_Parent).decode
_content = msgspec.json.Decoder(_Content).decode


class JupyterSystem:
    """Each session is a process of its own, started by a command."""

    name: str
    command: Sequence[str]
    """With ``{connection_file}`` in the place of its name."""

    def start(self) -> None:
        self._sessions: list[JupyterSession] = []

    def create(self) -> JupyterSession:
        session = JupyterSession(self.command)
        self._sessions.append(session)
        return session

    def processes(self) -> list[psutil.Process]:
        return [process for session in self._sessions if session.is_open for process in tree(session.pid)]

    def stop(self) -> None:
        for session in self._sessions:
            session.close()


class JupyterSession:
    def __init__(self, command: Sequence[str]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="jupyter-bench-")
        file = Path(self._directory.name) / "connection.json"
        ports = dict(zip(CHANNELS, free_ports(len(CHANNELS)), strict=True))
        self._key = secrets.token_hex(16)
        connection = {f"{name}_port": port for name, port in ports.items()}
        connection |= {"ip": "127.0.0.1", "transport": "tcp", "key": self._key}  # type: ignore[dict-item]
        file.write_text(json.dumps(connection | {"signature_scheme": "hmac-sha256"}))
        self.address = JupyterAddress(f"tcp://127.0.0.1:{ports['iopub']}")
        self._context = zmq.Context()
        self._shell = new_socket(self._context, zmq.DEALER, f"tcp://127.0.0.1:{ports['shell']}")
        self._iopub: zmq.Socket[bytes] | None = None
        self._process = subprocess.Popen(
            [word.format(connection_file=file) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        self.is_open = True

    def _request(self, code: str) -> str:
        msg_id = secrets.token_hex(8)
        header = {"msg_id": msg_id, "session": "bench", "username": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        parts = [header | {"msg_type": "execute_request", "date": "2026-01-01T00:00:00Z"}, {}, {}, content]
        body = [msgspec.json.encode(part) for part in parts]
        signature = hmac.digest(self._key.encode(), b"".join(body), "sha256").hex().encode()
        self._shell.send_multipart([DELIMITER, signature, *body])
        return msg_id

    def _reply(self, msg_id: str) -> None:
        while True:
            frames = self._shell.recv_multipart()
            if _parent(frames[frames.index(DELIMITER) + 3]).msg_id == msg_id:
                return

    def execute(self, code: str) -> None:
        self._reply(self._request(code))

    def run(self, code: str) -> Heard:
        if self._iopub is None:
            self._iopub = subscribed(self._context, self.address.iopub)
            self._reach(self._iopub)
        msg_id = self._request(code)
        heard = Heard()
        while not is_end(self._iopub.recv_multipart(), heard, msg_id):
            pass
        self._reply(msg_id)
        return heard

    def _reach(self, iopub: zmq.Socket[bytes]) -> None:
        """Run until the subscription has: what was published before it was there is nowhere."""
        while not iopub.poll(100):
            self.execute("pass")
        while iopub.poll(200):
            iopub.recv_multipart()

    def send(self, code: str) -> None:
        self._request(code)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            kill(self.pid)
            self._process.wait(DEADLINE)
            self._context.destroy(linger=0)
            self._directory.cleanup()


@dataclass(frozen=True)
class JupyterAddress:
    """The iopub socket."""

    iopub: str

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        context = zmq.Context()
        sockets = [subscribed(context, self.iopub) for _ in range(readers)]
        heard = {socket: Heard() for socket in sockets}
        poller = zmq.Poller()
        for one in sockets:
            poller.register(one, zmq.POLLIN)
        # Connected is not subscribed, and not all kernels say when it is; this is long enough.
        time.sleep(1.0)
        for one in sockets:
            list(waiting(one))
        ready()
        patience = DEADLINE
        left = set(sockets)
        while left and (events := poller.poll(int(patience * 1000))):
            patience = SILENCE
            for one, _ in events:
                if any(is_end(frames, heard[one]) for frames in waiting(one)):
                    poller.unregister(one)
                    left.discard(one)
        context.destroy(linger=0)
        return list(heard.values())


def waiting(subscriber: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    """The messages that have come."""
    try:
        while True:
            yield subscriber.recv_multipart(zmq.DONTWAIT)
    except zmq.Again:
        return


def is_end(frames: list[bytes], heard: Heard, msg_id: str = "") -> bool:
    """Count a message of iopub; whether it says that the run is over."""
    start = frames.index(DELIMITER) + 2
    parent = _parent(frames[start + 1]).msg_id
    if not parent or (msg_id and parent != msg_id):
        return False
    match _header(frames[start]).msg_type:
        case "stream":
            heard.lines += _content(frames[start + 3]).text.count("\n")
        case "display_data":
            heard.displays += 1
        case "comm_msg":
            heard.buffer_bytes += sum(map(len, frames[start + 4 :]))
        case "status":
            return _content(frames[start + 3]).execution_state == "idle"
    return False


def new_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str) -> zmq.Socket[bytes]:
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.RCVTIMEO, int(DEADLINE * 1000))
    # A kernel that starts is tried again at once: a tenth of a second, the default, is what is measured.
    made.setsockopt(zmq.RECONNECT_IVL, 2)
    made.connect(address)
    return made


def subscribed(context: zmq.Context[zmq.Socket[bytes]], address: str, topic: str = "") -> zmq.Socket[bytes]:
    made = new_socket(context, zmq.SUB, address)
    made.setsockopt(zmq.SUBSCRIBE, topic.encode())
    return made


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
