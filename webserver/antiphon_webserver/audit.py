"""What is written down of what people do: sign-ins, rights, runs, refusals.

What belongs here: which parameters may be named, what waits to be written and how much of it. What must
never come here: which acts are written down (``access``), and anything that could be a secret or a text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from .model import AuditEntry
from .storage import audit
from .storage.database import Database

FLUSH_SECONDS = 1.0

HELD = 1_000
"""Different entries that wait. A flood of others is counted as one: it must not fill memory or the disk."""

NAMED = (
    "worksheet",
    "session",
    "cell",
    "run",
    "account",
    "name",
    "admin",
    "role",
    "scope",
    "expires",
    "most_uses",
    "link",
    "token",
    "signin",
)
"""The parameters of methods that an entry names: ids, names of accounts, rights and dates."""

SUBJECT_CHARS = 100

_log = logging.getLogger(__name__)


class Audit:
    """Entries that wait to be written. The same act again is counted."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, AuditEntry] = {}

    def note(
        self,
        act: str,
        *,
        date: str,
        account: str = "",
        address: str = "",
        subject: dict[str, str] | None = None,
        outcome: str = "ok",
    ) -> None:
        """Write this down within ``FLUSH_SECONDS``; call ``flush`` to do so at once. Costs nothing else."""
        entry = AuditEntry(
            date=date, account=account, address=address, act=act, subject=subject or {}, outcome=outcome
        )
        key = msgspec.json.encode((account, address, act, entry.subject, outcome))
        if key not in self._waiting and len(self._waiting) >= HELD:
            key = b"more"
            entry = AuditEntry(date=date, account="", address="", act="more", subject={}, outcome="")
        known = self._waiting.get(key)
        self._waiting[key] = (
            msgspec.structs.replace(known, count=known.count + 1) if known is not None else entry
        )

    async def flush(self, database: Database) -> None:
        """Write what waits. If the database fails, it waits on: what was done cannot be undone for that."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await database.write(audit.add, tuple(waiting.values()))
        except Exception:
            _log.exception("%d entries of the audit could not be written", len(waiting))
            self._waiting = {**waiting, **self._waiting}

    @asynccontextmanager
    async def kept(self, database: Database) -> AsyncIterator[None]:
        """While this lasts, what is noted is written; at its end, what is left."""
        task = asyncio.get_running_loop().create_task(self._keep(database))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.flush(database)

    async def _keep(self, database: Database) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush(database)


def subject_of(params: Any) -> dict[str, str]:
    """What an entry says of the parameters of a method."""
    found = {name: getattr(params, name, None) for name in NAMED}
    return {name: str(value)[:SUBJECT_CHARS] for name, value in found.items() if value is not None}
