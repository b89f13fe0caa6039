"""Lines of requests: who waits, whose turn it is, what can be cancelled or moved; subshells."""

from __future__ import annotations

import msgspec

from ..errors import (
    FileRefused,
    NotWaiting,
    QueueFull,
    SessionDead,
    TooManySubshells,
    UnknownSubshell,
)
from ..errors import RequestCancelled as Cancelled
from ..message import (
    ASIDE,
    CancelReply,
    CancelRequest,
    CommClose,
    CommMsg,
    CommOpen,
    CompleteRequest,
    CreateSubshellReply,
    DebugRequest,
    DeleteSubshellReply,
    DeleteSubshellRequest,
    ExecuteRequest,
    FileWriteRequest,
    InspectRequest,
    IsCompleteRequest,
    ListSubshellReply,
    Message,
    MoveReply,
    MoveRequest,
    Queued,
    VariableReply,
    VariableRequest,
    VariablesReply,
)
from . import bounds
from .events import Reply, SendToWorker
from .state import DEBUG, MAIN, OWN_LINES, RUNS_CODE, WEIGHT, Line, Session, heaviest_line
from .turn import Turn, characters_in


def enqueue(turn: Turn, request: Message) -> None:
    session = turn.session
    if session.state == "dead":
        turn.refuse(request, SessionDead(session.reason))
        return
    if (name := _line_for(session, request)) is None:
        turn.refuse(request, unknown_subshell(request.header.subshell_id, "header.subshell_id"))
        return
    line = session.lines.get(name, Line())
    if (line.pending or session.worker != "ready") and (full := _is_full(session, request)):
        turn.refuse(request, QueueFull(full))
        return
    if name == ASIDE and len(line.queue) >= bounds.WAITING_ASIDE:
        oldest, *rest = line.queue
        line = msgspec.structs.replace(line, queue=tuple(rest))
        turn.fail(oldest, Cancelled("others that were asked for later are waiting"))
    line = msgspec.structs.replace(line, queue=(*line.queue, request))
    turn.become(lines={**turn.session.lines, name: line})
    run_next(turn, name)
    line = turn.session.lines[name]
    # Only a run that waits costs a publication: one that starts at once is told by busy.
    if isinstance(request.content, ExecuteRequest) and line.queue and line.queue[-1] is request:
        turn.publish(Queued(place=len(line.runs) - 1), request.header)


def enqueue_look(turn: Turn, request: Message) -> None:
    """What another kernel has no word for is answered here, that it is not known."""
    if not turn.session.setting.kernel:
        enqueue(turn, request)
    elif isinstance(request.content, VariableRequest):
        turn.answer(request.header.msg_id, VariableReply())
    else:
        turn.answer(request.header.msg_id, VariablesReply(known=False))


def enqueue_file(turn: Turn, request: Message) -> None:
    """Another kernel has no word for files."""
    if turn.session.setting.kernel:
        turn.fail(request, FileRefused("The session is one of another kernel, which tells nothing of files."))
    else:
        enqueue(turn, request)


def _line_for(session: Session, request: Message) -> str | None:
    """The name of the line that a request is for, if it may stand there."""
    if isinstance(request.content, DebugRequest):
        return DEBUG
    name = request.header.subshell_id
    if name == MAIN or name in session.subshells:
        return name
    if name != ASIDE or isinstance(request.content, RUNS_CODE):
        return None
    # Another kernel has one line: better late than never.
    return MAIN if session.setting.kernel else ASIDE


def _is_full(session: Session, request: Message) -> str:
    """Why a request cannot wait: the bounds are for all lines together."""
    waiting = [other for line in session.lines.values() for other in line.queue]
    if len(waiting) >= bounds.QUEUE_LENGTH:
        return f"{len(waiting)} requests wait, limit {bounds.QUEUE_LENGTH}"
    characters = sum(map(_characters_of, waiting)) + _characters_of(request)
    if waiting and characters > bounds.QUEUE_CHARACTERS:
        return f"{characters} characters would wait, limit {bounds.QUEUE_CHARACTERS}"
    return ""


def _characters_of(request: Message) -> int:
    match request.content:
        case ExecuteRequest(code=code) | CompleteRequest(code=code) | InspectRequest(code=code):
            return len(code)
        case IsCompleteRequest(code=code):
            return len(code)
        case DebugRequest(arguments=arguments):
            return characters_in(arguments)
        case FileWriteRequest(data=data):
            return len(data)
        case CommOpen(data=data) | CommMsg(data=data) | CommClose(data=data):
            return characters_in(data) + sum(map(len, request.buffers))
    return 0


def run_next(turn: Turn, name: str) -> None:
    session = turn.session
    line = session.lines[name]
    if session.worker != "ready" or line.running is not None or not line.queue:
        return
    request, *rest = line.queue
    turn.become_line(name, queue=tuple(rest), running=request, since=turn.now, interrupted="", reason="")
    if isinstance(request.content, RUNS_CODE):
        turn.status("busy", request.header)
        tell_of_other_lines(turn)
    turn.effects.append(SendToWorker(request))


def tell_of_other_lines(turn: Turn) -> None:
    """A reader takes the latest status for the session's, so *idle* is not the last word while another
    line is *busy*, nor either of them while the code of one has not stopped."""
    if len(turn.session.lines) == 1:
        return
    heaviest = heaviest_line(turn.session)
    if heaviest.running is not None and WEIGHT[heaviest.state] > WEIGHT.get(turn.session.state, 2):
        turn.status(heaviest.state, heaviest.running.header, heaviest.reason)


def drop_behind(turn: Turn, name: str, failed: Message, content: ExecuteRequest) -> None:
    """Drop the runs that wait behind a failed one: they were asked for in the belief it would pass."""
    if content.silent or not content.stop_on_error:
        return
    queue = turn.session.lines[name].queue
    turn.become_line(name, queue=tuple(r for r in queue if not isinstance(r.content, ExecuteRequest)))
    for request in queue:
        if isinstance(request.content, ExecuteRequest):
            turn.fail(request, Cancelled(f"dropped, because {failed.header.msg_id} before it failed"))


def cancel_run(turn: Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, CancelRequest)
    if (found := _waiting(turn.session, content.msg_id)) is None:
        turn.refuse(request, _not_waiting(turn.session, content.msg_id, "content.msg_id"))
        return
    name, run = found
    queue = turn.session.lines[name].queue
    turn.become_line(name, queue=tuple(other for other in queue if other is not run))
    turn.fail(run, Cancelled("cancelled" + by_whom(request)))
    turn.answer(request.header.msg_id, CancelReply())


def move_run(turn: Turn, request: Message) -> None:
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


def unknown_subshell(name: str, field: str) -> UnknownSubshell:
    return UnknownSubshell(f"the session has no subshell {name!r}", field=field)


def create_subshell(turn: Turn, request: Message) -> None:
    session = turn.session
    count = len(session.lines.keys() - OWN_LINES)
    if session.state == "dead":
        turn.refuse(request, SessionDead(session.reason))
    elif session.setting.kernel:
        reason = f"a session of the kernel {session.setting.kernel} has none but the main line"
        turn.refuse(request, TooManySubshells(reason))
    elif count >= bounds.MAX_SUBSHELLS:
        turn.refuse(request, TooManySubshells(f"{count} subshells, limit {bounds.MAX_SUBSHELLS}"))
    else:
        made = session.subshells_made + 1
        name = f"{session.nonce}-s{made}"
        turn.become(subshells_made=made, lines={**session.lines, name: Line()})
        turn.answer(request.header.msg_id, CreateSubshellReply(subshell_id=name))


def delete_subshell(turn: Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, DeleteSubshellRequest)
    name = content.subshell_id
    line = turn.session.subshells.get(name)
    if line is None:
        turn.refuse(request, unknown_subshell(name, "content.subshell_id"))
        return
    turn.become_line(name, queue=(), deleted=True)
    for waiting in line.queue:
        turn.fail(waiting, Cancelled("its subshell was deleted" + by_whom(request)))
    if turn.session.worker == "ready":
        turn.effects.append(SendToWorker(request))
    forget_deleted(turn, name)
    turn.answer(request.header.msg_id, DeleteSubshellReply())


def forget_deleted(turn: Turn, name: str) -> None:
    lines = turn.session.lines
    if lines[name].deleted and lines[name].running is None:
        turn.become(lines={other: line for other, line in lines.items() if other != name})


def list_subshell(turn: Turn, request: Message) -> None:
    reply = ListSubshellReply(subshell_id=tuple(turn.session.subshells))
    turn.replies.append(Reply(request.header.msg_id, reply))


def by_whom(request: Message) -> str:
    return f" by {request.header.username}" if request.header.username else " on request"
