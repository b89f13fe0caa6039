"""What is known of a session, and what is told of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..message import (
    ASIDE,
    NO_LIMITS,
    PLAIN_SETTING,
    CommClose,
    CommMsg,
    CommOpen,
    ConnectionFile,
    Content,
    ExecuteRequest,
    ExecutionState,
    Header,
    InputRequest,
    Message,
    QueuedRun,
    SessionInfo,
    SessionLimits,
    SessionUID,
    Setting,
    Struct,
    SubshellInfo,
)
from . import bounds
from .recent import Recent

WorkerState: TypeAlias = Literal["starting", "ready", "ending", "none"]


RUNS_CODE = (ExecuteRequest, CommOpen, CommMsg, CommClose)
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
        if self.running is None or not isinstance(self.running.content, RUNS_CODE):
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
    counts the bytes of a request's output, where they have a limit. ``created_by`` is the msg_id of the
    request that made it; ``exported`` is where Jupyter's clients find it, if they do.
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
    answered: Recent[Content] = Recent()
    parents: Recent[Header] = Recent()
    limits: SessionLimits = NO_LIMITS
    printed: Recent[int] = Recent()
    created_by: str = ""
    exported: ConnectionFile | None = None

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
    def running(self) -> frozenset[str]:
        """The msg_ids of the requests that the worker carries out."""
        return frozenset(
            line.running.header.msg_id for line in self.lines.values() if line.running is not None
        )

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
    header, code = request.header, request.content.code[: bounds.QUEUED_CODE_CHARACTERS]
    return QueuedRun(msg_id=header.msg_id, username=header.username, date=header.date, code=code)


WEIGHT = {"idle": 0, "busy": 1, "interrupted": 2}


def heaviest_line(session: Session) -> Line:
    """The line whose state is that of a session whose worker is there."""
    return max(session.lines.values(), key=lambda line: WEIGHT[line.state])
