"""Compacts old logs, and takes out blobs that nothing refers to, in the background: an hour's pause
between two rounds, small transactions in a round."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .clock import iso
from .errors import DatabaseUnavailable
from .model import WorksheetId
from .storage import blobs, compaction
from .storage.database import Database

ROUND_SECONDS = 3600.0
OLD_SECONDS = 86_400.0
"""Younger entries stay as they are: undo, refused edits and readers that come back soon need each of them."""

BREATH_SECONDS = 0.05
"""Between two transactions, so that those who write wait for one of them at most."""

PAGE = 100

_log = logging.getLogger(__name__)


class Compactor:
    """``async with`` runs it."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Compactor:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def round(self, *, breath: float = BREATH_SECONDS) -> None:
        """Compact what is old now, in every worksheet; then clear blobs away."""
        before = iso(self._clock() - OLD_SECONDS)
        last = WorksheetId("")
        while page := await self._database.read(compaction.due, last, PAGE):
            for worksheet in page:
                more = True
                while more:
                    more = await self._database.write(compaction.compact, worksheet, before)
                    await asyncio.sleep(breath)
            last = page[-1]
        more = True
        while more:
            more = await self._database.write(blobs.clear)
            await asyncio.sleep(breath)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.round()
            except DatabaseUnavailable:
                _log.exception("a round of compaction was given up; the next one goes on")
