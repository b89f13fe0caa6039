"""What happens to a session, and what it asks for in return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ..link import WorkerEvent
from ..message import (
    ConnectionFile,
    Content,
    Message,
)
from .state import Session


class Close(NamedTuple):
    """The kernel itself ends the session, for the reason given."""

    reason: str


class Adopt(NamedTuple):
    """The kernel was killed, and another one goes on with the session as it was noted down.

    ``lost``: something that the worker said was read and perhaps never published.
    ``again``: the worker is there to be asked again for what it was asked.
    ``incomplete``: msg_ids of requests whose content is not there any more.
    """

    lost: bool
    again: bool = False
    incomplete: frozenset[str] = frozenset()


class Exported(NamedTuple):
    """Jupyter's clients find the session there from now on."""

    connection: ConnectionFile


class LimitReached(NamedTuple):
    """The session is over a limit, named by ``reason``; the code of this line is to stop, or of all."""

    reason: str
    line: str | None = None


class Unheeded(NamedTuple):
    """The code that ran as ``msg_id`` was interrupted ``seconds`` ago. It may have stopped meanwhile."""

    msg_id: str
    seconds: float


Event: TypeAlias = Message | Sequence[WorkerEvent] | Close | Adopt | Exported | LimitReached | Unheeded
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
    """Interrupt what runs in a line by a limit's error, which says this."""

    reason: str
    line: str


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
