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

from ..message import NO_LIMITS, PLAIN_SETTING, Message, SessionLimits, SessionUID, Setting, Status
from .events import (
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
    Reply,
    SendToWorker,
    StartWorker,
    StopWorker,
    Unheeded,
)
from .interrupts import interrupt_unheeded, stop_at_limit
from .life import ADOPTED, adopt_session, close_session
from .output import worker_events
from .requests import REQUESTS, take_request
from .state import DEBUG, MAIN, OWN_LINES, Line, Prompt, Session, describe
from .turn import Turn

__all__ = [
    "ADOPTED",
    "DEBUG",
    "MAIN",
    "OWN_LINES",
    "REQUESTS",
    "Adopt",
    "AwaitStop",
    "Close",
    "Effect",
    "Event",
    "Exported",
    "InterruptWorker",
    "KillWorker",
    "LimitReached",
    "Line",
    "Outcome",
    "Prompt",
    "Reply",
    "SendToWorker",
    "Session",
    "StartWorker",
    "StopWorker",
    "Unheeded",
    "apply",
    "describe",
    "open_session",
]


def open_session(
    uid: SessionUID,
    name: str,
    nonce: str,
    now: str,
    setting: Setting = PLAIN_SETTING,
    limits: SessionLimits = NO_LIMITS,
    created_by: str = "",
) -> Outcome:
    """A new session, whose worker is to be started."""
    session = Session(
        uid=uid,
        name=name,
        setting=setting,
        limits=limits,
        nonce=nonce,
        created=now,
        last_activity=now,
        created_by=created_by,
    )
    turn = Turn(session, now)
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
    turn = Turn(session, now)
    if isinstance(event, Message):
        take_request(turn, event)
    elif isinstance(event, Close):
        close_session(turn, event.reason, None)
    elif isinstance(event, Adopt):
        adopt_session(turn, event)
    elif isinstance(event, Exported):
        turn.become(exported=event.connection)
    elif isinstance(event, LimitReached):
        stop_at_limit(turn, event)
    elif isinstance(event, Unheeded):
        interrupt_unheeded(turn, event)
    else:
        worker_events(turn, event)
    return turn.outcome()
