"""How many requests are worked on at once. A request waits its turn, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .errors import DeadlinePassed

AT_ONCE = 64
"""Requests that are worked on. Each is short: most take a millisecond in the database."""

WAITING = 2_000
"""Requests that wait for news (``wait`` or ``timeout`` above 0): a few kilobytes each, and no thread."""

TURN_SECONDS = 10.0
"""A request that gets no turn within this time is refused; whoever asked has asked again by then."""


class Gate:
    """Lets a bounded number of requests in."""

    def __init__(
        self, *, at_once: int = AT_ONCE, waiting: int = WAITING, seconds: float = TURN_SECONDS
    ) -> None:
        self._working = asyncio.Semaphore(at_once)
        self._waiting = asyncio.Semaphore(waiting)
        self._seconds = seconds

    @asynccontextmanager
    async def turn(self, *, waits: bool) -> AsyncIterator[None]:
        """Wait for a place, and hold it.

        Args:
            waits: the request will wait for news.

        Raises:
            DeadlinePassed: no place became free in time.
        """
        places = self._waiting if waits else self._working
        try:
            # A deadline is worth its timer only where there is something to wait for.
            async with asyncio.timeout(self._seconds if places.locked() else None):
                await places.acquire()
        except TimeoutError:
            raise DeadlinePassed("The server has too much to do. Try again.") from None
        try:
            yield
        finally:
            places.release()
