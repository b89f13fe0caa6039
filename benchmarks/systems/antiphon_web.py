"""``antiphon serve`` as it is by default: the web server, its kernel daemon, and a database on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psutil

from ..system import DEADLINE, Heard, Unavailable, tree
from ..websocket import WebSocket, hear


class _Content(msgspec.Struct):
    text: str = ""


class _Publication(msgspec.Struct):
    number: int
    msg_type: str
    parent: str
    content: _Content


class _Params(msgspec.Struct):
    publications: list[_Publication] = []


class _Text(msgspec.Struct):
    id: int | None = None
    error: Any = None
    result: msgspec.Raw = msgspec.Raw()
    params: _Params = msgspec.field(default_factory=_Params)


_text = msgspec.json.Decoder(_Text).decode


class AntiphonWeb:
    name = "Antiphon"

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="antiphon-web-")
        data = Path(self._folder.name) / "data"
        command = [sys.executable, "-m", "antiphon_client", "serve", "--no-browser", "--port", "0"]
        self.server = subprocess.Popen(
            [*command, "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.server.stdout is not None
        if "ready" not in self.server.stdout.readline():
            raise Unavailable("the server does not start")
        runtime = json.loads((data / "server.json").read_text())
        self.url, self.token = runtime["url"], runtime["token"]
        # The first session waits for the zygote's imports; they are not what is measured.
        first = self.create()
        first.execute("pass")
        first.close()

    def post(self, method: str, **params: object) -> Any:
        """Call a method over HTTP, on a connection of its own."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=DEADLINE)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
        connection.request("POST", "/rpc", body, headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def connect(self) -> Peer:
        return Peer(self.url, self.token)

    def create(self) -> AntiphonWebSession:
        return AntiphonWebSession(self, self.post("session.create")["uid"])

    def processes(self) -> list[psutil.Process]:
        return tree(self.server.pid)

    def stop(self) -> None:
        self.server.terminate()
        self.server.wait(DEADLINE)
        assert self.server.stdout is not None
        self.server.stdout.close()
        self._folder.cleanup()


class Peer:
    """A client on a WebSocket, which asks one thing at a time; ``texts`` are the publications that came."""

    def __init__(self, url: str, token: str) -> None:
        self.socket = WebSocket(f"{url}/rpc", {"Authorization": f"Bearer {token}"})
        self.texts: list[bytes] = []
        self._count = 0
        self._ended: set[str] = set()

    def call(self, method: str, **params: object) -> bytes:
        """Call a method; the JSON of its result."""
        self._count += 1
        self.socket.send(
            msgspec.json.encode({"jsonrpc": "2.0", "id": self._count, "method": method, "params": params})
        )
        while True:
            text = self._take()
            if text.id == self._count:
                if text.error is not None:
                    raise RuntimeError(text.error)
                return bytes(text.result)

    def await_reply(self, msg_id: str) -> None:
        """Returns when the run's ``execute_reply`` has been heard."""
        while msg_id not in self._ended:
            self._take()
        self._ended.clear()

    def follow(self, session: str) -> None:
        """Hear the session's feed from now on."""
        latest = json.loads(self.call("session.info", session=session))["latest"]
        self.call("feed.subscribe", session=session, cursor=latest)

    def close(self) -> None:
        self.socket.close()

    def _take(self) -> _Text:
        message = self.socket.receive()
        text = _text(message)
        if text.params.publications:
            self.texts.append(message)
        for publication in text.params.publications:
            if publication.msg_type == "execute_reply":
                self._ended.add(publication.parent)
        return text


class AntiphonWebSession:
    def __init__(self, server: AntiphonWeb, uid: str) -> None:
        self.uid = uid
        self.address = AntiphonWebAddress(server.url, server.token, uid)
        self._server = server
        self.peer = server.connect()
        self.peer.call("feed.subscribe", session=uid, cursor=0)

    def execute(self, code: str) -> None:
        self.peer.texts.clear()
        made = msgspec.json.decode(self.peer.call("session.execute", session=self.uid, code=code))
        self.peer.await_reply(made["msg_id"])

    def close(self) -> None:
        self.peer.close()
        self._server.post("session.close", session=self.uid)


@dataclass(frozen=True)
class AntiphonWebAddress:
    """The server, a token for it, and the session."""

    url: str
    token: str
    session: str

    def connect(self) -> WebSocket:
        """A WebSocket on which the feed is heard."""
        peer = Peer(self.url, self.token)
        peer.follow(self.session)
        return peer.socket

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        return hear([self.connect() for _ in range(readers)], take, ready)


def take(message: bytes, heard: Heard) -> bool:
    """Count the publications of a notification; whether the run's end is among them."""
    ended = False
    for publication in _text(message).params.publications:
        if publication.msg_type == "stream":
            heard.hear(publication.content.text)
        ended |= publication.msg_type == "execute_reply"
    return ended
