"""A kernel and a relay that are values in memory: what the methods see of the floors beside them.

They keep the interfaces of ``antiphon_webserver.context`` and can fail on command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from antiphon_kernel.message import (
    CommMsg,
    CompleteReply,
    FileChangeReply,
    FileChangeRequest,
    FileEntry,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
    InspectReply,
    SessionInfo,
    Variable,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)
from antiphon_webserver.context import KernelState
from antiphon_webserver.errors import NotFound, RpcError
from antiphon_webserver.model import AnyEntry, Caret, Entries, Publication, Publications, WorksheetId
from antiphon_webserver.secret import new_id
from antiphon_webserver.storage import log, publications
from antiphon_webserver.storage.database import Database


class FakeSessions:
    """A kernel that runs nothing, but knows its sessions and what it was given."""

    def __init__(self) -> None:
        self.kernel: KernelState = "ready"
        self.created: dict[str, str] = {}
        self.known: dict[str, SessionInfo] = {}
        self.executed: list[tuple[str, str, str, str]] = []
        self.tried: list[str] = []
        self._given = asyncio.Event()
        self.replies: dict[str, Publication] = {}
        self.recorded: list[str] = []
        self.closed: list[str] = []
        self.asked: list[str] = []
        self.silent = False
        self.refuse: RpcError | None = None

    async def create(self, title: str, kernel: str = "", msg_id: str | None = None) -> str:
        self._may_refuse()
        uid = self.created.setdefault(msg_id or new_id(), new_id())
        self.known[uid] = SessionInfo(uid=uid, name=title, kernel=kernel, execution_state="idle", latest=1)
        return uid

    async def record(self, uid: str) -> None:
        self.recorded.append(uid)

    async def info(self, uid: str) -> SessionInfo | None:
        self.asked.append(uid)
        return self.known.get(uid)

    def heard(self, uid: str) -> str:
        """As the feed of a session that dies says at once; of one that vanished nothing is known."""
        known = uid in self.known and not self.silent
        return self.known[uid].execution_state if known else ""

    async def execute(self, uid: str, code: str, msg_id: str, username: str, *, history: bool = True) -> None:
        self._ask(uid)
        if not history:
            self.tried.append(msg_id)
        self.executed.append((uid, code, msg_id, username))
        self._given.set()
        self._given = asyncio.Event()
        self.replies[uid] = Publication(
            number=len(self.executed),
            msg_id=new_id(),
            msg_type="execute_reply",
            parent=msg_id,
            username=username,
            date="",
            metadata={},
            content={"status": "ok", "execution_count": 1},
        )

    async def given(self, count: int) -> list[str]:
        """The code that was handed over, once that is so much."""
        while len(self.executed) < count:
            await asyncio.wait_for(self._given.wait(), 60)
        return [code for _, code, _, _ in self.executed]

    async def complete(self, uid: str, code: str, cursor_pos: int) -> CompleteReply:
        self._ask(uid)
        return CompleteReply(matches=(code + "x",), cursor_start=0, cursor_end=cursor_pos)

    async def inspect(
        self, uid: str, code: str, cursor_pos: int, detail_level: Literal[0, 1]
    ) -> InspectReply:
        self._ask(uid)
        return InspectReply(found=True, data={"text/plain": code})

    async def files(self, uid: str, request: FilesRequest) -> FilesReply:
        self._ask(uid)
        return FilesReply(entries=(FileEntry(name=request.path, kind="file"),), total=1)

    async def read_file(self, uid: str, request: FileReadRequest) -> FileReadReply:
        self._ask(uid)
        return FileReadReply(size=2, version="1", data=b"\xff\0")

    async def write_file(self, uid: str, request: FileWriteRequest) -> FileWriteReply:
        self._ask(uid)
        return FileWriteReply(size=request.offset + len(request.data))

    async def change_file(self, uid: str, request: FileChangeRequest) -> FileChangeReply:
        self._ask(uid)
        return FileChangeReply()

    async def variables(self, uid: str, request: VariablesRequest) -> VariablesReply:
        self._ask(uid)
        return VariablesReply(variables=(Variable(name=request.search, type="int"),), total=1)

    async def variable(self, uid: str, request: VariableRequest) -> VariableReply:
        self._ask(uid)
        return VariableReply(variable=Variable(name=request.name, type="int"), text="1")

    async def tell_comm(
        self, uid: str, content: CommMsg, buffers: Sequence[bytes], msg_id: str, username: str
    ) -> None:
        self._ask(uid)

    async def interrupt(self, uid: str) -> None:
        self._ask(uid)

    async def cancel(self, uid: str, msg_id: str, username: str) -> None:
        self._ask(uid)

    async def move(self, uid: str, msg_id: str, before: str, username: str) -> None:
        self._ask(uid)

    async def restart(self, uid: str) -> None:
        self._ask(uid)

    async def close(self, uid: str) -> None:
        self._may_refuse()
        self.closed.append(uid)
        self.known.pop(uid, None)

    async def answer(self, uid: str, prompt: str, value: str, username: str) -> None:
        self._ask(uid)

    def die(self, uid: str, reason: str) -> None:
        """The session's worker ends."""
        self.known[uid] = SessionInfo(uid=uid, name="", execution_state="dead", reason=reason, latest=1)

    def lose_everything(self) -> None:
        """Another kernel stands in the place of this one."""
        self.known.clear()

    def _ask(self, uid: str) -> None:
        self._may_refuse()
        if uid not in self.known:
            raise NotFound("There is no such session.")

    def _may_refuse(self) -> None:
        if self.refuse is not None:
            raise self.refuse


class FakeRelay:
    """Reads the database at once, and waits for what is announced; remembers that. Who would wait for the
    feed gets the reply to what the kernel was given."""

    def __init__(self, database: Database, sessions: FakeSessions) -> None:
        self._database = database
        self._sessions = sessions
        self.announced: list[AnyEntry] = []
        self.forgotten: list[WorksheetId] = []
        self.waited_for = asyncio.Event()
        self._news = asyncio.Event()

    def announce(self, worksheet: WorksheetId, entries: Sequence[AnyEntry]) -> None:
        self.announced.extend(entries)
        self._news.set()
        self._news = asyncio.Event()

    def forget(self, worksheet: WorksheetId, reason: str) -> None:
        self.forgotten.append(worksheet)

    async def settled(self) -> None:
        pass

    async def entries_since(self, worksheet: WorksheetId, cursor: int, *, limit: int, wait: float) -> Entries:
        news = self._news
        found = await self._database.read(log.since, worksheet, cursor, limit)
        if found.entries or not wait:
            return found
        self.waited_for.set()
        await news.wait()
        return await self._database.read(log.since, worksheet, cursor, limit)

    async def publications_since(self, session: str, cursor: int, *, limit: int, wait: float) -> Publications:
        reply = self._sessions.replies.get(session)
        if wait and reply is not None:
            return Publications(publications=(reply,), latest=reply.number)
        return await self._database.read(publications.since, session, cursor, limit)


class FakeSubscriber:
    """Remembers what it follows."""

    def __init__(self) -> None:
        self.followed: list[tuple[str, str, int]] = []
        self.unfollowed: list[str] = []
        self.carets: list[Caret | None] = []

    def subscribe_worksheet(self, worksheet: WorksheetId, cursor: int) -> None:
        self.followed.append(("worksheet", worksheet, cursor))

    def unsubscribe_worksheet(self, worksheet: WorksheetId) -> None:
        self.unfollowed.append(worksheet)

    def move_caret(self, worksheet: WorksheetId, caret: Caret | None) -> int:
        self.carets.append(caret)
        return 1

    def subscribe_feed(self, session: str, cursor: int) -> None:
        self.followed.append(("feed", session, cursor))

    def unsubscribe_feed(self, session: str) -> None:
        self.unfollowed.append(session)
