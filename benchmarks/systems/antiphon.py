"""Antiphon's daemon through its own client: what the web server uses."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from antiphon_kernel import KernelClient, Message, SessionUID, read_connection
from antiphon_kernel.message import CommMsg, DisplayData, ExecuteReply, ExecuteRequest, Stream
from antiphon_kernel.transports.zeromq import ZeroMQTransport

from ..system import DEADLINE, Heard, Unavailable, tree
from . import observers

T = TypeVar("T")


class Antiphon:
    """A daemon with its default settings, but for tcp.

    Args:
        options: more of its options.
    """

    name = "Antiphon"

    def __init__(self, *options: str) -> None:
        self._options = options

    def start(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="antiphon-bench-")
        folder = Path(self._directory.name)
        command = [
            sys.executable,
            "-m",
            "antiphon_kernel",
            "--runtime-dir",
            str(folder),
            "--transport",
            "tcp",
            *self._options,
        ]
        self.daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._file = folder / "kernel.json"
        until = time.monotonic() + DEADLINE
        while not self._file.exists():
            if self.daemon.poll() is not None or time.monotonic() > until:
                raise Unavailable("the daemon does not start")
            time.sleep(0.01)
        self.loop = asyncio.new_event_loop()
        self.client = self.wait(connected(self._file))
        # The first session waits for the zygote's imports; they are not what is measured.
        first = self.create()
        first.execute("pass")
        first.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the event loop until this is done."""
        return self.loop.run_until_complete(work)

    def create(self) -> AntiphonSession:
        return AntiphonSession(self, self.wait(self.client.create_session()), self._file)

    def processes(self) -> list[psutil.Process]:
        return tree(self.daemon.pid)

    def stop(self) -> None:
        self.wait(self.client.close())
        self.loop.close()
        self.daemon.terminate()
        self.daemon.wait(DEADLINE)
        self._directory.cleanup()


class AntiphonSession:
    def __init__(self, system: Antiphon, uid: SessionUID, file: Path) -> None:
        self.uid = uid
        self.address = AntiphonAddress(file, uid)
        self._system = system
        self._client = system.client
        self._cursor = 0

    @property
    def pid(self) -> int:
        expressions = {"pid": "__import__('os').getpid()"}
        execute = self._client.execute(self.uid, "", silent=True, user_expressions=expressions)
        reply = self._system.wait(execute)
        return int(reply.user_expressions["pid"]["data"]["text/plain"])

    def execute(self, code: str) -> None:
        self._system.wait(self._client.execute(self.uid, code, timeout=DEADLINE))

    def run(self, code: str) -> Heard:
        return self._system.wait(asyncio.wait_for(self._run(code), DEADLINE))

    async def _run(self, code: str) -> Heard:
        msg_id = secrets.token_urlsafe(16)
        waiting = self._client.submit(self.uid, ExecuteRequest(code=code), msg_id=msg_id)
        heard, self._cursor = await follow(self._client, self.uid, self._cursor, msg_id)
        await waiting
        return heard

    def send(self, code: str) -> None:
        async def submit() -> None:
            self._client.submit(self.uid, ExecuteRequest(code=code))

        self._system.wait(submit())

    def close(self) -> None:
        self._system.wait(self._client.close_session(self.uid, timeout=DEADLINE))


@dataclass(frozen=True)
class AntiphonAddress:
    """The daemon's connection file, and the session."""

    file: Path
    uid: SessionUID

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        return observers.hear(self.file, self.uid, readers, ready)


async def connected(file: Path) -> KernelClient:
    client = KernelClient(ZeroMQTransport.to(read_connection(file)))
    await client.open()
    await client.kernel_info()
    return client


async def follow(client: KernelClient, uid: SessionUID, since: int, parent: str = "") -> tuple[Heard, int]:
    """What comes up to the end of the run ``parent``, or of the next one, and the cursor there."""
    heard = Heard()
    feed = client.follow(uid, since)
    try:
        async for batch in feed:
            for publication in batch.publications:
                count(heard, publication)
                header = publication.parent_header
                if isinstance(publication.content, ExecuteReply) and (
                    not parent or (header is not None and header.msg_id == parent)
                ):
                    return heard, publication.header.number
    finally:
        await feed.aclose()
    raise RuntimeError("the session was closed")


def count(heard: Heard, publication: Message) -> None:
    match publication.content:
        case Stream(text=text):
            heard.lines += text.count("\n")
        case DisplayData():
            heard.displays += 1
        case CommMsg():
            heard.buffer_bytes += sum(map(len, publication.buffers))
