"""The database as the live parts of the server see it: one call, one transaction.

What belongs here: which storage functions make up one step of the recorder, of the watch over the
kernel, of the relay and of the watch over rights. What must never come here: SQL itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter

from sqlalchemy import Connection

from . import access, signin
from .clients import Right
from .clock import iso
from .context import Caller
from .model import AnyEntry, Publication, WorksheetId
from .recorder import End, Ended, outcome
from .sessions import LiveSession
from .storage import creations, log, publications, room, runs, sessions
from .storage.creations import Creation
from .storage.database import Database

ENDS = ("restarting", "dead")
"""States by which a session tells that its variables are gone."""


class Archive:
    """Implements ``recorder.Archive``, ``sessions.Ledger``, ``clients.Rights`` and the reads of ``Relay``."""

    def __init__(
        self, database: Database, server: str = "", *, clock: Callable[[], float] = time.time
    ) -> None:
        """``server``: tells this web server from others of the database."""
        self._database = database
        self._server = server
        self._clock = clock

    # --- What the relay reads -----------------------------------------------------------------

    async def publications(self, session: str, cursor: int, limit: int) -> tuple[Sequence[Publication], int]:
        found = await self._database.read(publications.since, session, cursor, limit)
        return found.publications, found.latest

    async def entries(
        self, worksheet: WorksheetId, cursor: int, limit: int
    ) -> tuple[Sequence[AnyEntry], int]:
        found = await self._database.read(log.since, worksheet, cursor, limit)
        return found.entries, found.latest

    # --- What the recorder writes -------------------------------------------------------------

    async def record(
        self, batches: Sequence[tuple[str, Sequence[Publication]]], data: Mapping[str, bytes]
    ) -> Sequence[Ended]:
        return await self._database.write(_record, batches, data)

    async def orphans(self, session: str) -> Collection[str]:
        return await self._database.read(runs.orphans, session, self._server)

    async def lose(self, session: str, reason: str) -> Sequence[Ended]:
        return await self._database.write(_lose, session, reason, iso(self._clock()))

    async def end_runs(self, session: str, ends: Mapping[str, End]) -> Sequence[Ended]:
        return await self._database.write(_end_runs, session, ends, iso(self._clock()))

    async def kept(self, session: str) -> int:
        return await self._database.read(room.kept, session)

    # --- What the watch over the kernel asks --------------------------------------------------

    async def unsettled_sessions(self) -> Sequence[LiveSession]:
        return await self._database.read(_unsettled_sessions)

    async def live_uids(self) -> Collection[str]:
        return await self._database.read(sessions.live_uids)

    async def last_number(self, session: str) -> int:
        return await self._database.read(publications.last_number, session)

    async def left_creations(self) -> Sequence[Creation]:
        return await self._database.read(creations.left)

    async def finish_creation(self, creation: Creation, uid: str | None) -> None:
        if uid is None:
            await self._database.write(creations.end, creation.request, None)
        else:
            await self._database.write(creations.finish, creation, uid, iso(self._clock()))

    async def left_sessions(self) -> Collection[str]:
        return await self._database.read(sessions.left)

    # --- What the watch over rights asks ------------------------------------------------------

    async def held(self, rights: Collection[Right]) -> Collection[Right]:
        return await self._database.read(_held, rights, iso(self._clock()))


def _record(
    connection: Connection,
    batches: Sequence[tuple[str, Sequence[Publication]]],
    data: Mapping[str, bytes],
) -> list[Ended]:
    ended: list[Ended] = []
    # In one order, so that two servers that store the same wait for each other once, and not for ever.
    for session, items in sorted(batches, key=itemgetter(0)):
        known = sessions.find(connection, session)
        if known is None:
            continue  # its worksheet was deleted, and all that belongs to it
        # The worksheet is locked before the row of its session, as by everybody.
        _remark_gaps(connection, session, known.latest, items)
        if known.worksheet is not None:
            ended += _move_runs(connection, session, items)
        publications.store(connection, session, items, data)
        _move_session(connection, session, items, known.latest)
    return ended


def _remark_gaps(connection: Connection, session: str, last: int, items: Sequence[Publication]) -> None:
    for item in items:
        if item.number > last + 1:
            gone = f"Publications {last + 1} to {item.number - 1} are gone: the kernel no longer held them."
            runs.remark(connection, session, gone)
        last = max(last, item.number)


def _move_runs(connection: Connection, session: str, items: Sequence[Publication]) -> list[Ended]:
    """What publications tell of runs. Told twice, or of what is no run, it changes nothing."""
    ended: list[Ended] = []
    for item in items:
        if item.msg_type == "execute_input":
            runs.start(connection, session, item.parent, item.date)
        if item.msg_type != "execute_reply":
            continue
        state, reason = outcome(item.content)
        count = int(item.content.get("execution_count") or 0)
        end = runs.end(
            connection,
            session,
            item.parent,
            state=state,
            reason=reason,
            execution_count=count,
            now=item.date,
        )
        ended += [end] if end else []
    return ended


def _move_session(connection: Connection, session: str, items: Sequence[Publication], last: int) -> None:
    """The newest state counts. ``last``: the newest that was stored before; another server may have been
    faster."""
    states = [item for item in items if item.msg_type == "status"]
    for item in states:
        if item.number > last and item.content["execution_state"] in ENDS:
            sessions.set_restarted(connection, session, item.date)
    if states:
        content = states[-1].content
        sessions.set_state(connection, session, content["execution_state"], str(content.get("reason", "")))


def _lose(connection: Connection, session: str, reason: str, now: str) -> list[Ended]:
    lost = End(state="lost", reason=reason)
    ended = _end_runs(connection, session, {r.msg_id: lost for r in runs.open_runs(connection, session)}, now)
    sessions.set_state(connection, session, "lost", reason)
    return ended


def _end_runs(connection: Connection, session: str, ends: Mapping[str, End], now: str) -> list[Ended]:
    ended = (
        runs.end(
            connection,
            session,
            run,
            state=end.state,
            reason=end.reason,
            execution_count=end.execution_count,
            now=now,
        )
        for run, end in ends.items()
    )
    return [each for each in ended if each]


def _unsettled_sessions(connection: Connection) -> list[LiveSession]:
    return [LiveSession(uid=session.uid, stored=session.latest) for session in sessions.unsettled(connection)]


def _held(connection: Connection, rights: Collection[Right], now: str) -> set[Right]:
    return {right for right in rights if _is_held(connection, right, now)}


def _is_held(connection: Connection, right: Right, now: str) -> bool:
    match right.noun:
        case "credential":
            return signin.refresh(connection, Caller(credential=right.name), now).account is not None
        case "worksheet":
            return access.may_observe_worksheet(connection, right.account, WorksheetId(right.name))
        case "feed":
            return access.may_observe_session(connection, right.account, right.name)
