"""Series of runs: the tasks that hand them over, one series at a time in each session.

What belongs here: the tasks and their order. What must never come here: which runs there are and what
becomes of them (``handover``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

_log = logging.getLogger(__name__)


class Series:
    """Owns the tasks. There are at most as many as series that are written and have not ended."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: set[str] = set()

    def begin(self, session: str, id: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work once the session's earlier series have ended; nothing, if this one has begun."""
        if id not in self._begun:
            self._begun.add(id)
            turn = self._turns.setdefault(session, asyncio.Lock())
            self.do(lambda: self._in_turn(turn, id, work))

    def do(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it beside everything else."""
        task = asyncio.get_running_loop().create_task(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """At the end nothing more is handed over; another server goes on, or the next one."""
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _in_turn(self, turn: asyncio.Lock, id: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with turn:
                await work()
        finally:
            self._begun.discard(id)

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            _log.exception("runs could not be handed over")
