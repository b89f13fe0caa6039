"""The kernel: sessions that compute, a request channel, a numbered feed. Keeps nothing on disk.

To talk to a kernel, a ``KernelClient`` over a transport:

    from antiphon_kernel import KernelClient, read_connection
    from antiphon_kernel.transports.zeromq import ZeroMQTransport

    connection = read_connection(Path("…/kernel.json"))
    async with KernelClient(ZeroMQTransport.to(connection), username="ada") as kernel:
        uid = await kernel.create_session("scratch")
        reply = await kernel.execute(uid, "6 * 7")

``Service`` is a kernel in this process, with ``transports.inprocess`` and ``executors.inline``.
Importing this package imports no socket library and starts nothing; transports and executors are
imported by those who choose them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .client import Batch, FeedSlice, KernelClient
    from .connection import Connection, UnsafePath, read_connection
    from .errors import ConnectionLost, DeadlinePassed, KernelError
    from .message import Message, MessageId, SessionUID
    from .service import Service

# Imported at their first use: a worker is forked from a process that needs none of them, and every
# module loaded there is memory of each session.
_HOMES = {
    "Batch": "client",
    "Connection": "connection",
    "ConnectionLost": "errors",
    "DeadlinePassed": "errors",
    "FeedSlice": "client",
    "KernelClient": "client",
    "KernelError": "errors",
    "Message": "message",
    "MessageId": "message",
    "Service": "service",
    "SessionUID": "message",
    "UnsafePath": "connection",
    "read_connection": "connection",
}

__all__ = [
    "Batch",
    "Connection",
    "ConnectionLost",
    "DeadlinePassed",
    "FeedSlice",
    "KernelClient",
    "KernelError",
    "Message",
    "MessageId",
    "Service",
    "SessionUID",
    "UnsafePath",
    "__version__",
    "read_connection",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
