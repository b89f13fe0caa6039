"""How the web server comes to a kernel: a daemon by its connection file, or one in this process.

What belongs here: finding and connecting. What must never come here: what is asked of it (``sessions``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from antiphon_kernel.errors import ConnectionLost

from .sessions import Connector

if TYPE_CHECKING:
    from antiphon_kernel.client import KernelClient


class ConnectionFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of a daemon's connection file. Source: spec, section *Connection file*."""

    requests: str
    feed: str
    key: str


def connector(kernel: Path | None) -> Connector:
    """Reaches the daemon whose connection file this is; None makes a kernel in this process."""
    return Inside() if kernel is None else Daemon(kernel)


class Daemon:
    """A kernel daemon, found by its connection file each time it is needed. Implements ``Connector``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = b""

    def changed(self) -> bool:
        """A daemon that ended takes its file away, and another one writes another key."""
        return self._read() != self._text

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[KernelClient]:
        from antiphon_kernel.client import KernelClient
        from antiphon_kernel.transports.zeromq import ZeroMQTransport

        self._text = self._read()
        try:
            file = msgspec.json.decode(self._text, type=ConnectionFile)
        except msgspec.DecodeError as error:
            raise ConnectionLost(f"{self._path} is not there, or not a connection file") from error
        transport = ZeroMQTransport(requests=file.requests, feed=file.feed, key=file.key.encode())
        async with KernelClient(transport) as client:
            yield client

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""


class Inside:
    """A kernel in this process: no ZeroMQ, no other processes. Implements ``Connector``."""

    def changed(self) -> bool:
        return False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[KernelClient]:
        from antiphon_kernel.client import KernelClient
        from antiphon_kernel.executors.inline import InlineExecutor
        from antiphon_kernel.service import Service
        from antiphon_kernel.transports.inprocess import InProcessTransport

        async with Service(InlineExecutor()) as service, KernelClient(InProcessTransport(service)) as client:
            yield client
