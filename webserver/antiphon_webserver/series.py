"""Series of runs: who hands them over, one series at a time in each session.

What belongs here: the tasks and their order. What must never come here: which runs there are and what
becomes of them (``methods.series``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

_log = logging.getLogger(__name__)


class Series:
    """Owns the tasks. There are at most as many as series that are written and have not ended."""

    def __init__(self, handing: set[str] | None = None) -> None:
        """``handing``: where the msg_ids stand of runs that are about to be sent."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handing = set() if handing is None else handing
        self._waiting: set[str] = set()

    def begin(self, session: str, waiting: Iterable[str], work: Callable[[], Awaitable[None]]) -> None:
        """Do the work once the session's earlier series have ended.

        Args:
            waiting: the msg_ids of its runs.
        """
        waits = set(waiting)
        self._waiting |= waits
        self._handing |= waits
        turn = self._turns.setdefault(session, asyncio.Lock())
        task = asyncio.get_running_loop().create_task(self._do(turn, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def take(self, msg_id: str) -> bool:
        """Whether the run waits here; from now on it does not. Who takes it sends it, or ends it."""
        if msg_id not in self._waiting:
            return False
        self._waiting.remove(msg_id)
        self._handing.discard(msg_id)
        return True

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """At the end nothing more is handed over; the next server settles what is left."""
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, turn: asyncio.Lock, work: Callable[[], Awaitable[None]]) -> None:
        async with turn:
            try:
                await work()
            except Exception:
                _log.exception("a series of runs could not go on")
