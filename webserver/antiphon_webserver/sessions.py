"""The kernel's sessions as the web server uses them: requests with deadlines, and the watch over the kernel.

What belongs here: the kernel client, whether the kernel can be reached, and what becomes of the
sessions when it comes back or another one stands in its place. What must never come here: SQL,
rights, the feed (``recorder``).

Rules:
- Whether a kernel is the same one is not asked: a session it knows goes on, one it does not know
  is lost. UIDs are random, so no other kernel can know them.
- How a run ends is heard on the feed. The reply to an execute request is awaited for refusals only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import msgspec

from antiphon_kernel import errors as kernel_errors
from antiphon_kernel.message import (
    ASIDE,
    CommMsg,
    CompleteReply,
    Content,
    ExecuteRequest,
    FileChangeReply,
    FileChangeRequest,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
    InspectReply,
    SessionInfo,
    SessionInfoRequest,
    SessionUID,
    Setting,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)

from .context import KernelState
from .errors import (
    Conflict,
    DeadlinePassed,
    InvalidParams,
    KernelUnavailable,
    LimitExceeded,
    NotFound,
    RpcError,
    SessionDead,
)
from .recorder import Recorder

if TYPE_CHECKING:
    from antiphon_kernel.client import KernelClient

    from .storage.creations import Creation

REQUEST_SECONDS = 10.0
CODE_SECONDS = 5.0
"""For completion and inspection; whoever typed has typed on by then."""
RESTART_SECONDS = 60.0
"""A restart answers when the new worker is ready, which includes the end of the old one."""
STARTING_SECONDS = 15.0
"""How long a request waits for a kernel that is starting: longer than a zygote takes to import."""
TOLD_SECONDS = 0.05
"""How long the feed may take to tell of a run before the kernel is asked."""
GONE_SECONDS = 1.0
"""How long a request waits for a kernel that was there: long enough for a connection that is renewed."""
GREET_SECONDS = 1.0
WATCH_SECONDS = 1.0
WATCH_DEADLINE = 10.0
RETRY_SECONDS = 0.1

KERNEL_RESTARTED = "the kernel was restarted"

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Connector(Protocol):
    """How the kernel is reached."""

    def connect(self) -> AbstractAsyncContextManager[KernelClient]:
        """Connect; entering raises ``ConnectionLost`` while there is no kernel."""

    def changed(self) -> bool:
        """The connected kernel is no longer the one to connect to."""


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that the database holds to be alive. ``stored``: the number of its newest publication."""

    uid: str
    stored: int


class Ledger(Protocol):
    """What the database knows of sessions."""

    async def unsettled_sessions(self) -> Sequence[LiveSession]:
        """The sessions that are neither closed nor lost, or have runs that have not ended."""

    async def live_uids(self) -> Collection[str]:
        """The UIDs of the sessions that are neither closed nor lost."""

    async def last_number(self, session: str) -> int:
        """The number of the session's newest stored publication."""

    async def left_creations(self) -> Sequence[Creation]:
        """What servers have asked the kernel for, or were about to, that are dead."""

    async def finish_creation(self, creation: Creation, uid: str | None) -> None:
        """It has made this session; None: the kernel refuses it."""

    async def left_sessions(self) -> Collection[str]:
        """The UIDs of sessions that servers have left behind that are dead; nobody needs them any more."""


class Sessions:
    """The service. ``async with`` starts the watch over the kernel and ends everything it owns.

    Implements ``context.Sessions``; what its methods raise is said there.
    """

    def __init__(
        self,
        connector: Connector,
        ledger: Ledger,
        recorder: Recorder,
        *,
        changed: Callable[[KernelState], None] = lambda _: None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            changed: called with every new ``kernel``; must not block. It is "starting" before.
        """
        self._connector = connector
        self._ledger = ledger
        self._recorder = recorder
        self._client: KernelClient | None = None
        self._ready = asyncio.Event()
        self._was_ready = False
        self._changed = changed
        self._told: KernelState = "starting"
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Sessions:
        self._keeper = asyncio.get_running_loop().create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)

    @property
    def kernel(self) -> KernelState:
        if self._client is not None:
            return "ready"
        return "gone" if self._was_ready else "starting"

    # --- Requests -----------------------------------------------------------------------------

    async def create(self, title: str, kernel: str = "", msg_id: str | None = None) -> str:
        async with self._asking() as client:
            return await client.create_session(
                title, Setting(kernel=kernel), msg_id=msg_id, timeout=REQUEST_SECONDS
            )

    async def record(self, uid: str) -> None:
        async with self._asking() as client:
            self._recorder.follow(client, uid, 0)

    async def info(self, uid: str) -> SessionInfo | None:
        try:
            async with self._asking() as client:
                return await client.session_info(SessionUID(uid), timeout=REQUEST_SECONDS)
        except NotFound:
            return None

    def heard(self, uid: str) -> str:
        return self._recorder.heard(uid)

    async def execute(self, uid: str, code: str, msg_id: str, username: str, *, history: bool = True) -> None:
        """Hand over code; once more, if the kernel was lost before it surely had it.

        A kernel that goes on with the sessions of one that was killed knows what that one had taken, by
        the ``msg_id``, and runs nothing twice.
        """
        self._recorder.handing.add(msg_id)
        self._recorder.told.setdefault(msg_id, asyncio.get_running_loop().create_future())
        try:
            await self._hand_over_surely(
                uid, ExecuteRequest(code=code, store_history=history), msg_id, username
            )
        finally:
            self._recorder.handing.discard(msg_id)
            self._recorder.told.pop(msg_id, None)

    async def _hand_over_surely(self, uid: str, content: ExecuteRequest, msg_id: str, username: str) -> None:
        client = self._client
        try:
            await self._send(uid, content, (), msg_id, username)
        except KernelUnavailable as error:
            if client is None or not client.lost.is_set():
                raise
            if self._client is client:
                self._client = None  # the watch has not noticed yet
                self._ready.clear()
            try:
                async with asyncio.timeout(STARTING_SECONDS):
                    await self._ready.wait()
            except TimeoutError:
                raise error from None
            await self._send(uid, content, (), msg_id, username)

    async def tell_comm(
        self, uid: str, content: CommMsg, buffers: Sequence[bytes], msg_id: str, username: str
    ) -> None:
        """Hand a comm message over; it waits in the session's line, whose bound is the kernel's."""
        await self._send(uid, content, buffers, msg_id, username)

    async def _send(
        self, uid: str, content: Content, buffers: Sequence[bytes], msg_id: str, username: str
    ) -> None:
        """The reply comes when a run has ended, so it is not what tells that the kernel has the request:
        the feed does, that the run is busy or queued. Where the feed says nothing, because this is no run
        or the kernel had it before, or because the feed is not followed here or is behind, something else
        is asked: what is sent on the same channel later is answered after this was looked at. A kernel
        that answers nothing is given up by the watch, which ends both.
        """
        async with self._asking() as client:
            run = client.submit(
                SessionUID(uid), content, buffers=tuple(buffers), msg_id=msg_id, username=username
            )
            reply = asyncio.ensure_future(run)
            told = self._recorder.told.get(msg_id)
            if told is not None and self._recorder.follows(uid):
                await asyncio.wait((reply, told), timeout=TOLD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done() and (told is None or not told.done()):
                fence = asyncio.ensure_future(client.submit(SessionUID(uid), SessionInfoRequest()))
                await asyncio.wait((reply, fence), return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                reply.result()

    async def complete(self, uid: str, code: str, cursor_pos: int) -> CompleteReply:
        return await self._ask_aside(
            uid,
            lambda client: client.complete(
                SessionUID(uid), code, cursor_pos, subshell_id=ASIDE, timeout=CODE_SECONDS
            ),
            CompleteReply(matches=(), cursor_start=cursor_pos, cursor_end=cursor_pos),
        )

    async def inspect(
        self, uid: str, code: str, cursor_pos: int, detail_level: Literal[0, 1]
    ) -> InspectReply:
        return await self._ask_aside(
            uid,
            lambda client: client.inspect(
                SessionUID(uid), code, cursor_pos, detail_level, subshell_id=ASIDE, timeout=CODE_SECONDS
            ),
            InspectReply(found=False),
        )

    async def variables(self, uid: str, request: VariablesRequest) -> VariablesReply:
        return await self._ask_aside(
            uid, lambda client: client.variables(SessionUID(uid), request, timeout=CODE_SECONDS)
        )

    async def variable(self, uid: str, request: VariableRequest) -> VariableReply:
        return await self._ask_aside(
            uid, lambda client: client.variable(SessionUID(uid), request, timeout=CODE_SECONDS)
        )

    async def files(self, uid: str, request: FilesRequest) -> FilesReply:
        return await self._ask_aside(
            uid, lambda client: client.files(SessionUID(uid), request, timeout=CODE_SECONDS)
        )

    async def read_file(self, uid: str, request: FileReadRequest) -> FileReadReply:
        return await self._ask_aside(
            uid, lambda client: client.read_file(SessionUID(uid), request, timeout=CODE_SECONDS)
        )

    async def write_file(self, uid: str, request: FileWriteRequest) -> FileWriteReply:
        return await self._ask_aside(
            uid, lambda client: client.write_file(SessionUID(uid), request, timeout=CODE_SECONDS)
        )

    async def change_file(self, uid: str, request: FileChangeRequest) -> FileChangeReply:
        return await self._ask_aside(
            uid, lambda client: client.change_file(SessionUID(uid), request, timeout=CODE_SECONDS)
        )

    async def _ask_aside(
        self, uid: str, ask: Callable[[KernelClient], Awaitable[_T]], nothing: _T | None = None
    ) -> _T:
        """Ask what runs no code and waits for none; ``nothing``, if it is given, where it was given up for a
        later one."""
        async with self._asking() as client:
            try:
                return await ask(client)
            except kernel_errors.RequestCancelled:
                if nothing is None:
                    raise
                return nothing
            except kernel_errors.DeadlinePassed:
                # An object of the session's that is asked for its names and does not answer. It must not
                # hold up those who ask next.
                await client.interrupt(SessionUID(uid), subshell_id=ASIDE, timeout=REQUEST_SECONDS)
                raise

    async def interrupt(self, uid: str) -> None:
        async with self._asking() as client:
            await client.interrupt(SessionUID(uid), timeout=REQUEST_SECONDS)

    async def cancel(self, uid: str, msg_id: str, username: str) -> None:
        async with self._asking() as client:
            await client.cancel(SessionUID(uid), msg_id, username=username, timeout=REQUEST_SECONDS)

    async def move(self, uid: str, msg_id: str, before: str, username: str) -> None:
        async with self._asking() as client:
            await client.move(SessionUID(uid), msg_id, before, username=username, timeout=REQUEST_SECONDS)

    async def restart(self, uid: str) -> None:
        async with self._asking() as client:
            await client.restart_session(SessionUID(uid), timeout=RESTART_SECONDS)

    async def close(self, uid: str) -> None:
        try:
            async with self._asking() as client:
                await client.close_session(SessionUID(uid), timeout=REQUEST_SECONDS)
        except NotFound:
            return

    async def answer(self, uid: str, prompt: str, value: str, username: str) -> None:
        async with self._asking() as client:
            await client.answer(SessionUID(uid), prompt, value, username=username, timeout=REQUEST_SECONDS)

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[KernelClient]:
        """The client, once there is one, with the kernel's errors as ours."""
        try:
            async with asyncio.timeout(GONE_SECONDS if self._was_ready else STARTING_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise KernelUnavailable(
                "The kernel cannot be reached." if self._was_ready else "The kernel is still starting."
            ) from None
        assert self._client is not None
        try:
            yield self._client
        except kernel_errors.KernelError as error:
            raise rpc_error(error) from error

    # --- The watch over the kernel ------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect, take stock, watch; again and again."""
        while True:
            try:
                async with self._connector.connect() as client:
                    await self._greet(client)
                    await self._take_stock(client)
                    self._client, self._was_ready = client, True
                    self._ready.set()
                    self._tell()
                    await self._watch(client)
            except kernel_errors.ConnectionLost as error:
                if self._client is not None:
                    _log.warning("the kernel is gone: %s", error.reason)
            except Exception:
                _log.exception("the watch over the kernel failed; starting again")
            finally:
                self._client = None
                self._ready.clear()
                self._tell()
                await self._recorder.pause()
            await asyncio.sleep(RETRY_SECONDS)

    def _tell(self) -> None:
        if self.kernel != self._told:
            self._told = self.kernel
            self._changed(self.kernel)

    async def _greet(self, client: KernelClient) -> None:
        """Returns when the kernel answers. A file of one that was killed leads to nobody.

        Raises:
            ConnectionLost: another kernel has come meanwhile.
        """
        while not self._connector.changed():
            try:
                await client.kernel_info(timeout=GREET_SECONDS)
                return
            except kernel_errors.DeadlinePassed:
                continue
        raise kernel_errors.ConnectionLost("another kernel is there")

    async def look_around(self) -> None:
        """Follow the sessions that other servers of the database have made."""
        if (client := self._client) is not None:
            for uid in set(await self._ledger.live_uids()).difference(self._recorder.followed):
                stored = await self._ledger.last_number(uid)
                if client is self._client:
                    self._recorder.follow(client, uid, stored)

    async def take_over(self) -> None:
        """Another server of the database has died: send or end what it had begun."""
        if (client := self._client) is not None:
            try:
                await self._take_stock(client)
            except kernel_errors.KernelError as error:
                _log.info("stock is taken when the kernel is there again: %s", error.reason)

    async def _take_stock(self, client: KernelClient) -> None:
        """Follow what goes on, give up what is lost, close what was left behind."""
        await self._finish_creations(client)
        known = {session.uid for session in await client.list_sessions()}
        for live in await self._ledger.unsettled_sessions():
            if live.uid not in known:
                await self._take_leave(client, live)
                continue
            self._recorder.follow(client, live.uid, live.stored)
            self._recorder.account_for(client, live.uid)
        for uid in known.intersection(await self._ledger.left_sessions()):
            with suppress(kernel_errors.RequestError):
                await client.close_session(SessionUID(uid), timeout=REQUEST_SECONDS)

    async def _finish_creations(self, client: KernelClient) -> None:
        """A kernel that made the session says so when it is asked again; one that did not, makes it now."""
        for left in await self._ledger.left_creations():
            uid: str | None = None
            with suppress(kernel_errors.RequestError):
                uid = await client.create_session(
                    left.title, Setting(kernel=left.kernel), msg_id=left.request, timeout=REQUEST_SECONDS
                )
            await self._ledger.finish_creation(left, uid)

    async def _take_leave(self, client: KernelClient, live: LiveSession) -> None:
        """The session is over. If it was closed in order, the kernel may still hold the end of its feed."""
        try:
            await client.feed_since(SessionUID(live.uid), live.stored, limit=1)
        except kernel_errors.RequestError as error:
            closed = isinstance(error, kernel_errors.SessionClosed)
            reason = error.reason if closed else KERNEL_RESTARTED
            _log.warning("session %s is lost: %s", live.uid, reason)
            await self._recorder.lose(live.uid, reason)
        else:
            self._recorder.follow(client, live.uid, live.stored)

    async def _watch(self, client: KernelClient) -> None:
        """Returns when the kernel is gone, or another one stands in its place."""
        while not client.lost.is_set() and not self._connector.changed():
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await client.lost.wait()
            except TimeoutError:
                # The client itself asks a silent kernel for signs of life only while somebody waits.
                await client.kernel_info(timeout=WATCH_DEADLINE)


def rpc_error(error: kernel_errors.KernelError) -> RpcError:
    """The kernel's refusal in the words of JSON-RPC."""
    match error:
        case kernel_errors.UnknownSession() | kernel_errors.SessionClosed():
            return NotFound("There is no such session.")
        case kernel_errors.SessionDead():
            return SessionDead(error.reason)
        case kernel_errors.DeadlinePassed():
            return DeadlinePassed(error.reason)
        case kernel_errors.NoPrompt() | kernel_errors.NotWaiting():
            return NotFound(error.reason)
        case kernel_errors.AlreadyRun():
            return Conflict(error.reason, field="msg_id")
        case kernel_errors.QueueFull():
            return LimitExceeded(error.reason, limit="queue", value=0)
        case kernel_errors.TooManySessions():
            return LimitExceeded(error.reason, limit="sessions", value=0)
        case kernel_errors.MessageTooLarge():
            return LimitExceeded(error.reason, limit="message_bytes", value=0)
        case kernel_errors.FileRefused():
            return Conflict(error.reason, field="path")
        case kernel_errors.UnknownKernel():
            return InvalidParams(error.reason, field="kernel")
        case kernel_errors.MalformedMessage():
            return InvalidParams(error.reason, field=error.field)
        case _:
            return KernelUnavailable(error.reason)
