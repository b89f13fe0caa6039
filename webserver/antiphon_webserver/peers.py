"""Other web servers of the same database: what they wrote, who is at theirs, and whether they live.

What belongs here: the looks at the database that keep this server's readers up to date with the others,
and the word that this server lives. What must never come here: SQL, what becomes of a dead server's runs
(``sessions``).

Rules:
- An SQLite database has one server, by its lock: it looks at nothing. With PostgreSQL each server looks
  every ``LOOK_SECONDS``, so what one has written reaches the other's readers within that time.
- A server says each ``BEAT_SECONDS`` that it lives. One whose word has not changed for ``DEAD_SECONDS`` by
  this server's clock is dead: its row goes, and then what it had begun is for the others to end. One that
  was only slow writes its row again, and sends nothing that another one has claimed meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

import msgspec

from .errors import DatabaseUnavailable
from .model import WorksheetId
from .presence import Here, Presence
from .relay import Relay
from .storage import log, servers, worksheets
from .storage.database import Database

LOOK_SECONDS = 0.2
BEAT_SECONDS = 1.0
DEAD_SECONDS = 8.0
PAGE = 1_000

_log = logging.getLogger(__name__)

_AllHere = dict[WorksheetId, Here]
_decode = msgspec.json.Decoder(_AllHere).decode


class Shared(Protocol):
    """What of the kernel's sessions is for all servers of the database."""

    async def look_around(self) -> None:
        """Follow the sessions that other servers have made."""

    async def take_over(self) -> None:
        """Another server has died: send or end what it had begun."""


class Peers:
    """``async with`` says that this server lives, and looks at the others until it ends.

    Args:
        server: this one's id.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        database: Database,
        relay: Relay,
        sessions: Shared,
        presence: Presence,
        server: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._relay = relay
        self._sessions = sessions
        self._presence = presence
        self._server = server
        self._clock = clock
        self._said = ""
        self._beat_at = 0.0
        self._heard: dict[str, tuple[int, float]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Peers:
        if not self._database.is_sqlite:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._database.write(servers.leave, self._server)
        except DatabaseUnavailable as failure:
            _log.warning("the end of this server could not be written: %s", failure)

    @property
    def lives(self) -> bool:
        """No other server can have taken this one for dead."""
        return self._database.is_sqlite or self._clock() < self._beat_at + DEAD_SECONDS / 2

    async def look(self) -> None:
        """Tell this server's readers and windows what the others wrote since the last look."""
        await self._look_at_worksheets()
        await self._sessions.look_around()
        said = msgspec.json.encode(self._presence.here()).decode()
        if said != self._said or self._clock() >= self._beat_at:
            beat_at = self._clock() + BEAT_SECONDS
            await self._database.write(servers.beat, self._server, said)
            self._beat_at, self._said = beat_at, said
        await self._look_at_servers()

    async def _look_at_worksheets(self) -> None:
        watched = self._relay.watched()
        if not watched:
            return
        heads = await self._database.read(worksheets.heads, tuple(watched))
        for worksheet, cursor in watched.items():
            if worksheet not in heads:
                self._relay.forget(worksheet, "The worksheet was deleted.")
                continue
            while cursor < heads[worksheet]:
                page = await self._database.read(log.since, worksheet, cursor, PAGE)
                if not page.entries:
                    break
                self._relay.announce(worksheet, page.entries)
                cursor = page.entries[-1].number

    async def _look_at_servers(self) -> None:
        others = await self._database.read(servers.others, self._server)
        now = self._clock()
        heard = {}
        for id, (beats, _) in others.items():
            known = self._heard.get(id)
            heard[id] = known if known is not None and known[0] == beats else (beats, now)
        dead = {id for id, (_, since) in heard.items() if now - since > DEAD_SECONDS}
        # Whose row is gone has ended in order, or was found dead by another one of us.
        over = dead | (self._heard.keys() - heard.keys())
        self._heard = {id: each for id, each in heard.items() if id not in dead}
        self._presence.show_elsewhere(
            _decode(here) for id, (_, here) in sorted(others.items()) if here and id not in dead
        )
        for id in dead:
            _log.warning("the web server %.6s… of this database is dead", id)
            await self._database.write(servers.leave, id)
        if over:
            await self._sessions.take_over()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except DatabaseUnavailable as error:
                _log.warning("the other web servers could not be looked at: %s", error)
            except Exception:
                _log.exception("the other web servers could not be looked at")
            await asyncio.sleep(LOOK_SECONDS)
