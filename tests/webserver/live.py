"""The live parts of the web server over a real database and a real kernel in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from antiphon_kernel.client import KernelClient
from antiphon_kernel.executors import Executor
from antiphon_kernel.executors.inline import InlineExecutor
from antiphon_kernel.service import Service
from antiphon_kernel.transports.inprocess import InProcessTransport
from antiphon_webserver.archive import Archive
from antiphon_webserver.context import Context, KernelState
from antiphon_webserver.handover import take_up
from antiphon_webserver.model import (
    AccountName,
    CellId,
    Publication,
    Run,
    RunEnded,
    RunId,
    Session,
    WorksheetId,
)
from antiphon_webserver.recorder import Recorder
from antiphon_webserver.relay import Relay
from antiphon_webserver.secret import new_id
from antiphon_webserver.sessions import Sessions
from antiphon_webserver.storage import accounts, publications, runs, sessions, worksheets
from antiphon_webserver.storage.database import Database
from tests.deadline import DEADLINE

NOW = "2026-01-01T00:00:00.000Z"
SECONDS = DEADLINE
SHEET = WorksheetId("worksheet")
ADA = AccountName("ada")


class Kernel:
    """A kernel that outlives the web server, and can be replaced by another. Implements ``Connector``."""

    def __init__(self, executor: Callable[[], Executor] = InlineExecutor, **bounds: Any) -> None:
        self._executor = executor
        self._bounds = bounds
        self.service = Service(executor(), **bounds)
        self._connected = self.service

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[KernelClient]:
        self._connected = self.service
        async with KernelClient(InProcessTransport(self.service)) as client:
            self.client = client
            yield client

    def changed(self) -> bool:
        return self.service is not self._connected

    async def replace(self) -> None:
        """This kernel vanishes with all its sessions, and another stands in its place."""
        self.service = Service(self._executor(), **self._bounds)
        await self.service.open()
        self.client.lost.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Kernel]:
        first = self.service
        async with first:
            try:
                yield self
            finally:
                if self.service is not first:
                    await self.service.close()


@dataclass
class Live:
    """A web server without its methods and its HTTP."""

    database: Database
    archive: Archive
    relay: Relay
    recorder: Recorder
    sessions: Sessions
    context: Context
    kernel_states: list[KernelState]
    """Every state of the kernel that was told."""

    async def open_session(self) -> str:
        """A session of the worksheet, recorded."""
        uid = await self.sessions.create("T")
        await self.database.write(_open_session, uid)
        await self.sessions.record(uid)
        return uid

    async def write_run(
        self, uid: str, code: str, server: str = "", *, cell: str | None = None, created: str = ""
    ) -> Run:
        """A run that is written and not sent."""
        run = Run(
            id=RunId(new_id()),
            worksheet=SHEET,
            cell=None if cell is None else CellId(cell),
            session=uid,
            msg_id=new_id(),
            account=ADA,
            code=code,
            state="queued",
            created=created or self.context.now,
        )
        _, entries = await self.database.write(runs.create, run, server)
        self.relay.announce(SHEET, entries)
        return run

    async def run(self, uid: str, code: str) -> Run:
        """Run code and wait for its end; returns the run as it is stored then."""
        run = await self.write_run(uid, code)
        await self.sessions.execute(uid, code, run.msg_id, ADA)
        return await self.ended(run)

    async def ended(self, run: Run) -> Run:
        """The run, once its end is in the log."""
        async with asyncio.timeout(SECONDS):
            with self.relay.worksheet(SHEET).reader(0) as reader:
                while not any(
                    isinstance(e, RunEnded) and e.run == run.id for e in (await reader.next()).items
                ):
                    pass
        found = await self.database.read(runs.find, run.id)
        assert found is not None
        return found

    async def stored(self, uid: str) -> tuple[Publication, ...]:
        """What the database has of the feed."""
        return (await self.database.read(publications.since, uid, 0, 100_000)).publications

    async def session(self, uid: str) -> Session:
        found = await self.database.read(sessions.find, uid)
        assert found is not None
        return found


@asynccontextmanager
async def live(
    database: Database, kernel: Kernel, server: str = "", *, lives: bool = True, worksheet_bytes: int = 0
) -> AsyncIterator[Live]:
    """The parts, opened as ``server`` opens them, with a worksheet to work in."""
    await database.write(_make_worksheet)
    archive = Archive(database, server)
    relay = Relay(archive.publications, archive.entries)
    states: list[KernelState] = []
    async with Recorder(archive, relay, worksheet_output_bytes=worksheet_bytes) as recorder:
        service = Sessions(kernel, archive, recorder, changed=states.append)
        context = Context(
            database=database,
            sessions=service,
            relay=relay,
            public_url="",
            server=server,
            lives=lambda: lives,
        )
        recorder.unsent = partial(take_up, context)
        async with service, context.series.kept():
            yield Live(database, archive, relay, recorder, service, context, states)


def _make_worksheet(connection: Connection) -> None:
    accounts.create(connection, ADA, display_name="", password=None, admin=False, now=NOW)
    worksheets.create(connection, SHEET, CellId("cell"), title="T", owner=ADA, now=NOW)


def _open_session(connection: Connection, uid: str) -> None:
    before = worksheets.find(connection, SHEET, ADA)
    assert before is not None
    worksheets.open_session(connection, SHEET, uid, instead_of=before.session, title="T", author=ADA, now=NOW)
