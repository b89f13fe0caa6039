"""The client of a kernel: requests as calls, a feed as an iterator that misses nothing.

What belongs here: pending requests, deadlines, catching up. What must never come here: sockets
(``transports``) and what a session does (``session``).

    async with KernelClient(transport, username="ada") as kernel:
        uid = await kernel.create_session("scratch")
        reply = await kernel.execute(uid, "6 * 7")
        async for batch in kernel.follow(uid):
            ...
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, TypeVar

from . import codec
from .errors import ConnectionLost, DeadlinePassed, KernelError, MalformedMessage, SessionClosed
from .message import (
    ASIDE,
    NO_LIMITS,
    PLAIN_SETTING,
    AnswerReply,
    AnswerRequest,
    Beacon,
    CancelReply,
    CancelRequest,
    CloseSessionReply,
    CloseSessionRequest,
    CommInfoReply,
    CommInfoRequest,
    CompleteReply,
    CompleteRequest,
    ConnectionFile,
    Content,
    CreateSessionReply,
    CreateSessionRequest,
    CreateSubshellReply,
    CreateSubshellRequest,
    DeleteSubshellReply,
    DeleteSubshellRequest,
    ErrorReply,
    ExecuteReply,
    ExecuteRequest,
    ExportReply,
    ExportRequest,
    FeedReply,
    FeedRequest,
    FileChangeReply,
    FileChangeRequest,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
    Header,
    HistoryReply,
    HistoryRequest,
    InspectReply,
    InspectRequest,
    InterruptReply,
    InterruptRequest,
    IsCompleteReply,
    IsCompleteRequest,
    KernelInfoReply,
    KernelInfoRequest,
    ListSessionsReply,
    ListSessionsRequest,
    ListSubshellReply,
    ListSubshellRequest,
    Message,
    Metadata,
    MoveReply,
    MoveRequest,
    OutcomeReply,
    OutcomeRequest,
    RestartSessionReply,
    RestartSessionRequest,
    SessionInfo,
    SessionInfoReply,
    SessionInfoRequest,
    SessionLimits,
    SessionUID,
    Setting,
    Status,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)
from .transports import Transport

REPLY_SECONDS = 30.0
"""For replies that need no user code, unless the caller says otherwise."""

HEARTBEAT_SECONDS = 3.0
"""While somebody waits, a kernel that was silent for so long is asked for a sign of life."""

HEARTBEATS = 3
"""A kernel that let so many of these questions go unanswered is gone. It answers them between any
two other things it does, so this is generous."""

FOLLOW_QUEUE = 10_000
"""Publications that wait for one reader of a feed. When it is full, all of them are dropped and the
reader asks the kernel for what it missed: it lags, and loses nothing that the kernel still holds."""

POLL_SECONDS = 30.0
"""A reader that heard nothing for so long asks whether there was anything, for the case that even
the beacons did not reach it."""

log = logging.getLogger(__name__)

_C = TypeVar("_C", bound=Content)


class Batch(NamedTuple):
    """What a reader of a feed gets at a time.

    ``publications`` are in order, each number once; ``gone`` is the first and last number before
    them that the kernel no longer holds, or None.
    """

    publications: list[Message]
    gone: tuple[int, int] | None = None


class FeedSlice(NamedTuple):
    """The answer to ``feed_since``. ``latest`` is the number of the newest publication."""

    publications: list[Message]
    latest: int
    gone: tuple[int, int] | None


class _Reader:
    """One follower's queue: what came, or only that there is something to ask for."""

    def __init__(self) -> None:
        self.publications: list[Message] = []
        self.latest = 0
        self.wake = asyncio.Event()

    def put(self, message: Message) -> None:
        if isinstance(message.content, Beacon):
            self.latest = max(self.latest, message.content.latest)
        else:
            self.latest = max(self.latest, message.header.number)
            if len(self.publications) >= FOLLOW_QUEUE:
                self.publications.clear()
            self.publications.append(message)
        self.wake.set()

    async def arrival(self, seconds: float) -> bool:
        """Wait for something to take; False after so many seconds without."""
        try:
            async with asyncio.timeout(seconds):
                await self.wake.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> list[Message]:
        taken, self.publications = self.publications, []
        self.wake.clear()
        return taken


class KernelClient:
    """A client of one kernel. Open it with ``async with``.

    Once the kernel is lost (``lost`` is set), it is lost for this client: every pending call raises
    ``ConnectionLost``, every later one too. A new kernel has a new connection file and needs a new
    client.

    Args:
        transport: the connection; opened and closed by the client.
        username: a label for people, in the header of each request.
    """

    def __init__(self, transport: Transport, username: str = "") -> None:
        self.username = username
        self.lost = asyncio.Event()
        self._transport = transport
        self._loss: KernelError | None = None
        self._pending: dict[str, list[asyncio.Future[Content]]] = {}
        self._readers: dict[SessionUID, set[_Reader]] = {}
        self._watchdog: asyncio.Task[None] | None = None
        self._heard = False

    async def open(self) -> None:
        """Connect. Succeeds without a kernel there: ``kernel_info`` is the proof of one."""
        await self._transport.open(self)

    async def close(self) -> None:
        """Let go; whatever is pending raises ``ConnectionLost``."""
        self.lose(ConnectionLost("the client was closed"))
        if self._watchdog is not None:
            self._watchdog.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watchdog
        await self._transport.close()

    async def __aenter__(self) -> KernelClient:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- Requests about the kernel ------------------------------------------------------------

    async def kernel_info(
        self, uid: SessionUID | None = None, *, timeout: float | None = REPLY_SECONDS
    ) -> KernelInfoReply:
        """What the kernel is, or the other kernel that the session ``uid`` is of. That is told when it has
        started. With a short ``timeout`` (seconds), the way to see that it is there."""
        return await self._call(KernelInfoReply, KernelInfoRequest(), uid, timeout=timeout)

    async def create_session(
        self,
        name: str = "",
        setting: Setting = PLAIN_SETTING,
        limits: SessionLimits = NO_LIMITS,
        *,
        msg_id: str | None = None,
        timeout: float | None = REPLY_SECONDS,
    ) -> SessionUID:
        """Make a session. Its worker may still be starting; requests wait for it.

        Args:
            msg_id: the name of the request; a repeated one is answered with the same session.
        """
        content = CreateSessionRequest(name=name, setting=setting, limits=limits)
        reply = await self._call(CreateSessionReply, content, msg_id=msg_id, timeout=timeout)
        return SessionUID(reply.uid)

    async def list_sessions(self, *, timeout: float | None = REPLY_SECONDS) -> tuple[SessionInfo, ...]:
        """The sessions that the kernel has now."""
        return (await self._call(ListSessionsReply, ListSessionsRequest(), timeout=timeout)).sessions

    # --- Requests about one session -----------------------------------------------------------

    async def session_info(self, uid: SessionUID, *, timeout: float | None = REPLY_SECONDS) -> SessionInfo:
        """State, queue, usage of a session."""
        return (await self._call(SessionInfoReply, SessionInfoRequest(), uid, timeout=timeout)).session

    async def close_session(
        self, uid: SessionUID, *, username: str | None = None, timeout: float | None = REPLY_SECONDS
    ) -> None:
        """End a session and its worker."""
        await self._call(CloseSessionReply, CloseSessionRequest(), uid, username=username, timeout=timeout)

    async def restart_session(
        self, uid: SessionUID, *, username: str | None = None, timeout: float | None = REPLY_SECONDS
    ) -> None:
        """Replace a session's worker, living or dead; returns when the new one is ready.

        Raises:
            WorkerFailed: no new worker could be made.
        """
        await self._call(
            RestartSessionReply, RestartSessionRequest(), uid, username=username, timeout=timeout
        )

    async def export_session(
        self, uid: SessionUID, connection: ConnectionFile, *, timeout: float | None = REPLY_SECONDS
    ) -> ConnectionFile:
        """Open a session to Jupyter's clients; gives the connection with the ports that were chosen.

        Raises:
            ExportFailed: this kernel has no such sockets, or they cannot be bound.
        """
        request = ExportRequest(connection=connection)
        return (await self._call(ExportReply, request, uid, timeout=timeout)).connection

    async def execute(
        self,
        uid: SessionUID,
        code: str,
        *,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: Mapping[str, str] | None = None,
        allow_stdin: bool = True,
        stop_on_error: bool = True,
        subshell_id: str = "",
        msg_id: str | None = None,
        username: str | None = None,
        timeout: float | None = None,
    ) -> ExecuteReply:
        """Run code and wait for its end. How it failed stands in the reply; nothing is raised for it.

        Args:
            subshell_id: of ``create_subshell``; empty for the main line.
            msg_id: the name of the request; a repeated one is answered, not run again.
            timeout: seconds; None waits as long as the kernel lives. The code runs on after it.
        """
        content = ExecuteRequest(
            code=code,
            silent=silent,
            store_history=store_history,
            user_expressions=dict(user_expressions or {}),
            allow_stdin=allow_stdin,
            stop_on_error=stop_on_error,
        )
        return await self._call(
            ExecuteReply,
            content,
            uid,
            subshell_id=subshell_id,
            msg_id=msg_id,
            username=username,
            timeout=timeout,
        )

    async def complete(
        self,
        uid: SessionUID,
        code: str,
        cursor_pos: int,
        *,
        subshell_id: str = "",
        timeout: float | None = REPLY_SECONDS,
    ) -> CompleteReply:
        """Completions at a place in the code (code points). Waits behind what runs in the same line;
        ``ASIDE`` is one where no code runs."""
        content = CompleteRequest(code=code, cursor_pos=cursor_pos)
        return await self._call(CompleteReply, content, uid, subshell_id=subshell_id, timeout=timeout)

    async def inspect(
        self,
        uid: SessionUID,
        code: str,
        cursor_pos: int,
        detail_level: int = 0,
        *,
        subshell_id: str = "",
        timeout: float | None = REPLY_SECONDS,
    ) -> InspectReply:
        """Documentation of what stands at a place in the code. ``detail_level`` 1 asks for the source."""
        content = InspectRequest(code=code, cursor_pos=cursor_pos, detail_level=1 if detail_level else 0)
        return await self._call(InspectReply, content, uid, subshell_id=subshell_id, timeout=timeout)

    async def variables(
        self, uid: SessionUID, request: VariablesRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> VariablesReply:
        """The session's variables. Waits behind no code, and runs none."""
        return await self._call(VariablesReply, request, uid, subshell_id=ASIDE, timeout=timeout)

    async def variable(
        self, uid: SessionUID, request: VariableRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> VariableReply:
        """One variable and a part of its rows. Waits behind no code, and runs none."""
        return await self._call(VariableReply, request, uid, subshell_id=ASIDE, timeout=timeout)

    async def files(
        self, uid: SessionUID, request: FilesRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> FilesReply:
        """What a directory of the session holds. Waits behind no code.

        Raises:
            FileRefused: it cannot be done; the reason says why.
        """
        return await self._call(FilesReply, request, uid, subshell_id=ASIDE, timeout=timeout)

    async def read_file(
        self, uid: SessionUID, request: FileReadRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> FileReadReply:
        """A part of one of the session's files. Waits behind no code.

        Raises:
            FileRefused: it cannot be done; the reason says why.
        """
        return await self._call(FileReadReply, request, uid, subshell_id=ASIDE, timeout=timeout)

    async def write_file(
        self, uid: SessionUID, request: FileWriteRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> FileWriteReply:
        """Write a part of a file; it is there once its last part is. Waits behind no code.

        Raises:
            FileRefused: it cannot be done; the reason says why.
        """
        return await self._call(FileWriteReply, request, uid, subshell_id=ASIDE, timeout=timeout)

    async def change_file(
        self, uid: SessionUID, request: FileChangeRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> FileChangeReply:
        """Rename or delete a file, or make a directory. Waits behind no code.

        Raises:
            FileRefused: it cannot be done; the reason says why.
        """
        return await self._call(FileChangeReply, request, uid, subshell_id=ASIDE, timeout=timeout)

    async def is_complete(
        self, uid: SessionUID, code: str, *, timeout: float | None = REPLY_SECONDS
    ) -> IsCompleteReply:
        """Whether the code could be run as it stands."""
        return await self._call(IsCompleteReply, IsCompleteRequest(code=code), uid, timeout=timeout)

    async def history(
        self, uid: SessionUID, request: HistoryRequest, *, timeout: float | None = REPLY_SECONDS
    ) -> HistoryReply:
        """Earlier inputs of the session."""
        return await self._call(HistoryReply, request, uid, timeout=timeout)

    async def comm_info(
        self,
        uid: SessionUID,
        target_name: str | None = None,
        *,
        timeout: float | None = REPLY_SECONDS,
    ) -> CommInfoReply:
        """Which comms are open. Comm messages are sent by ``submit``."""
        content = CommInfoRequest(target_name=target_name)
        return await self._call(CommInfoReply, content, uid, timeout=timeout)

    async def create_subshell(
        self, uid: SessionUID, *, username: str | None = None, timeout: float | None = REPLY_SECONDS
    ) -> str:
        """A new subshell's id, for requests that shall not wait behind the main line.

        Let go of it by ``delete_subshell``. It is gone, too, after a restart and with the worker.

        Raises:
            TooManySubshells: the session is at its bound.
        """
        request = CreateSubshellRequest()
        reply = await self._call(CreateSubshellReply, request, uid, username=username, timeout=timeout)
        return reply.subshell_id

    async def delete_subshell(
        self,
        uid: SessionUID,
        subshell_id: str,
        *,
        username: str | None = None,
        timeout: float | None = REPLY_SECONDS,
    ) -> None:
        """Let go of a subshell. What waits there is cancelled, what runs there goes on.

        Raises:
            UnknownSubshell: there is none of this id.
        """
        request = DeleteSubshellRequest(subshell_id=subshell_id)
        await self._call(DeleteSubshellReply, request, uid, username=username, timeout=timeout)

    async def list_subshells(
        self, uid: SessionUID, *, timeout: float | None = REPLY_SECONDS
    ) -> tuple[str, ...]:
        """The ids of the session's subshells, oldest first."""
        return (await self._call(ListSubshellReply, ListSubshellRequest(), uid, timeout=timeout)).subshell_id

    async def interrupt(
        self,
        uid: SessionUID,
        *,
        subshell_id: str = "",
        username: str | None = None,
        timeout: float | None = REPLY_SECONDS,
    ) -> None:
        """Stop what runs, there or in the main line. Returns when the worker was told; the run's own reply
        says how it ended."""
        await self._call(
            InterruptReply,
            InterruptRequest(),
            uid,
            subshell_id=subshell_id,
            username=username,
            timeout=timeout,
        )

    async def cancel(
        self,
        uid: SessionUID,
        msg_id: str,
        *,
        username: str | None = None,
        timeout: float | None = REPLY_SECONDS,
    ) -> None:
        """Drop a run that waits.

        Raises:
            NotWaiting: it runs, has ended, or was never asked for.
        """
        request = CancelRequest(msg_id=msg_id)
        await self._call(CancelReply, request, uid, username=username, timeout=timeout)

    async def move(
        self,
        uid: SessionUID,
        msg_id: str,
        before: str = "",
        *,
        username: str | None = None,
        timeout: float | None = REPLY_SECONDS,
    ) -> None:
        """Let a run that waits stand before another one; with ``before`` empty, at the end.

        Raises:
            NotWaiting: one of the two does not wait.
        """
        request = MoveRequest(msg_id=msg_id, before=before)
        await self._call(MoveReply, request, uid, username=username, timeout=timeout)

    async def outcomes(
        self, uid: SessionUID, msg_ids: Sequence[str], *, timeout: float | None = REPLY_SECONDS
    ) -> Mapping[str, ExecuteReply]:
        """How runs ended, by msg_id: those that have and are remembered."""
        request = OutcomeRequest(msg_ids=tuple(msg_ids))
        return (await self._call(OutcomeReply, request, uid, timeout=timeout)).outcomes

    async def answer(
        self,
        uid: SessionUID,
        prompt: str,
        value: str,
        *,
        username: str | None = None,
        timeout: float | None = REPLY_SECONDS,
    ) -> None:
        """Answer a prompt.

        Args:
            prompt: msg_id of the ``input_request`` publication.

        Raises:
            NoPrompt: somebody else was first, or it was given up.
        """
        content = AnswerRequest(prompt=prompt, value=value)
        await self._call(AnswerReply, content, uid, username=username, timeout=timeout)

    async def feed_since(
        self,
        uid: SessionUID,
        since: int,
        limit: int = 1000,
        *,
        timeout: float | None = REPLY_SECONDS,
    ) -> FeedSlice:
        """The publications after number ``since``, oldest first: at most ``limit``, perhaps fewer."""
        reply = await self._call(FeedReply, FeedRequest(since=since, limit=limit), uid, timeout=timeout)
        return FeedSlice(list(map(codec.from_record, reply.publications)), reply.latest, reply.gone)

    def submit(
        self,
        uid: SessionUID | None,
        content: Content,
        *,
        subshell_id: str = "",
        msg_id: str | None = None,
        username: str | None = None,
        metadata: Metadata | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> Awaitable[Content]:
        """Send any request now; await the result for its reply, as long as the kernel lives.

        The awaitable may be left alone. It raises what an ``error_reply`` stands for.

        Raises:
            KernelError: it could not be sent.
        """
        reply = self._submit(
            uid,
            content,
            subshell_id=subshell_id,
            msg_id=msg_id or _new_id(),
            username=username,
            metadata=metadata,
            buffers=buffers,
        )
        # Nobody need ask for the outcome; a loss then is no "exception was never retrieved".
        reply.add_done_callback(_take_outcome)
        return reply

    def _submit(
        self,
        uid: SessionUID | None,
        content: Content,
        *,
        subshell_id: str,
        msg_id: str,
        username: str | None,
        metadata: Metadata | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> asyncio.Future[Content]:
        if self._loss is not None:
            raise self._loss
        reply: asyncio.Future[Content] = asyncio.get_running_loop().create_future()
        header = Header(
            msg_id=msg_id,
            msg_type=content.msg_type,
            session=uid or "",
            username=self.username if username is None else username,
            date=datetime.now(UTC).isoformat(),
            subshell_id=subshell_id,
        )
        waiting = self._pending.setdefault(msg_id, [])
        waiting.append(reply)
        try:
            self._transport.send(
                Message(header=header, metadata=metadata or {}, content=content, buffers=buffers)
            )
        except KernelError:
            self._forget(msg_id, reply)
            raise
        self._watch()
        return reply

    async def _call(
        self,
        reply_type: type[_C],
        content: Content,
        uid: SessionUID | None = None,
        *,
        subshell_id: str = "",
        msg_id: str | None = None,
        username: str | None = None,
        timeout: float | None,
    ) -> _C:
        msg_id = msg_id or _new_id()
        waiting = self._submit(uid, content, subshell_id=subshell_id, msg_id=msg_id, username=username)
        deadline = None
        if timeout is not None:
            # A timer alone: the task need not be cancelled, as asyncio.timeout() does, for a future of ours.
            deadline = waiting.get_loop().call_later(timeout, _pass_deadline, waiting, reply_type, timeout)
        try:
            reply = await waiting
        finally:
            if deadline is not None:
                deadline.cancel()
            self._forget(msg_id, waiting)
            _take_outcome(waiting)  # if the caller was cancelled, nobody asks for it
        if not isinstance(reply, reply_type):
            raise MalformedMessage(
                f"{reply.msg_type} is no answer to {content.msg_type}", field="header.msg_type"
            )
        return reply

    def _forget(self, msg_id: str, reply: asyncio.Future[Content]) -> None:
        waiting = self._pending.get(msg_id, [])
        if reply in waiting:
            waiting.remove(reply)
            if not waiting:
                del self._pending[msg_id]

    # --- Feeds --------------------------------------------------------------------------------

    async def follow(self, uid: SessionUID, since: int = 0) -> AsyncGenerator[Batch, None]:
        """Every publication after number ``since``, in order, once, as they come.

        Subscribes, reads what was there, fills every gap that the numbers or a beacon show. Ends
        after the session's last publication (status closed). A reader that is slow lags; it loses
        only what the kernel no longer holds, and then ``gone`` says which numbers.

        Raises:
            UnknownSession, SessionClosed: there is no such feed (any more).
            ConnectionLost: the kernel is gone.
        """
        reader = _Reader()
        self._listen(uid, reader)
        cursor, asked = since, False
        try:
            while True:
                batch = Batch(_following(reader.take(), cursor))
                if not batch.publications:
                    # Before each wait, not after: a loss in between has already done its waking.
                    if self._loss is not None:
                        raise self._loss
                    if asked and reader.latest <= cursor and await reader.arrival(POLL_SECONDS):
                        continue
                    publications, latest, gone = await self.feed_since(uid, cursor)
                    if not publications and await self._has_ended(uid):
                        return
                    batch, asked = Batch(publications, gone), True
                    reader.latest = max(reader.latest, latest)
                if batch.gone:
                    cursor = batch.gone[1]
                if batch.publications:
                    cursor = batch.publications[-1].header.number
                    yield batch
                    if _is_last(batch.publications[-1]):
                        return
        finally:
            self._stop_listening(uid, reader)

    async def _has_ended(self, uid: SessionUID) -> bool:
        """Whether the session was closed. Its feed can be read for a while longer, and brings nothing new."""
        try:
            await self.session_info(uid)
        except SessionClosed:
            return True
        return False

    def _listen(self, uid: SessionUID, reader: _Reader) -> None:
        if self._loss is not None:
            raise self._loss
        readers = self._readers.setdefault(uid, set())
        readers.add(reader)
        if len(readers) == 1:
            self._transport.subscribe(uid)
        self._watch()

    def _stop_listening(self, uid: SessionUID, reader: _Reader) -> None:
        readers = self._readers.get(uid, set())
        readers.discard(reader)
        if uid in self._readers and not readers:
            del self._readers[uid]
            if self._loss is None:
                self._transport.unsubscribe(uid)

    # --- What the transport brings ------------------------------------------------------------

    def reply(self, message: Message) -> None:
        """For the transport: a reply came."""
        self._heard = True
        if message.parent_header is None:
            log.warning("the kernel could not read a request: %s", message.content)
            return
        for waiting in self._pending.pop(message.parent_header.msg_id, ()):
            if waiting.done():
                continue
            if isinstance(message.content, ErrorReply):
                waiting.set_exception(codec.from_error_reply(message.content))
            else:
                waiting.set_result(message.content)

    def publication(self, message: Message) -> None:
        """For the transport: a publication or a beacon came."""
        self._heard = True
        for reader in self._readers.get(SessionUID(message.header.session), ()):
            reader.put(message)

    def lose(self, error: KernelError) -> None:
        """For the transport: the kernel is gone. Everything pending raises, everything later too."""
        if self._loss is not None:
            return
        self._loss = error
        self.lost.set()
        pending, self._pending = self._pending, {}
        for waiting in pending.values():
            for reply in waiting:
                if not reply.done():
                    reply.set_exception(error)
        for readers in self._readers.values():
            for reader in readers:
                reader.wake.set()

    # --- Whether it is still there ------------------------------------------------------------

    def _watch(self) -> None:
        if self._watchdog is None or self._watchdog.done():
            self._watchdog = asyncio.create_task(self._watch_kernel())

    async def _watch_kernel(self) -> None:
        """Ask a silent kernel for a sign of life while somebody waits; give it up after some questions.

        Questions are counted, not seconds: when this process itself stood still, the first look
        finds the answers unread and must not take that for silence.
        """
        unanswered = 0
        while self._loss is None and (self._pending or self._readers):
            self._heard = False
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._heard:
                unanswered = 0
            elif unanswered == HEARTBEATS:
                seconds = HEARTBEAT_SECONDS * (HEARTBEATS + 1)
                self.lose(ConnectionLost(f"the kernel has been silent for {seconds:g} seconds"))
            elif self._pending or self._readers:
                unanswered += 1
                content = KernelInfoRequest()
                header = Header(msg_id=_new_id(), msg_type=content.msg_type)
                with contextlib.suppress(KernelError):
                    self._transport.send(Message(header=header, content=content))


def _new_id() -> str:
    """For a request. Nobody can guess it, and have another request answered in its place."""
    return os.urandom(16).hex()


def _pass_deadline(waiting: asyncio.Future[Content], reply_type: type[Content], seconds: float) -> None:
    if not waiting.done():
        waiting.set_exception(DeadlinePassed(f"no {reply_type.msg_type} within {seconds:g} seconds"))


def _take_outcome(reply: asyncio.Future[Content]) -> None:
    if reply.done() and not reply.cancelled():
        reply.exception()


def _following(publications: list[Message], cursor: int) -> list[Message]:
    """Those that continue after ``cursor`` without a gap. What is behind a gap is asked for again."""
    run: list[Message] = []
    for publication in publications:
        number = publication.header.number
        if number == cursor + 1:
            run.append(publication)
            cursor = number
        elif number > cursor:
            break
    return run


def _is_last(publication: Message) -> bool:
    content = publication.content
    return isinstance(content, Status) and content.execution_state == "closed"
