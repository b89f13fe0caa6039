"""The sessions of a daemon that are open to Jupyter's clients: a front each, in the daemon itself.

So a session becomes a Jupyter kernel in milliseconds and without a process. Source: spec, section
*export_request*.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging

from .. import descriptors
from ..client import KernelClient
from ..errors import ExportFailed, KernelError, SessionClosed
from ..message import ConnectionFile, SessionUID
from ..transports.jupyter import new_context
from .front import JupyterFront

log = logging.getLogger(__name__)

FRONT_DESCRIPTORS = 32
"""Of one front: five sockets, what ZeroMQ needs to watch them, and the threads that come with the first."""


class Exports:
    """Satisfies ``service.Exporter``. ``close`` it before the client.

    Args:
        client: of the service that has the sessions.
    """

    def __init__(self, client: KernelClient) -> None:
        self._client = client
        self._context = new_context()
        self._fronts: dict[SessionUID, JupyterFront] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def open(
        self, uid: SessionUID, connection: ConnectionFile, *, since: int | None = None
    ) -> ConnectionFile:
        if not connection.key:
            raise ExportFailed("without a key anybody could run code", field="connection.key")
        if connection.transport == "tcp" and not _is_loopback(connection.ip):
            raise ExportFailed(
                f"{connection.ip} is not a loopback address: Jupyter's sockets are not encrypted",
                field="connection.ip",
            )
        front = self._fronts.get(uid)
        if front is None:
            return self._new(uid, connection, since or 0)
        if front.is_over:
            raise SessionClosed("a client of Jupyter's has just shut it down")
        held = front.connection
        if held.key != connection.key:
            raise ExportFailed("the session is open with another key", field="connection.key")
        if not _same_place(held, connection):
            raise ExportFailed("the session is open at another address", field="connection")
        if front.has_ended:
            front.renew()
        return held

    def is_open(self, uid: SessionUID) -> bool:
        front = self._fronts.get(uid)
        return front is not None and not front.has_ended

    async def close(self) -> None:
        """Close every front."""
        for front in self._fronts.values():
            front.end("closed")
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._context.term()

    def _new(self, uid: SessionUID, connection: ConnectionFile, since: int) -> ConnectionFile:
        try:
            descriptors.require(FRONT_DESCRIPTORS + descriptors.CLIENTS_RESERVE)
            front = JupyterFront(
                self._client, uid, connection, owner=True, since=since, context=self._context
            )
            front.open()
        except (OSError, ValueError) as error:
            raise ExportFailed(f"not with this connection: {error}", field="connection") from error
        self._fronts[uid] = front
        task = asyncio.get_running_loop().create_task(self._watch(uid, front))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return front.connection

    async def _watch(self, uid: SessionUID, front: JupyterFront) -> None:
        ending = await front.over()
        del self._fronts[uid]
        if ending == "shutdown":
            with contextlib.suppress(KernelError):  # it is closed already
                await self._client.close_session(uid)
        await front.close()


def _same_place(held: ConnectionFile, wanted: ConnectionFile) -> bool:
    """Whether whoever connects to the one reaches the other; a port that is 0 is any."""
    if (held.transport, held.ip) != (wanted.transport, wanted.ip):
        return False
    names = ("shell_port", "control_port", "iopub_port", "stdin_port", "hb_port")
    return all(getattr(wanted, name) in (0, getattr(held, name)) for name in names)


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return ip == "localhost"
