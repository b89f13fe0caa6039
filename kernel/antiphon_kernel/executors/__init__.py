"""How a session's worker is made: the border between the service and whatever runs the code.

``Executor`` makes workers, ``Worker`` is the service's hold on one. Three implementations stand
beside this file, ``inline`` (same process: tests, one-process edition, browser), ``forked``
(from a warm zygote: the default) and ``foreign`` (Jupyter's other kernels).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from ..ledger import Ledger, Record
from ..link import WorkerEvent
from ..message import NO_LIMITS, PLAIN_SETTING, Message, Preloaded, SessionLimits, SessionUID, Setting

Listener: TypeAlias = Callable[[Sequence[WorkerEvent]], None]
"""Called on the event loop with the events of one turn, in order. ``Died`` is the last one ever."""


class Usage(NamedTuple):
    """What a worker and all that it started use; zeros where it cannot be told."""

    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    processes: int = 0


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What another kernel says of itself, in Jupyter's words."""

    implementation: str = ""
    implementation_version: str = ""
    language_info: dict[str, Any] = {}
    banner: str = ""


class Worker(Protocol):
    """One session's worker. No method blocks or raises once the worker is gone."""

    @property
    def ledger(self) -> Ledger | None:
        """Where its session is noted down for another daemon; None where there will be none."""

    @property
    def description(self) -> Description | None:
        """Of another kernel, from ``Started`` on; None of ours."""

    def send(self, request: Message) -> None:
        """Hand over an execute, complete, inspect or answer request."""

    def interrupt(self) -> None:
        """Stop the running code (SIGINT where there is a process)."""

    def stop(self, reason: str, line: str = "") -> None:
        """Stop the running code of a line with the error ``LimitReached``, which gives this reason."""

    def kill(self) -> None:
        """End the worker and every process it started. ``Died`` follows."""

    def usage(self) -> Usage:
        """What it uses now."""


class Resting(Worker, Protocol):
    """A worker that outlived its daemon. Its events wait."""

    def listen(self, listener: Listener) -> None:
        """Give events, those that have come already included, to a listener."""


class Kept(NamedTuple):
    """What is left of a session whose daemon was killed.

    ``worker`` is None if it has ended, how says ``reason``. One that ended after the daemon tells so
    itself. The ledger is the caller's now.
    """

    record: Record
    ledger: Ledger
    worker: Resting | None
    reason: str


class Executor(Protocol):
    """Makes workers. Opened once, before the first session; closed after the last."""

    async def open(self) -> Sequence[Kept]:
        """Get ready; gives the sessions that an earlier daemon has left."""

    async def start(
        self,
        uid: SessionUID,
        listener: Listener,
        setting: Setting = PLAIN_SETTING,
        limits: SessionLimits = NO_LIMITS,
    ) -> Worker:
        """Make a worker for a session. ``Started`` comes through the listener.

        Args:
            limits: what the operating system can hold of them, it shall.

        Raises:
            WorkerFailed: no process could be made; the reason says why.
        """

    def note(self, uid: SessionUID, *, starts: bool) -> Ledger | None:
        """A ledger for a session whose worker is still to be made, kept for another daemon from now on;
        None where there will be none, or no more can be kept.

        Args:
            starts: ``start`` follows for this session. A worker that is ready is then held for it, and the
                ledger is that one's.
        """

    async def close(self) -> None:
        """End every worker and whatever made them."""

    @property
    def features(self) -> tuple[str, ...]:
        """What its workers can do that not every worker can, in Jupyter's words ("debugger")."""

    @property
    def preloaded(self) -> tuple[Preloaded, ...]:
        """The modules that a new worker has already imported."""


class ForeignExecutor(Executor, Protocol):
    """Makes workers that are other kernels: those that ``setting.kernel`` names."""

    async def resume(self, kept: Sequence[Kept]) -> Sequence[Kept]:
        """What an earlier daemon left, with the workers of those that are other kernels and still run."""

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names that can be had now."""
