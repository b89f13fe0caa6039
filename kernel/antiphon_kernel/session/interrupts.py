"""Code that is asked to stop, and code that does not."""

from __future__ import annotations

from ..message import (
    ASIDE,
    InterruptReply,
    Message,
)
from .events import AwaitStop, InterruptWorker, LimitReached, SendToWorker, StopWorker, Unheeded
from .lines import unknown_subshell
from .state import DEBUG, MAIN, Line
from .turn import Turn


def interrupt_line(turn: Turn, request: Message) -> None:
    name = request.header.subshell_id
    line = turn.session.lines.get(name, Line() if name == ASIDE else None)
    if line is None or name == DEBUG:
        turn.refuse(request, unknown_subshell(name, "header.subshell_id"))
        return
    if line.running is not None and turn.session.worker == "ready":
        turn.effects.append(InterruptWorker() if name == MAIN else SendToWorker(request))
        turn.give_up_prompt(name)
        _interrupted(turn, name, "")
    turn.answer(request.header.msg_id, InterruptReply())


def stop_at_limit(turn: Turn, event: LimitReached) -> None:
    lines = turn.session.lines
    if turn.session.worker != "ready":
        return
    # Where no line runs code, it is a background task's, and those of the main line hear of it.
    running = [name for name, line in lines.items() if line.state != "idle"] or [MAIN]
    for name in running if event.line is None else [event.line]:
        if name in lines:
            turn.effects.append(StopWorker(event.reason, name))
            _interrupted(turn, name, event.reason)


def _interrupted(turn: Turn, name: str, reason: str) -> None:
    """Told once for each run, and once more with the limit that was reached."""
    line = turn.session.lines[name]
    if line.running is None or line.state == "idle" or (line.interrupted and not reason):
        return
    turn.become_line(name, interrupted=line.interrupted or turn.now, reason=reason)
    turn.status("interrupted", line.running.header, reason)
    if not reason:  # else the kernel itself ends it soon
        turn.effects.append(AwaitStop(line.running.header.msg_id))


def interrupt_unheeded(turn: Turn, event: Unheeded) -> None:
    name = turn.session.line_running(event.msg_id)
    if name is None or (line := turn.session.lines[name]).state != "interrupted":
        return
    assert line.running is not None
    reason = f"the code has not stopped {event.seconds:g} s after the interrupt; a restart ends it"
    turn.become_line(name, reason=reason)
    turn.status("interrupted", line.running.header, reason)
