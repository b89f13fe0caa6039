"""The service: owns the sessions, their feeds and workers, the time, and performs what sessions ask for.

What belongs here: everything with a clock, a task or a deadline. What must never come here: sockets,
and rules about one session (``session``). Everything happens on one event loop; nothing here blocks.

A request costs no task: ``submit`` takes it and calls back with the reply. ``handle`` awaits that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from . import codec
from .codec import DEFAULT_LIMITS, Frames, Limits
from .errors import (
    AlreadyRun,
    ExportFailed,
    KernelError,
    MalformedMessage,
    NoDebugger,
    QueueFull,
    SessionClosed,
    SessionDead,
    TooManySessions,
    UnknownKernel,
    UnknownMessageType,
    UnknownSession,
    WorkerFailed,
)
from .executors import Executor, ForeignExecutor, Kept, Usage, Worker
from .feed import ALL_FEEDS_BYTES, FEED_BYTES, FEED_COUNT, SLICE_BYTES, Feed, Feeds
from .ledger import Ledger
from .limits import Cull, End, Guard, Tell, lowered
from .link import Died, Published, Started, WorkerEvent
from .message import (
    NO_LIMITS,
    Beacon,
    CompleteRequest,
    ConnectionFile,
    Content,
    CreateSessionReply,
    CreateSessionRequest,
    DebugRequest,
    Error,
    ExecuteReply,
    ExportReply,
    ExportRequest,
    FeedReply,
    FeedRequest,
    Header,
    InspectRequest,
    KernelInfoReply,
    KernelInfoRequest,
    ListSessionsReply,
    ListSessionsRequest,
    Message,
    OutcomeReply,
    OutcomeRequest,
    SessionInfo,
    SessionInfoReply,
    SessionInfoRequest,
    SessionLimits,
    SessionUID,
)
from .session import (
    REQUESTS,
    Adopt,
    AwaitStop,
    Close,
    Effect,
    Event,
    Exported,
    InterruptWorker,
    KillWorker,
    LimitReached,
    Outcome,
    SendToWorker,
    Session,
    StartWorker,
    StopWorker,
    Unheeded,
    apply,
    describe,
    open_session,
)
from .session.bounds import MAX_SUBSHELLS
from .version import __version__

log = logging.getLogger(__name__)

_K = TypeVar("_K")
_V = TypeVar("_V")

MAX_SESSIONS = 1000
"""Sessions at one time. At some MB each, idle, this is about what a large machine holds."""

CLOSED_KEPT = 32
"""Closed sessions whose feed can still be read, so that a reader that was cut off hears the end."""

CLOSED_REMEMBERED = 10_000
"""Closed sessions that are still told apart from ones that never were."""

CREATIONS_REMEMBERED = 256
"""``create_session_request``s that are answered with the same session when repeated."""

RUNS_REMEMBERED = 65_536
"""Runs that are not run again though their answers are gone: who overheard a signed request can send it
again. Some 10 MB, when all that can be remembered is."""

WAITERS = 64
"""How many may wait for the answer to one msg_id. Who repeats more often is in a loop."""

START_SECONDS = 60.0
"""For a worker to say that it is ready."""

INTERRUPT_SECONDS = 5.0
"""For interrupted code to stop. After that the feed tells that it goes on, and what can be done."""

KILL_SECONDS = 10.0
"""For a killed worker to be gone. After that the session goes on without the news: a process stuck
in the operating system must not hold up a restart."""

CLOSE_SECONDS = 10.0
"""For the executor to end everything when the service closes."""

BEACON_SECONDS = 1.0
"""Between the beacons of one feed, while something was published lately."""

BEACONS_AFTER = 30
"""Beacons that follow the last publication: "lately". A subscriber that lost the end hears one."""

LOOK_SECONDS = 0.1
"""Between two looks at what a busy session uses. At 1 GB/s a runaway gets 100 MB further."""

SHORT_RUNS_LOOK_SECONDS = 1.0
"""Between two looks at a session that runs one short request after another. A look takes some 0.1 ms, which
is long beside an empty cell, and most requests are over before it could tell anything."""

IDLE_LOOK_SECONDS = 30.0
"""Between two looks at an idle one, which may have threads and processes of its own. A look takes some
0.1 ms, so 500 idle sessions cost 0.2 % of a core."""

IDLE_LOOKS = 8
"""At least so many within the time that a session may be idle."""

Respond: TypeAlias = Callable[[Message], None]
"""Called once with the reply to a request. Must not raise."""

Publish: TypeAlias = Callable[[SessionUID, Message, Frames], None]
"""Called with each publication and beacon, and its body as JSON frames (``codec.encode_body``).
Must neither block nor raise; who cannot keep up drops, and its readers catch up by number."""


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat()


class Exporter(Protocol):
    """Opens sessions to Jupyter's clients; stands above the service, because it has sockets."""

    def open(
        self, uid: SessionUID, connection: ConnectionFile, *, since: int | None = None
    ) -> ConnectionFile:
        """Open a session; gives the connection with the ports that were chosen.

        Args:
            since: the publication after which its clients shall hear all; from the first one, if not given.

        Raises:
            ExportFailed: not so.
        """

    def is_open(self, uid: SessionUID) -> bool:
        """Whether the session is a kernel to Jupyter's clients."""


class _Hold:
    """The service's hold on one worker, from the order to start it until ``Died``.

    ``Died`` passes exactly once, and nothing after it, whatever the worker still says. ``doom`` is
    the reason for which the service itself ends it; it stands in ``Died`` for "killed by signal 9".
    """

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.killed = False
        self.doom = ""
        self.gone = False
        self.deadline: asyncio.TimerHandle | None = None
        self.patience: dict[str, asyncio.TimerHandle] = {}

    def expect(self, seconds: float, then: Callable[[], None]) -> None:
        self.relax()
        self.deadline = asyncio.get_running_loop().call_later(seconds, then)

    def relax(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        for handle in self.patience.values():
            handle.cancel()
        self.patience.clear()

    def await_stop(
        self, msg_id: str, seconds: float, then: Callable[[], None], runs: Callable[[str], bool]
    ) -> None:
        """Call ``then`` after the time; whether that has stopped is for it to see. Those that do not run any
        more are forgotten here, so that there are as many as lines at most."""
        for gone in [other for other in self.patience if not runs(other)]:
            self.patience.pop(gone).cancel()

        def passed() -> None:
            del self.patience[msg_id]
            then()

        self.patience[msg_id] = asyncio.get_running_loop().call_later(seconds, passed)


class _Live:
    """A session with what does not fit a pure value: its feed, its worker, who waits for answers."""

    def __init__(self, session: Session, feed: Feed, guard: Guard) -> None:
        self.session = session
        self.feed = feed
        self.guard = guard
        self.next_look = 0.0
        self.looked = 0.0
        self.seen_running: frozenset[str] = frozenset()
        self.hold: _Hold | None = None
        self.ledger: Ledger | None = None
        self.waiting: dict[str, list[tuple[Message, Respond]]] = {}
        self.curious: list[tuple[Header, Respond]] = []
        self.beacons_due = 0
        self.adopted_at = 0  # the last publication of the kernel before, if there was one

    def usage(self) -> Usage:
        worker = self.hold.worker if self.hold else None
        return worker.usage() if worker else Usage()

    def is_worth_a_look(self, now: float) -> bool:
        """Whether something runs that ran when this was last asked, or there was no look for a while."""
        seen, self.seen_running = self.seen_running, self.session.running
        return not seen.isdisjoint(self.seen_running) or now - self.looked >= SHORT_RUNS_LOOK_SECONDS


class Service:
    """A kernel: ``async with Service(executor) as service``.

    Args:
        executor: makes the workers; opened and closed by the service.
        foreign: makes those of sessions that name a kernel; likewise.
        session_limits: what each session may use.
        interrupt_seconds: for interrupted code to stop before the feed tells that it has not.
        max_sessions: sessions at one time.
        limits: what a message may measure.
        feed_bytes: bytes held of each feed.
        feed_count: publications held of each feed.
        all_feeds_bytes: memory that all feeds may take together (``Feeds`` says which ones give way).
        feed_address: where the feeds can be subscribed to; told in ``kernel_info_reply``.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        foreign: ForeignExecutor | None = None,
        session_limits: SessionLimits = NO_LIMITS,
        interrupt_seconds: float = INTERRUPT_SECONDS,
        max_sessions: int = MAX_SESSIONS,
        limits: Limits = DEFAULT_LIMITS,
        feed_bytes: int = FEED_BYTES,
        feed_count: int = FEED_COUNT,
        all_feeds_bytes: int = ALL_FEEDS_BYTES,
        feed_address: str = "",
    ) -> None:
        self.limits = limits
        self.feed_address = feed_address
        self._exporter: Exporter | None = None
        # A publication must also fit into a feed_reply, where it is wrapped and its buffers are base64.
        self._publication_limits = msgspec.structs.replace(limits, message_bytes=limits.message_bytes // 2)
        self._executor = executor
        self._foreign = foreign
        self._session_limits = session_limits
        self._interrupt_seconds = interrupt_seconds
        self._max_sessions = max_sessions
        self._feed_bytes = feed_bytes
        self._feed_count = feed_count
        self._all_feeds_bytes = all_feeds_bytes
        self._feeds = Feeds(max_memory=all_feeds_bytes, max_bytes=feed_bytes, max_count=feed_count)
        self._nonce = secrets.token_urlsafe(12)  # makes the ids of replies unique
        self._replies = itertools.count(1)
        self._live: dict[SessionUID, _Live] = {}
        self._closed: dict[SessionUID, _Live] = {}
        self._closed_uids: dict[SessionUID, str] = {}
        self._created: dict[str, SessionUID] = {}
        self._run: dict[tuple[str, str], None] = {}
        self._publishers: list[Publish] = []
        self._events: deque[tuple[_Live, Event]] = deque()
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._idle_watcher: asyncio.Task[None] | None = None
        self._beaconer: asyncio.Task[None] | None = None

    # --- Opening and closing ------------------------------------------------------------------

    async def open(self) -> None:
        """Get ready to make workers, and go on with the sessions of a kernel that was killed."""
        kept = await self._executor.open()
        if self._foreign is not None:
            await self._foreign.open()
            kept = await self._foreign.resume(kept)
        for one in kept:
            self._adopt(one)

    def _adopt(self, kept: Kept) -> None:
        session, worker = kept.record.session, kept.worker
        live = self._live[session.uid] = _Live(
            session, self._feeds.new(), Guard(session.limits, time.monotonic())
        )
        live.ledger = kept.ledger
        ready = session.worker == "ready"
        # What another kernel said in between, it said to nobody.
        lost = kept.record.hearing or (ready and (worker is None or bool(session.setting.kernel)))
        live.feed.skip_to(session.latest + lost)
        live.adopted_at = live.feed.latest
        if session.created_by:
            _remember(self._created, session.created_by, session.uid, CREATIONS_REMEMBERED)
        kept.ledger.begin(session)
        log.info("session %.6s… goes on after publication %d", session.uid, session.latest)
        hold = live.hold = _Hold() if ready else None
        if hold is not None:
            hold.worker = worker
        # A worker that may have half of a request is not asked again, but ended, below.
        unsure = kept.record.hearing or kept.record.telling
        again = unsure and worker is not None and not kept.record.half_told and not session.setting.kernel
        self._feed_event(live, Adopt(lost=lost, again=again, incomplete=kept.record.incomplete))
        self._watch_limits(session.limits)
        if hold is None:
            if worker is not None:
                worker.kill()  # another one is started; it had no code to run yet, or was to end
            return
        if worker is None:
            self._heard(live, hold, [Died(reason=kept.reason)])
            return
        worker.listen(lambda events: self._heard(live, hold, events))
        if kept.record.half_told:
            # What was sent next would be taken for the rest of it.
            self._kill(live, hold, "the kernel was killed while it handed over a request")

    def export_by(self, exporter: Exporter | None) -> None:
        """From now on sessions are opened to Jupyter's clients by this one; at once those that a kernel
        which was killed had opened, at the same place. The feed tells of one that cannot be."""
        self._exporter = exporter
        if exporter is None:
            return
        for live in list(self._live.values()):
            session = live.session
            if session.exported is None or session.state == "closed":
                continue
            try:
                exporter.open(session.uid, session.exported, since=live.adopted_at)
            except ExportFailed as error:
                reason = f"Jupyter's clients find the session no longer: {error.reason}"
                log.warning("session %.6s…: %s", session.uid, reason)
                told = Error(ename="ExportFailed", evalue=reason, traceback=(reason,))
                self._feed_event(live, [Published(parent="", content=told)])

    async def close(self, reason: str = "the kernel was stopped") -> None:
        """Close every session, in order, and end every worker. Takes ``CLOSE_SECONDS`` at most."""
        for live in list(self._live.values()):
            self._feed_event(live, Close(reason))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._executor.close()
                if self._foreign is not None:
                    await self._foreign.close()
        except TimeoutError:
            log.error("workers did not end within %g seconds", CLOSE_SECONDS)
        for live in (*self._live.values(), *self._closed.values()):
            if live.hold is not None:
                live.hold.relax()

    async def __aenter__(self) -> Service:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- Requests -----------------------------------------------------------------------------

    async def handle(self, request: Message) -> Message:
        """The reply to a request; comes when the request has been carried out."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.submit(request, lambda message: None if reply.done() else reply.set_result(message))
        return await reply

    def submit(self, request: Message, respond: Respond) -> None:
        """Take a request and answer it, now or later, by one call of ``respond``."""
        try:
            self._submit(request, respond)
        except KernelError as error:
            respond(self.reply_to(request.header, codec.to_error_reply(error)))

    def reply_to(self, header: Header | None, content: Content) -> Message:
        """A reply; ``header`` is that of the request, None if it could not be read."""
        return Message(
            header=Header(
                msg_id=f"{self._nonce}-{next(self._replies)}",
                msg_type=content.msg_type,
                session=header.session if header else "",
                username=header.username if header else "",
                date=now(),
            ),
            parent_header=header,
            content=content,
        )

    def _submit(self, request: Message, respond: Respond) -> None:
        header, content = request.header, request.content
        match content:
            case KernelInfoRequest():
                live = self._find(header.session) if header.session else None
                if live is not None and live.session.setting.kernel:
                    if len(live.curious) >= WAITERS:
                        raise QueueFull(
                            f"{len(live.curious)} wait to hear what this kernel is, limit {WAITERS}"
                        )
                    live.curious.append((header, respond))
                    self._describe_kernel(live)
                else:
                    respond(self.reply_to(header, self._info()))
            case ListSessionsRequest():
                sessions = tuple(self._describe(live) for live in self._live.values())
                respond(self.reply_to(header, ListSessionsReply(sessions=sessions)))
            case CreateSessionRequest():
                respond(self.reply_to(header, CreateSessionReply(uid=self._create(header.msg_id, content))))
            case SessionInfoRequest():
                info = self._describe(self._find(header.session))
                respond(self.reply_to(header, SessionInfoReply(session=info)))
            case OutcomeRequest(msg_ids=msg_ids):
                respond(self.reply_to(header, self._outcomes(header.session, msg_ids)))
            case FeedRequest(since=since, limit=limit):
                respond(self.reply_to(header, self._since(header.session, since, limit)))
            case ExportRequest(connection=connection):
                uid = self._find(header.session).session.uid
                if self._exporter is None:
                    raise ExportFailed("this kernel has no sockets for Jupyter's clients")
                opened = self._exporter.open(uid, connection)
                self._feed_event(self._live[uid], Exported(opened))
                respond(self.reply_to(header, ExportReply(connection=opened)))
            case DebugRequest():
                live = self._find(header.session)
                if live.session.setting.kernel or "debugger" not in self._executor.features:
                    raise NoDebugger(
                        "this session cannot be debugged: it is of another kernel, or shares its process, "
                        "or debugpy is not installed (antiphon[debug])"
                    )
                self._apply_request(live, request, respond)
            case _ if type(content) in REQUESTS:
                _check_cursor(content)
                self._apply_request(self._find(header.session), request, respond)
            case _:
                raise UnknownMessageType(f"{content.msg_type} is not a request", field="header.msg_type")

    def _apply_request(self, live: _Live, request: Message, respond: Respond) -> None:
        key = request.header.session, request.header.msg_id
        if key in self._run and key[1] not in live.session.answered:
            raise AlreadyRun("this run is over, and its answer is no longer kept", field="header.msg_id")
        waiting = live.waiting.setdefault(request.header.msg_id, [])
        if len(waiting) >= WAITERS:
            raise QueueFull(f"{len(waiting)} wait for the answer to this msg_id, limit {WAITERS}")
        waiting.append((request, respond))
        self._feed_event(live, request)

    def _find(self, uid: str) -> _Live:
        live = self._live.get(SessionUID(uid))
        if live is not None:
            return live
        if (reason := self._closed_uids.get(SessionUID(uid))) is not None:
            raise SessionClosed(reason, field="header.session")
        raise UnknownSession("no session has this UID", field="header.session")

    def _describe_kernel(self, live: _Live) -> None:
        """Tell what another kernel is to those who asked, once it is known."""
        worker = live.hold.worker if live.hold else None
        if worker is None or worker.description is None:
            if live.hold is not None and not live.hold.gone and live.session.state != "closed":
                return  # it starts, for START_SECONDS at most
            content: Content = codec.to_error_reply(SessionDead(live.session.reason))
        else:
            known = {
                name: value for name, value in msgspec.structs.asdict(worker.description).items() if value
            }
            # It knows neither our subshells nor our debugger.
            content = msgspec.structs.replace(self._info(), supported_features=(), **known)
        curious, live.curious = live.curious, []
        for header, respond in curious:
            respond(self.reply_to(header, content))

    def _info(self) -> KernelInfoReply:
        return KernelInfoReply(
            wire_version=codec.WIRE_VERSION,
            implementation_version=__version__,
            language_info={
                "name": "python",
                "version": sys.version.split()[0],
                "mimetype": "text/x-python",
                "file_extension": ".py",
                "pygments_lexer": "ipython3",
                "codemirror_mode": {"name": "ipython", "version": 3},
                "nbconvert_exporter": "python",
            },
            banner=f"Antiphon {__version__}, Python {sys.version.split()[0]}",
            feed=self.feed_address,
            preloaded=tuple(module.name for module in self._executor.preloaded),
            kernels=self._kernels,
            supported_features=("kernel subshells", *self._executor.features),
            limits={
                "message_bytes": self.limits.message_bytes,
                "publication_bytes": self._publication_limits.message_bytes,
                "frames": self.limits.frames,
                "header_bytes": self.limits.header_bytes,
                "sessions": self._max_sessions,
                "subshells": MAX_SUBSHELLS,
                "interrupt_seconds": self._interrupt_seconds,
                **{f"session_{k}": v for k, v in msgspec.structs.asdict(self._session_limits).items()},
                "feed_bytes": self._feed_bytes,
                "feed_count": self._feed_count,
                "all_feeds_bytes": self._all_feeds_bytes,
            },
        )

    @property
    def _kernels(self) -> tuple[str, ...]:
        return self._foreign.kernels if self._foreign is not None else ()

    def _describe(self, live: _Live) -> SessionInfo:
        uid = live.session.uid
        return msgspec.structs.replace(
            describe(live.session),
            **live.usage()._asdict(),
            idle_seconds=round(live.guard.idle_seconds(live.session, time.monotonic()), 1),
            preloaded=() if live.session.setting.kernel else self._executor.preloaded,
            exported=self._exporter is not None and self._exporter.is_open(uid),
        )

    def _outcomes(self, uid: str, msg_ids: Sequence[str]) -> OutcomeReply:
        live = self._closed.get(SessionUID(uid)) or self._find(uid)
        replies = ((msg_id, live.session.answered.get(msg_id)) for msg_id in msg_ids)
        return OutcomeReply(
            outcomes={msg_id: reply for msg_id, reply in replies if isinstance(reply, ExecuteReply)}
        )

    def _since(self, uid: str, since: int, limit: int) -> FeedReply:
        live = self._closed.get(SessionUID(uid)) or self._find(uid)
        publications, latest, gone = live.feed.since(
            since, limit, min(SLICE_BYTES, self._publication_limits.message_bytes)
        )
        return FeedReply(publications=tuple(map(codec.to_record, publications)), latest=latest, gone=gone)

    def _create(self, msg_id: str, request: CreateSessionRequest) -> SessionUID:
        if (known := self._created.get(msg_id)) is not None:
            return known
        if len(self._live) >= self._max_sessions:
            raise TooManySessions(f"{len(self._live)} sessions, limit {self._max_sessions}")
        setting = request.setting
        if setting.kernel and setting.kernel not in self._kernels:
            names = ", ".join(self._kernels) or 'none; pip install "antiphon[foreign]"'
            reason = f"no kernel {setting.kernel[:80]!r} is installed; there are: {names}"
            raise UnknownKernel(reason, field="setting.kernel")
        limits = lowered(self._session_limits, request.limits)
        uid = _new_uid()
        outcome = open_session(
            uid, request.name, secrets.token_urlsafe(6), now(), request.setting, limits, msg_id
        )
        guard = Guard(limits, time.monotonic())
        live = self._live[uid] = _Live(outcome.session, self._feeds.new(), guard)
        live.next_look = time.monotonic() + _idle_look_seconds(limits)
        # Before anybody knows of it: with its worker it gets a ledger beside that one.
        self._note_in(live, self._executor.note(uid, starts=not setting.kernel))
        _remember(self._created, msg_id, uid, CREATIONS_REMEMBERED)
        self._carry_out(live, outcome)
        self._watch_limits(limits)
        return uid

    def _watch_limits(self, limits: SessionLimits) -> None:
        if limits != NO_LIMITS:
            self._idle_watcher = self._keep_running(self._idle_watcher, self._watch_all)

    # --- Feeds --------------------------------------------------------------------------------

    def add_publisher(self, publish: Publish) -> None:
        """From now on, tell ``publish`` of every publication and beacon, of every session."""
        self._publishers.append(publish)

    def remove_publisher(self, publish: Publish) -> None:
        """Stop telling."""
        with contextlib.suppress(ValueError):
            self._publishers.remove(publish)

    def has_session(self, uid: str) -> bool:
        """Whether an open session has exactly this UID: whether its feed will bring anything more."""
        return uid in self._live

    def has_feed(self, uid: str) -> bool:
        """Whether there is a feed to read under exactly this UID, if only that of a session just closed."""
        return uid in self._live or uid in self._closed

    def beacon(self, uid: SessionUID) -> None:
        """Tell the subscribers of a feed its latest number, as a new one should know it at once."""
        live = self._live.get(uid) or self._closed.get(uid)
        if live is not None:
            content = Beacon(latest=live.feed.latest)
            header = Header(
                msg_id=secrets.token_urlsafe(8), msg_type=content.msg_type, session=uid, date=now()
            )
            self._publish(uid, Message(header=header, content=content))

    def _publish(self, uid: SessionUID, message: Message, body: Frames | None = None) -> None:
        frames = body or codec.encode_body(message, "json")
        for publish in self._publishers:
            publish(uid, message, frames)

    def _hold(self, live: _Live, publication: Message) -> tuple[Message, Frames]:
        """Keep a publication in its feed. Gives it as it can be held and sent, and its frames."""
        try:
            body = codec.encode_body(publication, "json")
            size = codec.check_body(body, self._publication_limits)
        except (TypeError, ValueError, OverflowError, RecursionError, KernelError) as error:
            publication = _without_what_does_not_fit(publication, error)
            body = codec.encode_body(publication, "json")
            size = codec.body_bytes(body)
        self._feeds.append(live.feed, publication, size)
        return publication, body

    async def _send_beacons(self) -> None:
        while due := [uid for uid, live in self._live.items() if live.beacons_due]:
            await asyncio.sleep(BEACON_SECONDS)
            for uid in due:
                if (live := self._live.get(uid)) is not None:
                    live.beacons_due -= 1
                    self.beacon(uid)

    # --- Events and what follows --------------------------------------------------------------

    def _feed_event(self, live: _Live, event: Event) -> None:
        """Apply an event and all that it leads to. A worker that answers at once comes in behind."""
        self._events.append((live, event))
        if self._draining:
            return
        self._draining = True
        try:
            while self._events:
                live, event = self._events.popleft()
                self._carry_out(live, apply(live.session, event, now()))
        finally:
            self._draining = False

    def _carry_out(self, live: _Live, outcome: Outcome) -> None:
        live.session = outcome.session
        uid = outcome.session.uid
        if live.ledger is not None:
            tells = SendToWorker in map(type, outcome.effects)
            live.ledger.write(outcome.session, tells=tells)
        # First what somebody waits for. Whoever has a reply finds all that led to it in the feed all the
        # same: nothing else is answered before the end of this.
        for effect in outcome.effects:
            self._perform(live, effect)
        for reply in outcome.replies:
            if isinstance(reply.content, ExecuteReply):
                _remember(self._run, (uid, reply.parent), None, RUNS_REMEMBERED)
            for request, respond in live.waiting.pop(reply.parent, ()):
                respond(self.reply_to(request.header, reply.content))
        held = [self._hold(live, publication) for publication in outcome.publications]
        for publication, body in held:
            self._publish(uid, publication, body)
        if held:
            live.beacons_due = BEACONS_AFTER
            self._beaconer = self._keep_running(self._beaconer, self._send_beacons)
        if live.session.is_running and live.guard.limits != NO_LIMITS:
            self._watcher = self._keep_running(self._watcher, self._watch_busy)
        if outcome.session.state == "closed" and uid in self._live:
            self._retire(uid)

    def _retire(self, uid: SessionUID) -> None:
        live = self._live.pop(uid)
        if live.ledger is not None:
            live.ledger.end()
        if (oldest := _remember(self._closed, uid, live, CLOSED_KEPT)) is not None:
            self._feeds.forget(oldest.feed)
        _remember(self._closed_uids, uid, live.session.reason, CLOSED_REMEMBERED)

    def _perform(self, live: _Live, effect: Effect) -> None:
        worker = live.hold.worker if live.hold else None
        match effect:
            case StartWorker():
                hold = live.hold = _Hold()
                live.guard.renew()
                self._own(asyncio.create_task(self._start_worker(live, hold)))
            case SendToWorker(request) if worker is not None:
                worker.send(request)
            case InterruptWorker() if worker is not None:
                worker.interrupt()
            case StopWorker(reason, line) if worker is not None:
                worker.stop(reason, line)
            case AwaitStop(msg_id) if live.hold is not None:
                unheeded = Unheeded(msg_id, self._interrupt_seconds)
                live.hold.await_stop(
                    msg_id,
                    unheeded.seconds,
                    lambda: self._feed_event(live, unheeded),
                    lambda other: live.session.line_running(other) is not None,
                )
            case KillWorker() if live.hold is not None:
                self._kill(live, live.hold, "")

    async def _start_worker(self, live: _Live, hold: _Hold) -> None:
        uid = live.session.uid
        hold.expect(START_SECONDS, lambda: self._kill(live, hold, f"not ready within {START_SECONDS:g} s"))
        try:
            setting, limits = live.session.setting, live.guard.limits
            executor = self._foreign if setting.kernel and self._foreign is not None else self._executor
            hold.worker = await executor.start(
                uid, lambda events: self._heard(live, hold, events), setting, limits
            )
        except WorkerFailed as error:
            self._heard(live, hold, [Died(reason=error.reason)])
        else:
            self._note_in(live, hold.worker.ledger)
            if hold.killed:
                hold.worker.kill()

    def _note_in(self, live: _Live, ledger: Ledger | None) -> None:
        """From now on the session is noted down beside its new worker."""
        if live.session.state == "closed" or ledger is None or ledger is live.ledger:
            return
        ledger.begin(live.session)
        if live.ledger is not None:
            live.ledger.end()
        live.ledger = ledger

    def _kill(self, live: _Live, hold: _Hold, doom: str) -> None:
        """End a worker. If it cannot be ended in time, go on as if it had."""
        hold.killed = True
        hold.doom = hold.doom or doom
        reason = hold.doom or "killed on request"
        hold.expect(KILL_SECONDS, lambda: self._heard(live, hold, [Died(reason=f"{reason}; did not end")]))
        if hold.worker is not None:
            hold.worker.kill()

    def _heard(self, live: _Live, hold: _Hold, events: Sequence[WorkerEvent]) -> None:
        if hold.gone or not events:
            return
        if isinstance(events[0], Started) and not hold.killed:
            hold.relax()
        if isinstance(last := events[-1], Died):
            hold.relax()
            hold.gone = True
            if hold.doom:
                events = [*events[:-1], Died(reason=hold.doom)]
            log.info("worker of %.6s… ended: %s", live.session.uid, hold.doom or last.reason)
        self._feed_event(live, events)
        if live.curious:
            self._describe_kernel(live)

    # --- Tasks --------------------------------------------------------------------------------

    async def _watch_busy(self) -> None:
        """Hold busy sessions to their limits. Ends when none is busy."""
        while True:
            # At first too: a look takes as long as a short run, which would wait for it.
            await asyncio.sleep(LOOK_SECONDS)
            busy = [live for live in self._live.values() if live.session.is_running]
            if not busy:
                return
            begin = time.monotonic()
            for live in busy:
                if live.is_worth_a_look(begin):
                    self._look(live)

    async def _watch_all(self) -> None:
        """Hold all sessions to their limits, idle ones too. Ends with the last session."""
        while self._live:
            begin = time.monotonic()
            due = [live for live in self._live.values() if live.next_look <= begin]
            for live in due:
                live.next_look = begin + _idle_look_seconds(live.guard.limits)
                self._look(live)
                await asyncio.sleep(0)  # many at once would hold up what else there is to do
            soonest = min((live.next_look for live in self._live.values()), default=0.0)
            await asyncio.sleep(min(max(soonest - time.monotonic(), LOOK_SECONDS), BEACON_SECONDS))

    def _look(self, live: _Live) -> None:
        hold = live.hold
        if hold is not None and hold.killed and not hold.gone:
            return
        live.looked = time.monotonic()
        verdict = live.guard.look(live.session, live.usage(), live.looked)
        match verdict:
            case Cull(reason):
                self._feed_event(live, Close(reason))
            case Tell(reason, line):
                self._feed_event(live, LimitReached(reason, line))
            case End(reason) if hold is not None:
                self._kill(live, hold, reason)

    def _keep_running(
        self, task: asyncio.Task[None] | None, run: Callable[[], Coroutine[None, None, None]]
    ) -> asyncio.Task[None]:
        if task is not None and not task.done():
            return task
        return self._own(asyncio.create_task(run()))

    def _own(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the service failed", exc_info=error)


def _idle_look_seconds(limits: SessionLimits) -> float:
    return min(IDLE_LOOK_SECONDS, (limits.idle_seconds or math.inf) / IDLE_LOOKS)


def _check_cursor(content: Content) -> None:
    if isinstance(content, CompleteRequest | InspectRequest) and content.cursor_pos > len(content.code):
        raise MalformedMessage(
            f"{content.cursor_pos} is behind the end of the code ({len(content.code)})",
            field="content.cursor_pos",
        )


def _without_what_does_not_fit(publication: Message, error: Exception) -> Message:
    """The publication in the form that says why its content is not there. Its number stays taken."""
    reason = error.reason if isinstance(error, KernelError) else str(error)
    content: Content = publication.content
    if isinstance(content, ExecuteReply):
        content = ExecuteReply(
            status=content.status,
            execution_count=content.execution_count,
            ename=content.ename[:200],
            evalue=f"parts of this reply were left out: {reason}",
        )
    else:
        content = Error(
            ename="MessageTooLarge",
            evalue=f"{publication.header.msg_type} was left out: {reason}",
            traceback=(),
        )
    header = Header(
        msg_id=publication.header.msg_id,
        msg_type=content.msg_type,
        session=publication.header.session,
        username=publication.header.username,
        date=publication.header.date,
        number=publication.header.number,
    )
    return Message(header=header, parent_header=publication.parent_header, content=content)


def _remember(memory: dict[_K, _V], key: _K, value: _V, bound: int) -> _V | None:
    """Add an entry; gives the oldest one, which had to go because of the bound."""
    memory[key] = value
    return memory.pop(next(iter(memory))) if len(memory) > bound else None


def _new_uid() -> SessionUID:
    """128 random bits. The last character of 16 bytes in base64 is one of A, Q, g and w: it goes to the
    front, so that no UID begins with "-" and looks like an option on a command line."""
    text = secrets.token_urlsafe(16)
    return SessionUID(text[-1] + text[:-1])
