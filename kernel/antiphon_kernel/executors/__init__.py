"""How a session's worker is made: the border between the service and whatever runs the code.

``Executor`` makes workers, ``Worker`` is the service's hold on one. Two implementations stand
beside this file, ``inline`` (same process: tests, one-process edition, browser) and ``forked``
(from a warm zygote: the default).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from ..link import WorkerEvent
from ..message import PLAIN_SETTING, Message, SessionUID, Setting

Listener: TypeAlias = Callable[[Sequence[WorkerEvent]], None]
"""Called on the event loop with the events of one turn, in order. ``Died`` is the last one ever."""


class Worker(Protocol):
    """One session's worker. No method blocks or raises once the worker is gone."""

    def send(self, request: Message) -> None:
        """Hand over an execute, complete, inspect or answer request."""

    def interrupt(self) -> None:
        """Stop the running code (SIGINT where there is a process)."""

    def kill(self) -> None:
        """End the worker and every process it started. ``Died`` follows."""

    def usage(self) -> tuple[int, float]:
        """Memory in bytes and CPU time in seconds, (0, 0.0) where it cannot be told."""


class Executor(Protocol):
    """Makes workers. Opened once, before the first session; closed after the last."""

    async def open(self) -> None: ...

    async def start(self, uid: SessionUID, listener: Listener, setting: Setting = PLAIN_SETTING) -> Worker:
        """Make a worker for a session. ``Started`` comes through the listener.

        Raises:
            WorkerFailed: no process could be made; the reason says why.
        """

    async def close(self) -> None:
        """End every worker and whatever made them."""

    @property
    def preloaded(self) -> tuple[str, ...]:
        """Names of the modules that a new worker has already imported."""
