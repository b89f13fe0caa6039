"""A session and its worker: start, restart, death, close, and going on under another kernel."""

from __future__ import annotations

import msgspec

from ..errors import (
    KernelError,
    QueueFull,
    SessionClosed,
    SessionDead,
    WorkerFailed,
)
from ..errors import RequestCancelled as Cancelled
from ..message import (
    CloseSessionReply,
    Header,
    Message,
    RestartSessionReply,
)
from . import bounds
from .events import Adopt, AwaitStop, KillWorker, SendToWorker, StartWorker
from .lines import by_whom, run_next
from .state import DEBUG, MAIN, Line, heaviest_line
from .turn import Turn


def restart_worker(turn: Turn, request: Message) -> None:
    session = turn.session
    if len(session.restarts) >= bounds.QUEUE_LENGTH:
        turn.refuse(request, QueueFull(f"{len(session.restarts)} restarts wait, limit {bounds.QUEUE_LENGTH}"))
        return
    turn.become(restarts=(*session.restarts, request))
    if session.state == "restarting":
        return
    reason = "restarted" + by_whom(request)
    _fail_pending(turn, running=SessionDead(reason), queued=Cancelled(reason))
    turn.status("restarting", request.header, reason)
    if session.worker == "none":
        turn.become(worker="starting")
        turn.effects.append(StartWorker())
    else:
        turn.become(worker="ending")
        turn.effects.append(KillWorker())


def close_on_request(turn: Turn, request: Message) -> None:
    close_session(turn, "closed" + by_whom(request), request.header)
    turn.answer(request.header.msg_id, CloseSessionReply())


def close_session(turn: Turn, reason: str, parent: Header | None) -> None:
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


def adopt_session(turn: Turn, event: Adopt) -> None:
    """Nothing published before can be had any more; numbers go on. A worker that was about to be
    started, or ended for a restart, had no code to run: another one takes its place."""
    session = turn.session
    if event.lost:
        turn.latest += 1  # the number of what nobody will get: a gap is how a reader learns of a loss
    heaviest = heaviest_line(session)
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
        if event.again and line.running is not None:
            _ask_again(turn, name, line.running)
        if line.prompt is not None:
            # Whoever did not hear the question cannot get it any more.
            turn.give_up_prompt(name)
            msg_id = turn.publish(line.prompt.content, line.prompt.parent)
            turn.become_line(name, prompt=msgspec.structs.replace(line.prompt, msg_id=msg_id))
    if session.worker in ("starting", "ending"):
        turn.become(worker="starting", pid=0)
        turn.effects.append(StartWorker())


def _ask_again(turn: Turn, name: str, running: Message) -> None:
    """It may not have reached the worker, or its reply may be among what is lost. A worker that has answered
    it does so once more, one that is at work on it goes on. The debugger, which does not, is not asked."""
    if name == DEBUG:
        turn.become_line(name, running=None)
        turn.fail(running, WorkerFailed("the kernel was killed, and the reply may be lost"))
    else:
        turn.effects.append(SendToWorker(running))


def worker_started(turn: Turn, pid: int) -> None:
    if turn.session.worker != "starting":
        return
    restarts = turn.session.restarts
    turn.become(worker="ready", pid=pid, restarts=())
    turn.status("idle", restarts[0].header if restarts else None)
    for request in restarts:
        turn.answer(request.header.msg_id, RestartSessionReply())
    for name in turn.session.lines:
        run_next(turn, name)


def worker_died(turn: Turn, reason: str) -> None:
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


def _fail_pending(turn: Turn, *, running: KernelError, queued: KernelError) -> None:
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
