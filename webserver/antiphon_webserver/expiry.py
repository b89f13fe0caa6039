"""Ends what has an end date: links of worksheets, and the visitors that nothing holds any more.

What belongs here: when to look. What must never come here: what ends with what (``storage``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Self

from .clock import iso
from .context import Relay
from .errors import NotFound
from .storage import worksheet_links
from .storage.database import Database

LOOK_SECONDS = 1.0
"""How often the ends of links are looked at, by their index: with the watch over rights, two seconds."""

CLEAR_SECONDS = 60.0
"""How often visitors are looked through. They have no rights any more; they only take up room."""

_log = logging.getLogger(__name__)


class Expiry:
    """Looks while it is open: ``async with``."""

    def __init__(self, database: Database, relay: Relay, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._relay = relay
        self._clock = clock
        self._clear_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """End what is due now."""
        now = self._clock()
        for worksheet, link, author in await self._database.read(worksheet_links.due, iso(now)):
            try:
                entries = await self._database.write(
                    worksheet_links.end, worksheet, link, "It has expired.", author=author, now=iso(now)
                )
            except NotFound:
                continue  # another server was faster
            self._relay.announce(worksheet, entries)
        if now >= self._clear_at:
            self._clear_at = now + CLEAR_SECONDS
            for worksheet, entry in await self._database.write(worksheet_links.clear, iso(now)):
                self._relay.announce(worksheet, (entry,))

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # What is due stays due: another server may have ended it meanwhile, or the database fails.
                _log.exception("what has ended could not be looked at")
            await asyncio.sleep(LOOK_SECONDS)
