"""One session as a pure function: ``apply(session, event, now)`` gives the next state and what follows.

What belongs here: every rule about order, queueing, prompts, death and closing. What must never come
here: a clock, randomness, a task, a worker. The service hands in the time and performs the effects.

A request that no longer makes sense is an answer, not a crash: clients race, and that is normal.

The life of a session's worker, and what the feed says of it (``execution_state``):

    starting ──Started──► ready ──Died──► none                starting → idle ⇄ busy → dead
       ▲                    │               │
       │                 restart         restart              restarting → idle
       │                    ▼               │     busy → interrupted → idle: SIGINT was sent, and the
       └──────Died─────── ending            │     code has not stopped yet
       └────────────────────────────────────┘     close, from anywhere: closed, and nothing after it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from .codec import from_error_reply
from .errors import (
    KernelError,
    NoPrompt,
    NotWaiting,
    QueueFull,
    SessionClosed,
    SessionDead,
    TooManySubshells,
    UnknownSubshell,
    WorkerFailed,
)
from .errors import RequestCancelled as Cancelled
from .link import Died, Published, Replied, Started, WorkerEvent
from .message import (
    ASIDE,
    NO_LIMITS,
    PLAIN_SETTING,
    AnswerReply,
    AnswerRequest,
    CancelReply,
    CancelRequest,
    ClearOutput,
    CloseSessionReply,
    CloseSessionRequest,
    CommClose,
    CommInfoReply,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CommReply,
    CompleteReply,
    CompleteRequest,
    Content,
    CreateSubshellReply,
    CreateSubshellRequest,
    DebugEvent,
    DebugReply,
    DebugRequest,
    DeleteSubshellReply,
    DeleteSubshellRequest,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    ExecutionState,
    Header,
    HistoryReply,
    HistoryRequest,
    InputAnswered,
    InputRequest,
    InspectReply,
    InspectRequest,
    InterruptReply,
    InterruptRequest,
    IsCompleteReply,
    IsCompleteRequest,
    ListSubshellReply,
    ListSubshellRequest,
    Message,
    Metadata,
    MoveReply,
    MoveRequest,
    Queued,
    QueuedRun,
    RestartSessionReply,
    RestartSessionRequest,
    SessionInfo,
    SessionLimits,
    SessionUID,
    Setting,
    Status,
    Stream,
    Struct,
    SubshellInfo,
    UpdateDisplayData,
)

QUEUE_LENGTH = 256
"""Requests that may wait, in all lines together. Running a whole long notebook queues some hundred
cells at once."""

QUEUE_CHARACTERS = 64 * 1024 * 1024
"""Characters of code, and of what else requests carry, that may wait: the bound that matters when each
request is large."""

QUEUED_CODE_CHARACTERS = 200
"""Of the code of a run that waits, what is told of it: enough to know it by."""

REPLIES_REMEMBERED = 256
"""Replies kept for requests that are repeated. A client repeats what it has just sent, after a
reconnect, so this is a queue's length: everything that can be pending at once is remembered."""

REPLY_REMEMBERED_CHARACTERS = 64 * 1024
"""A larger reply is remembered without its values, with its outcome (``_outcome_of``)."""

PARENTS_REMEMBERED = 256
"""Requests that have ended and whose late output (a thread, a task that outlived its cell) still finds
its parent. What a request says that is forgotten is published without one."""

MAX_SUBSHELLS = 64
"""Subshells of a session, those included that were deleted and still run something. Each is a thread,
once it has had something to do; a page of widgets asks for one per comm."""

WAITING_ASIDE = 16
"""Requests that may wait aside: people who type ask again before they are answered, and want the latest
answer. So the one that has waited longest gives way."""

STREAM_CHARACTERS = 64 * 1024
"""The most text in one stream publication. Large enough that the cost of a message vanishes beside
its text, small enough that a reader shows progress; also what a pipe holds on Linux."""


# --- State ------------------------------------------------------------------------------------

WorkerState: TypeAlias = Literal["starting", "ready", "ending", "none"]


_RUNS_CODE = (ExecuteRequest, CommOpen, CommMsg, CommClose)
"""Requests that run the session's code: it is busy with them, and they may publish."""


class Prompt(Struct, frozen=True, kw_only=True):
    """An open question of the code. ``msg_id`` is that of the ``input_request`` publication, whose
    content is kept to ask again (``Adopt``)."""

    msg_id: str
    parent: Header | None
    content: InputRequest


class Line(Struct, frozen=True, kw_only=True):
    """Requests that are carried out one after the other: those that wait, oldest first, and the one
    that runs, since when, since when it is interrupted and why, with its open question. One that is
    ``deleted`` lasts as long as what runs there."""

    queue: tuple[Message, ...] = ()
    running: Message | None = None
    since: str = ""
    interrupted: str = ""
    reason: str = ""
    prompt: Prompt | None = None
    deleted: bool = False

    @property
    def pending(self) -> tuple[Message, ...]:
        """What was accepted and is not answered yet, oldest first."""
        return self.queue if self.running is None else (self.running, *self.queue)

    @property
    def state(self) -> ExecutionState:
        """Of this line alone: *idle*, *busy*, or *interrupted* as long as the code has not stopped."""
        if self.running is None or not isinstance(self.running.content, _RUNS_CODE):
            return "idle"
        return "interrupted" if self.interrupted else "busy"

    @property
    def runs(self) -> tuple[Message, ...]:
        """The runs that wait: what is told of the queue, and can be changed."""
        return tuple(request for request in self.queue if isinstance(request.content, ExecuteRequest))


MAIN = ""
"""Names the line that a session always has."""

DEBUG = "debug"
"""Names the line of requests to the debugger, which are carried out while code runs."""

OWN_LINES = frozenset({MAIN, ASIDE, DEBUG})
"""Lines that nobody made. The last two are there from their first request on, until the worker ends. All
other lines are subshells, by their id."""


class Session(Struct, frozen=True, kw_only=True):
    """All that is known of a session, except its publications (``feed``).

    ``nonce`` makes the ids of publications unique: ``nonce-number``. ``restarts`` are the requests
    that wait for the new worker. ``subshells_made`` counts, so that no id is given twice. ``printed``
    counts the bytes of a request's output, where they have a limit.
    """

    uid: SessionUID
    name: str
    setting: Setting = PLAIN_SETTING
    nonce: str
    created: str
    last_activity: str
    state: ExecutionState = "starting"
    reason: str = ""
    worker: WorkerState = "starting"
    pid: int = 0
    latest: int = 0
    lines: dict[str, Line] = msgspec.field(default_factory=lambda: {MAIN: Line()})
    subshells_made: int = 0
    restarts: tuple[Message, ...] = ()
    answered: dict[str, Content] = {}
    parents: dict[str, Header] = {}
    limits: SessionLimits = NO_LIMITS
    printed: dict[str, int] = {}

    @property
    def is_busy(self) -> bool:
        """Whether it has something to do: a request that runs or waits, or a worker to come."""
        waits = self.state in ("starting", "restarting") or bool(self.restarts)
        return waits or any(line.pending for line in self.lines.values())

    @property
    def is_running(self) -> bool:
        """Whether the worker has a request to carry out."""
        return any(line.running is not None for line in self.lines.values())

    @property
    def subshells(self) -> dict[str, Line]:
        """The lines that somebody made and that can be asked for something, by id."""
        return {name: line for name, line in self.lines.items() if name not in OWN_LINES and not line.deleted}

    def line_running(self, msg_id: str) -> str | None:
        """The name of the line whose turn this request has."""
        for name, line in self.lines.items():
            if line.running is not None and line.running.header.msg_id == msg_id:
                return name
        return None

    def header_of(self, msg_id: str) -> Header | None:
        """The header of a request that runs or has ended lately; nothing of one that is forgotten."""
        for line in self.lines.values():
            if line.running is not None and line.running.header.msg_id == msg_id:
                return line.running.header
        return self.parents.get(msg_id)


def describe(session: Session) -> SessionInfo:
    """What is told of a session; what it uses and who has it open are the caller's to know."""
    lines = {
        name: SubshellInfo(
            running=line.running.header.msg_id if line.running else "",
            running_since=line.since if line.running else "",
            interrupted_since=line.interrupted,
            queue=tuple(map(_queued_run, line.runs)),
        )
        for name, line in session.lines.items()
        if name == MAIN or name not in OWN_LINES
    }
    main = lines.pop(MAIN)
    return SessionInfo(
        uid=session.uid,
        name=session.name,
        execution_state=session.state,
        reason=session.reason,
        latest=session.latest,
        queue=main.queue,
        running=main.running,
        running_since=main.running_since,
        interrupted_since=main.interrupted_since,
        subshells=lines,
        pid=session.pid,
        created=session.created,
        last_activity=session.last_activity,
        limits=session.limits,
        kernel=session.setting.kernel,
    )


def _queued_run(request: Message) -> QueuedRun:
    assert isinstance(request.content, ExecuteRequest)
    header, code = request.header, request.content.code[:QUEUED_CODE_CHARACTERS]
    return QueuedRun(msg_id=header.msg_id, username=header.username, date=header.date, code=code)


# --- Events in, outcome out -------------------------------------------------------------------


class Close(NamedTuple):
    """The kernel itself ends the session, for the reason given."""

    reason: str


class Adopt(NamedTuple):
    """The kernel was killed, and another one goes on with the session as it was noted down.

    ``lost``: something that the worker said was read and perhaps never published.
    ``incomplete``: msg_ids of requests whose content is not there any more.
    """

    lost: bool
    incomplete: frozenset[str] = frozenset()


class LimitReached(NamedTuple):
    """The session is over a limit, named by ``reason``; its code is to stop."""

    reason: str


class Unheeded(NamedTuple):
    """The code that ran as ``msg_id`` was interrupted ``seconds`` ago. It may have stopped meanwhile."""

    msg_id: str
    seconds: float


Event: TypeAlias = Message | Sequence[WorkerEvent] | Close | Adopt | LimitReached | Unheeded
"""A client's request, what the worker said in one turn, or the kernel's own order or observation."""


class Reply(NamedTuple):
    """Answer everyone who sent the request ``parent`` and still waits."""

    parent: str
    content: Content


class StartWorker(NamedTuple):
    """Make a worker; its events come back, ``Died`` if it could not be made."""


class KillWorker(NamedTuple):
    """End the worker; ``Died`` comes back."""


class InterruptWorker(NamedTuple):
    """Interrupt what runs in the main line. In a subshell it is the request that interrupts."""


class StopWorker(NamedTuple):
    """Interrupt it by a limit's error, which says this."""

    reason: str


class AwaitStop(NamedTuple):
    """If the code of ``msg_id``, which was interrupted, may still run after a while, ``Unheeded`` comes
    back."""

    msg_id: str


class SendToWorker(NamedTuple):
    """Hand the request over."""

    request: Message


Effect: TypeAlias = StartWorker | KillWorker | InterruptWorker | StopWorker | AwaitStop | SendToWorker


class Outcome(NamedTuple):
    """What an event led to. Publications are complete messages, in the order of their numbers."""

    session: Session
    replies: Sequence[Reply]
    publications: Sequence[Message]
    effects: Sequence[Effect]


def open_session(
    uid: SessionUID,
    name: str,
    nonce: str,
    now: str,
    setting: Setting = PLAIN_SETTING,
    limits: SessionLimits = NO_LIMITS,
) -> Outcome:
    """A new session, whose worker is to be started."""
    session = Session(
        uid=uid, name=name, setting=setting, limits=limits, nonce=nonce, created=now, last_activity=now
    )
    turn = _Turn(session, now)
    turn.publish(Status(execution_state="starting"), None)
    turn.effects.append(StartWorker())
    return turn.outcome()


def apply(session: Session, event: Event, now: str) -> Outcome:
    """The session after an event.

    Args:
        session: the state before.
        event: what happened.
        now: the time, ISO 8601, for the headers of publications.
    """
    turn = _Turn(session, now)
    if isinstance(event, Message):
        _request(turn, event)
    elif isinstance(event, Close):
        _close(turn, event.reason, None)
    elif isinstance(event, Adopt):
        _adopt(turn, event)
    elif isinstance(event, LimitReached):
        _limit_reached(turn, event.reason)
    elif isinstance(event, Unheeded):
        _unheeded(turn, event)
    else:
        _worker_events(turn, event)
    return turn.outcome()


class _Turn:
    """What one event does, gathered: the state so far, and the three lists of the outcome."""

    def __init__(self, session: Session, now: str) -> None:
        self.session = session
        self.now = now
        self.latest = session.latest
        self.replies: list[Reply] = []
        self.publications: list[Message] = []
        self.effects: list[Effect] = []

    def outcome(self) -> Outcome:
        if self.publications or self.replies or self.effects:
            self.become(latest=self.latest, last_activity=self.now)
        return Outcome(self.session, self.replies, self.publications, self.effects)

    def become(self, **changes: object) -> None:
        self.session = msgspec.structs.replace(self.session, **changes)

    def become_line(self, name: str, **changes: object) -> None:
        line = msgspec.structs.replace(self.session.lines[name], **changes)
        self.become(lines={**self.session.lines, name: line})

    def publish(
        self,
        content: Content,
        parent: Header | None,
        metadata: Metadata | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> str:
        """Number and add a publication; its msg_id."""
        self.latest += 1
        msg_id = f"{self.session.nonce}-{self.latest}"
        header = Header(
            msg_id=msg_id,
            msg_type=content.msg_type,
            session=self.session.uid,
            username=parent.username if parent else "",
            date=self.now,
            number=self.latest,
        )
        self.publications.append(
            Message(
                header=header,
                parent_header=parent,
                metadata=metadata or {},
                content=content,
                buffers=buffers,
            )
        )
        return msg_id

    def status(self, state: ExecutionState, parent: Header | None, reason: str = "") -> None:
        self.become(state=state, reason=reason)
        self.publish(Status(execution_state=state, reason=reason), parent)

    def answer(self, msg_id: str, content: Content) -> None:
        """Reply, and remember the reply for a repeated request."""
        self.replies.append(Reply(msg_id, content))
        answered = _put(self.session.answered, msg_id, _outcome_of(content), REPLIES_REMEMBERED)
        self.become(answered=answered)

    def refuse(self, request: Message, error: KernelError) -> None:
        """Reply with an error and forget: the same request may be good later."""
        content = ErrorReply(ename=error.ename, evalue=error.reason, field=error.field)
        self.replies.append(Reply(request.header.msg_id, content))

    def fail(self, request: Message, error: KernelError) -> None:
        """Answer a request that was accepted and will not be carried out; if it is a run, tell all."""
        if isinstance(request.content, ExecuteRequest):
            reply = ExecuteReply(status="error", ename=error.ename, evalue=error.reason)
            self.publish(reply, request.header)
            self.answer(request.header.msg_id, reply)
        else:
            self.answer(
                request.header.msg_id,
                ErrorReply(ename=error.ename, evalue=error.reason, field=error.field),
            )

    def give_up_prompt(self, name: str) -> None:
        prompt = self.session.lines[name].prompt
        if prompt is not None:
            self.become_line(name, prompt=None)
            self.publish(InputAnswered(prompt=prompt.msg_id), prompt.parent)


_V = TypeVar("_V")


def _put(memory: dict[str, _V], key: str, value: _V, bound: int) -> dict[str, _V]:
    """A copy with one more entry, without the oldest if it would be over its bound."""
    copy = {**memory, key: value}
    if len(copy) > bound:
        del copy[next(iter(copy))]
    return copy


def _outcome_of(reply: Content) -> Content:
    """What is remembered of a reply: all of it, or of a large one that it was and how it ended."""
    match reply:
        case ExecuteReply(user_expressions=values, payload=payload) if values or payload:
            if _characters(values) + _characters(payload) > REPLY_REMEMBERED_CHARACTERS:
                return msgspec.structs.replace(reply, user_expressions={}, payload=())
        case CompleteReply(matches=matches):
            if sum(map(len, matches)) > REPLY_REMEMBERED_CHARACTERS:
                return msgspec.structs.replace(reply, matches=(), metadata={})
        case InspectReply(data=data) if _characters(data) > REPLY_REMEMBERED_CHARACTERS:
            return InspectReply(found=False)
        case DebugReply(body=body) if body and _characters(body) > REPLY_REMEMBERED_CHARACTERS:
            return msgspec.structs.replace(reply, body={})
        case HistoryReply(history=history) if _characters(history) > REPLY_REMEMBERED_CHARACTERS:
            return HistoryReply(history=())
    return reply


def _characters(value: object) -> int:
    return len(repr(value))


# --- Requests ---------------------------------------------------------------------------------


def _request(turn: _Turn, request: Message) -> None:
    session = turn.session
    msg_id = request.header.msg_id
    if (remembered := session.answered.get(msg_id)) is not None:
        turn.replies.append(Reply(msg_id, remembered))
    elif any(pending.header.msg_id == msg_id for pending in _pending(session)):
        pass  # The answer to come is the answer to this one too.
    elif session.state == "closed":
        turn.refuse(request, SessionClosed(session.reason))
    else:
        _REQUESTS[type(request.content)](turn, request)


def _pending(session: Session) -> Iterator[Message]:
    for line in session.lines.values():
        yield from line.pending
    yield from session.restarts


def _enqueue(turn: _Turn, request: Message) -> None:
    session = turn.session
    if session.state == "dead":
        turn.refuse(request, SessionDead(session.reason))
        return
    if (name := _line_for(session, request)) is None:
        turn.refuse(request, _unknown(request.header.subshell_id, "header.subshell_id"))
        return
    line = session.lines.get(name, Line())
    if (line.pending or session.worker != "ready") and (full := _is_full(session, request)):
        turn.refuse(request, QueueFull(full))
        return
    if name == ASIDE and len(line.queue) >= WAITING_ASIDE:
        oldest, *rest = line.queue
        line = msgspec.structs.replace(line, queue=tuple(rest))
        turn.fail(oldest, Cancelled("others that were asked for later are waiting"))
    line = msgspec.structs.replace(line, queue=(*line.queue, request))
    turn.become(lines={**turn.session.lines, name: line})
    _run_next(turn, name)
    line = turn.session.lines[name]
    # Only a run that waits costs a publication: one that starts at once is told by busy.
    if isinstance(request.content, ExecuteRequest) and line.queue and line.queue[-1] is request:
        turn.publish(Queued(place=len(line.runs) - 1), request.header)


def _line_for(session: Session, request: Message) -> str | None:
    """The name of the line that a request is for, if it may stand there."""
    if isinstance(request.content, DebugRequest):
        return DEBUG
    name = request.header.subshell_id
    if name == MAIN or name in session.subshells:
        return name
    if name != ASIDE or isinstance(request.content, _RUNS_CODE):
        return None
    # Another kernel has one line: better late than never.
    return MAIN if session.setting.kernel else ASIDE


def _is_full(session: Session, request: Message) -> str:
    """Why a request cannot wait: the bounds are for all lines together."""
    waiting = [other for line in session.lines.values() for other in line.queue]
    if len(waiting) >= QUEUE_LENGTH:
        return f"{len(waiting)} requests wait, limit {QUEUE_LENGTH}"
    characters = sum(map(_characters_of, waiting)) + _characters_of(request)
    if waiting and characters > QUEUE_CHARACTERS:
        return f"{characters} characters would wait, limit {QUEUE_CHARACTERS}"
    return ""


def _characters_of(request: Message) -> int:
    match request.content:
        case ExecuteRequest(code=code) | CompleteRequest(code=code) | InspectRequest(code=code):
            return len(code)
        case IsCompleteRequest(code=code):
            return len(code)
        case DebugRequest(arguments=arguments):
            return _characters(arguments)
        case CommOpen(data=data) | CommMsg(data=data) | CommClose(data=data):
            return _characters(data) + sum(map(len, request.buffers))
    return 0


def _run_next(turn: _Turn, name: str) -> None:
    session = turn.session
    line = session.lines[name]
    if session.worker != "ready" or line.running is not None or not line.queue:
        return
    request, *rest = line.queue
    turn.become_line(name, queue=tuple(rest), running=request, since=turn.now, interrupted="", reason="")
    if isinstance(request.content, _RUNS_CODE):
        turn.status("busy", request.header)
        _tell_of_other_lines(turn)
    turn.effects.append(SendToWorker(request))


def _unknown(name: str, field: str) -> UnknownSubshell:
    return UnknownSubshell(f"the session has no subshell {name!r}", field=field)


def _create_subshell(turn: _Turn, request: Message) -> None:
    session = turn.session
    count = len(session.lines.keys() - OWN_LINES)
    if session.state == "dead":
        turn.refuse(request, SessionDead(session.reason))
    elif session.setting.kernel:
        reason = f"a session of the kernel {session.setting.kernel} has none but the main line"
        turn.refuse(request, TooManySubshells(reason))
    elif count >= MAX_SUBSHELLS:
        turn.refuse(request, TooManySubshells(f"{count} subshells, limit {MAX_SUBSHELLS}"))
    else:
        made = session.subshells_made + 1
        name = f"{session.nonce}-s{made}"
        turn.become(subshells_made=made, lines={**session.lines, name: Line()})
        turn.answer(request.header.msg_id, CreateSubshellReply(subshell_id=name))


def _delete_subshell(turn: _Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, DeleteSubshellRequest)
    name = content.subshell_id
    line = turn.session.subshells.get(name)
    if line is None:
        turn.refuse(request, _unknown(name, "content.subshell_id"))
        return
    turn.become_line(name, queue=(), deleted=True)
    for waiting in line.queue:
        turn.fail(waiting, Cancelled("its subshell was deleted" + _by(request)))
    if turn.session.worker == "ready":
        turn.effects.append(SendToWorker(request))
    _forget_deleted(turn, name)
    turn.answer(request.header.msg_id, DeleteSubshellReply())


def _forget_deleted(turn: _Turn, name: str) -> None:
    lines = turn.session.lines
    if lines[name].deleted and lines[name].running is None:
        turn.become(lines={other: line for other, line in lines.items() if other != name})


def _list_subshell(turn: _Turn, request: Message) -> None:
    reply = ListSubshellReply(subshell_id=tuple(turn.session.subshells))
    turn.replies.append(Reply(request.header.msg_id, reply))


def _interrupt(turn: _Turn, request: Message) -> None:
    name = request.header.subshell_id
    line = turn.session.lines.get(name, Line() if name == ASIDE else None)
    if line is None or name == DEBUG:
        turn.refuse(request, _unknown(name, "header.subshell_id"))
        return
    if line.running is not None and turn.session.worker == "ready":
        turn.effects.append(InterruptWorker() if name == MAIN else SendToWorker(request))
        turn.give_up_prompt(name)
        _interrupted(turn, name, "")
    turn.answer(request.header.msg_id, InterruptReply())


def _limit_reached(turn: _Turn, reason: str) -> None:
    if turn.session.worker == "ready":
        turn.effects.append(StopWorker(reason))
        _interrupted(turn, MAIN, reason)


def _interrupted(turn: _Turn, name: str, reason: str) -> None:
    """Told once for each run, and once more with the limit that was reached."""
    line = turn.session.lines[name]
    if line.running is None or line.state == "idle" or (line.interrupted and not reason):
        return
    turn.become_line(name, interrupted=line.interrupted or turn.now, reason=reason)
    turn.status("interrupted", line.running.header, reason)
    if not reason:  # else the kernel itself ends it soon
        turn.effects.append(AwaitStop(line.running.header.msg_id))


def _unheeded(turn: _Turn, event: Unheeded) -> None:
    name = turn.session.line_running(event.msg_id)
    if name is None or (line := turn.session.lines[name]).state != "interrupted":
        return
    assert line.running is not None
    reason = f"the code has not stopped {event.seconds:g} s after the interrupt; a restart ends it"
    turn.become_line(name, reason=reason)
    turn.status("interrupted", line.running.header, reason)


def _cancel(turn: _Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, CancelRequest)
    if (found := _waiting(turn.session, content.msg_id)) is None:
        turn.refuse(request, _not_waiting(turn.session, content.msg_id, "content.msg_id"))
        return
    name, run = found
    queue = turn.session.lines[name].queue
    turn.become_line(name, queue=tuple(other for other in queue if other is not run))
    turn.fail(run, Cancelled("cancelled" + _by(request)))
    turn.answer(request.header.msg_id, CancelReply())


def _move(turn: _Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, MoveRequest)
    if (found := _waiting(turn.session, content.msg_id)) is None:
        turn.refuse(request, _not_waiting(turn.session, content.msg_id, "content.msg_id"))
        return
    name, run = found
    before = None
    if content.before:
        place = _waiting(turn.session, content.before)
        if place is None or place[0] != name:
            turn.refuse(request, _not_waiting(turn.session, content.before, "content.before"))
            return
        before = place[1]
    if before is not run:
        others = [other for other in turn.session.lines[name].queue if other is not run]
        others.insert(len(others) if before is None else others.index(before), run)
        turn.become_line(name, queue=tuple(others))
        turn.publish(Queued(place=turn.session.lines[name].runs.index(run)), run.header)
    turn.answer(request.header.msg_id, MoveReply())


def _waiting(session: Session, msg_id: str) -> tuple[str, Message] | None:
    """The run of this id that waits, and the name of its line."""
    for name, line in session.lines.items():
        for run in line.runs:
            if run.header.msg_id == msg_id:
                return name, run
    return None


def _not_waiting(session: Session, msg_id: str, field: str) -> NotWaiting:
    if session.line_running(msg_id) is not None:
        reason = "this request is being carried out; an interrupt stops it"
    elif msg_id in session.answered:
        reason = "this request has been answered"
    else:
        reason = "no run with this msg_id waits in this line"
    return NotWaiting(reason, field=field)


def _answer(turn: _Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, AnswerRequest)
    open_prompts = ((name, line.prompt) for name, line in turn.session.lines.items() if line.prompt)
    name, prompt = next((item for item in open_prompts if item[1].msg_id == content.prompt), (MAIN, None))
    if prompt is None:
        turn.refuse(request, NoPrompt("this prompt is not open: it was answered or given up", field="prompt"))
        return
    turn.become_line(name, prompt=None)
    # The worker knows its threads by the subshell; who answers need not.
    header = msgspec.structs.replace(request.header, subshell_id=name)
    turn.effects.append(SendToWorker(msgspec.structs.replace(request, header=header)))
    # Empty means given up, so somebody without a name needs a word too.
    username = request.header.username or "anonymous"
    turn.publish(InputAnswered(prompt=prompt.msg_id, username=username), prompt.parent)
    turn.answer(request.header.msg_id, AnswerReply())


def _restart(turn: _Turn, request: Message) -> None:
    session = turn.session
    if len(session.restarts) >= QUEUE_LENGTH:
        turn.refuse(request, QueueFull(f"{len(session.restarts)} restarts wait, limit {QUEUE_LENGTH}"))
        return
    turn.become(restarts=(*session.restarts, request))
    if session.state == "restarting":
        return
    reason = "restarted" + _by(request)
    _fail_pending(turn, running=SessionDead(reason), queued=Cancelled(reason))
    turn.status("restarting", request.header, reason)
    if session.worker == "none":
        turn.become(worker="starting")
        turn.effects.append(StartWorker())
    else:
        turn.become(worker="ending")
        turn.effects.append(KillWorker())


def _close_request(turn: _Turn, request: Message) -> None:
    _close(turn, "closed" + _by(request), request.header)
    turn.answer(request.header.msg_id, CloseSessionReply())


def _close(turn: _Turn, reason: str, parent: Header | None) -> None:
    if turn.session.state == "closed":
        return
    alive = turn.session.worker != "none"
    _fail_pending(turn, running=SessionClosed(reason), queued=SessionClosed(reason))
    for request in turn.session.restarts:
        turn.fail(request, SessionClosed(reason))
    turn.become(worker="none", restarts=())
    turn.status("closed", parent, reason)
    if alive:
        turn.effects.append(KillWorker())


ADOPTED = "the kernel was killed and started again; the session goes on"


def _adopt(turn: _Turn, event: Adopt) -> None:
    """Nothing published before can be had any more; numbers go on. A worker that was about to be
    started, or ended for a restart, had no code to run: another one takes its place."""
    session = turn.session
    if event.lost:
        turn.latest += 1  # the number of what nobody will get: a gap is how a reader learns of a loss
    heaviest = _heaviest(session)
    turn.status(
        session.state,
        heaviest.running.header if heaviest.running is not None else None,
        session.reason if session.worker == "none" else ADOPTED,
    )
    for name, line in session.lines.items():
        if line.running is not None and line.state == "interrupted":
            turn.effects.append(AwaitStop(line.running.header.msg_id))
        kept = tuple(request for request in line.queue if request.header.msg_id not in event.incomplete)
        turn.become_line(name, queue=kept)
        for request in line.queue:
            if request not in kept:
                turn.fail(request, Cancelled("it was too long to outlive the kernel, which was killed"))
        if line.prompt is not None:
            # Whoever did not hear the question cannot get it any more.
            turn.give_up_prompt(name)
            msg_id = turn.publish(line.prompt.content, line.prompt.parent)
            turn.become_line(name, prompt=msgspec.structs.replace(line.prompt, msg_id=msg_id))
    if session.worker in ("starting", "ending"):
        turn.become(worker="starting", pid=0)
        turn.effects.append(StartWorker())


def _by(request: Message) -> str:
    return f" by {request.header.username}" if request.header.username else " on request"


def _fail_pending(turn: _Turn, *, running: KernelError, queued: KernelError) -> None:
    """The worker is gone, or about to be, and the subshells with it: answer what it will not."""
    lines = turn.session.lines
    for name in lines:
        turn.give_up_prompt(name)
    turn.become(lines={MAIN: Line()})
    for line in lines.values():
        if line.running is not None:
            turn.fail(line.running, running)
        for request in line.queue:
            turn.fail(request, queued)


_REQUESTS: dict[type[Content], Callable[[_Turn, Message], None]] = {
    ExecuteRequest: _enqueue,
    CompleteRequest: _enqueue,
    InspectRequest: _enqueue,
    IsCompleteRequest: _enqueue,
    HistoryRequest: _enqueue,
    CommInfoRequest: _enqueue,
    CommOpen: _enqueue,
    CommMsg: _enqueue,
    CommClose: _enqueue,
    CreateSubshellRequest: _create_subshell,
    DeleteSubshellRequest: _delete_subshell,
    ListSubshellRequest: _list_subshell,
    DebugRequest: _enqueue,
    InterruptRequest: _interrupt,
    CancelRequest: _cancel,
    MoveRequest: _move,
    AnswerRequest: _answer,
    RestartSessionRequest: _restart,
    CloseSessionRequest: _close_request,
}

REQUESTS: frozenset[type[Content]] = frozenset(_REQUESTS)
"""What ``apply`` takes. The other requests about a session only read, and change no state."""


# --- The worker's events ----------------------------------------------------------------------


def _worker_events(turn: _Turn, events: Iterable[WorkerEvent]) -> None:
    for event in _merged(events):
        if turn.session.state == "closed":
            return
        match event:
            case Published():
                _published(turn, event)
            case Replied():
                _replied(turn, event)
            case Started(pid=pid):
                _started(turn, pid)
            case Died(reason=reason):
                _died(turn, reason)


def _merged(events: Iterable[WorkerEvent]) -> Iterator[WorkerEvent]:
    """The events, with neighbouring pieces of one stream joined, and cut at ``STREAM_CHARACTERS``."""
    first: Published | None = None
    name = ""
    texts: list[str] = []
    for event in events:
        match event:
            case Published(content=Stream(name=stream, text=text)) if (
                not event.metadata and not event.buffers
            ):
                if first is not None and (stream != name or event.parent != first.parent):
                    yield from _pieces(first, name, texts)
                    first = None
                if first is None:
                    first, name, texts = event, stream, []
                texts.append(text)
            case _:
                if first is not None:
                    yield from _pieces(first, name, texts)
                    first = None
                yield event
    if first is not None:
        yield from _pieces(first, name, texts)


def _pieces(first: Published, name: str, texts: list[str]) -> Iterator[Published]:
    if len(texts) == 1 and len(texts[0]) <= STREAM_CHARACTERS:
        yield first
        return
    text = "".join(texts)
    for start in range(0, len(text), STREAM_CHARACTERS):
        piece = Stream(
            name="stdout" if name == "stdout" else "stderr", text=text[start : start + STREAM_CHARACTERS]
        )
        yield Published(parent=first.parent, content=piece)


_FROM_WORKERS = (
    ExecuteInput,
    Stream,
    DisplayData,
    UpdateDisplayData,
    ExecuteResult,
    Error,
    ClearOutput,
    InputRequest,
    CommOpen,
    CommMsg,
    CommClose,
    DebugEvent,
)
"""What a worker may publish. It runs hostile code: states and outcomes are told by the session alone."""


def _published(turn: _Turn, event: Published) -> None:
    if not isinstance(event.content, _FROM_WORKERS):
        return
    parent = turn.session.header_of(event.parent)
    if (
        turn.session.limits.output_bytes
        and isinstance(event.content, _OUTPUT)
        and not _within_limit(turn, event)
    ):
        return
    if not isinstance(event.content, InputRequest):
        turn.publish(event.content, parent, event.metadata, event.buffers)
        return
    # One prompt at a time in a line: who asks again has given up the first question.
    name = turn.session.line_running(event.parent) or MAIN
    turn.give_up_prompt(name)
    msg_id = turn.publish(event.content, parent, event.metadata, event.buffers)
    turn.become_line(name, prompt=Prompt(msg_id=msg_id, parent=parent, content=event.content))


_OUTPUT = (Stream, DisplayData, UpdateDisplayData, ExecuteResult)
"""What counts for the limit of output. An error is told in any case: it says how the run ended."""


def _within_limit(turn: _Turn, event: Published) -> bool:
    """Whether an output may be published. Of the text that is too much a part may; then a notice says so."""
    limit = turn.session.limits.output_bytes
    before = turn.session.printed.get(event.parent, 0)
    content = event.content
    if isinstance(content, Stream):
        size = len(text := content.text.encode())
    else:
        size, text = _characters(content) + sum(map(len, event.buffers)), b""
    fits = before + size <= limit
    if not fits and before <= limit:
        parent = turn.session.header_of(event.parent)
        if isinstance(content, Stream) and (kept := text[: limit - before].decode(errors="ignore")):
            turn.publish(msgspec.structs.replace(content, text=kept), parent)
            size -= len(kept.encode())
        before = limit
        notice = f"[This run reached the limit of output, {limit} bytes. What follows is left out.]\n"
        turn.publish(Stream(name="stderr", text=f"\n{notice}"), parent)
    turn.become(printed=_put(turn.session.printed, event.parent, before + size, PARENTS_REMEMBERED))
    return fits


def _tell_what_was_left_out(turn: _Turn, request: Message) -> None:
    limit = turn.session.limits.output_bytes
    if limit and (printed := turn.session.printed.get(request.header.msg_id, 0)) > limit:
        notice = f"[{printed - limit} bytes of output were left out.]\n"
        turn.publish(Stream(name="stderr", text=notice), request.header)


_REPLY_TYPES: dict[type[Content], type[Content]] = {
    ExecuteRequest: ExecuteReply,
    CompleteRequest: CompleteReply,
    InspectRequest: InspectReply,
    IsCompleteRequest: IsCompleteReply,
    HistoryRequest: HistoryReply,
    CommInfoRequest: CommInfoReply,
    CommOpen: CommReply,
    CommMsg: CommReply,
    CommClose: CommReply,
    DebugRequest: DebugReply,
}


def _replied(turn: _Turn, event: Replied) -> None:
    name = turn.session.line_running(event.parent)
    if name is None:
        return
    line = turn.session.lines[name]
    request = line.running
    assert request is not None
    if line.prompt is not None and line.prompt.parent == request.header:
        turn.give_up_prompt(name)
    turn.become_line(name, running=None, interrupted="", reason="")
    _tell_what_was_left_out(turn, request)
    turn.become(parents=_put(turn.session.parents, request.header.msg_id, request.header, PARENTS_REMEMBERED))
    reply = event.content
    if isinstance(reply, ErrorReply):
        turn.fail(request, from_error_reply(reply))
    elif not isinstance(reply, _REPLY_TYPES[type(request.content)]):
        turn.fail(request, WorkerFailed(f"the worker answered with {reply.msg_type}"))
    elif isinstance(reply, ExecuteReply):
        turn.publish(reply, request.header)
        turn.answer(request.header.msg_id, reply)
    else:
        turn.answer(request.header.msg_id, reply)
    if isinstance(request.content, _RUNS_CODE):
        turn.status("idle", request.header)
    failed = not isinstance(reply, ExecuteReply) or reply.status == "error"
    if failed and isinstance(request.content, ExecuteRequest):
        _stop_on_error(turn, name, request, request.content)
    _run_next(turn, name)
    _forget_deleted(turn, name)
    _tell_of_other_lines(turn)


_WEIGHT = {"idle": 0, "busy": 1, "interrupted": 2}


def _heaviest(session: Session) -> Line:
    """The line whose state is that of a session whose worker is there."""
    return max(session.lines.values(), key=lambda line: _WEIGHT[line.state])


def _tell_of_other_lines(turn: _Turn) -> None:
    """A reader takes the latest status for the session's, so *idle* is not the last word while another
    line is *busy*, nor either of them while the code of one has not stopped."""
    if len(turn.session.lines) == 1:
        return
    heaviest = _heaviest(turn.session)
    if heaviest.running is not None and _WEIGHT[heaviest.state] > _WEIGHT.get(turn.session.state, 2):
        turn.status(heaviest.state, heaviest.running.header, heaviest.reason)


def _stop_on_error(turn: _Turn, name: str, failed: Message, content: ExecuteRequest) -> None:
    """Drop the runs that wait behind a failed one: they were asked for in the belief it would pass."""
    if content.silent or not content.stop_on_error:
        return
    queue = turn.session.lines[name].queue
    turn.become_line(name, queue=tuple(r for r in queue if not isinstance(r.content, ExecuteRequest)))
    for request in queue:
        if isinstance(request.content, ExecuteRequest):
            turn.fail(request, Cancelled(f"dropped, because {failed.header.msg_id} before it failed"))


def _started(turn: _Turn, pid: int) -> None:
    if turn.session.worker != "starting":
        return
    restarts = turn.session.restarts
    turn.become(worker="ready", pid=pid, restarts=())
    turn.status("idle", restarts[0].header if restarts else None)
    for request in restarts:
        turn.answer(request.header.msg_id, RestartSessionReply())
    for name in turn.session.lines:
        _run_next(turn, name)


def _died(turn: _Turn, reason: str) -> None:
    turn.become(pid=0)
    if turn.session.worker == "ending":
        turn.become(worker="starting")
        turn.effects.append(StartWorker())
        return
    if turn.session.worker == "none":
        return
    restarts = turn.session.restarts
    turn.become(worker="none", restarts=())
    _fail_pending(turn, running=SessionDead(reason), queued=SessionDead(reason))
    turn.status("dead", None, reason)
    for request in restarts:
        turn.refuse(request, WorkerFailed(reason))
