"""Workers that follow a script: for tests of whatever stands above the executor.

No code runs. A script says which events a request leads to; a test may add events of its own
(``say``), and sees what the worker was told (``requests``, ``interrupts``, ``stops``, ``killed``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ..errors import WorkerFailed
from ..ledger import Ledger
from ..link import Died, Published, Replied, Started, WorkerEvent
from ..message import (
    NO_LIMITS,
    PLAIN_SETTING,
    CompleteReply,
    CompleteRequest,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    InspectReply,
    InspectRequest,
    Message,
    Preloaded,
    SessionLimits,
    SessionUID,
    Setting,
    Stream,
    VariablesReply,
    VariablesRequest,
)
from . import Description, Kept, Listener, Usage

Script: TypeAlias = Callable[[Message], Iterable[WorkerEvent]]
"""The events that a request leads to. None at all leaves it running."""


def echo(request: Message) -> Iterable[WorkerEvent]:
    """Print the code, and succeed. Code that begins with "hang" does nothing, "fail" fails."""
    parent = request.header.msg_id
    match request.content:
        case ExecuteRequest(code=code):
            yield Published(parent=parent, content=ExecuteInput(code=code, execution_count=1))
            if code.startswith("hang"):
                return
            yield Published(parent=parent, content=Stream(name="stdout", text=code))
            failed = code.startswith("fail")
            yield Replied(
                parent=parent,
                content=ExecuteReply(
                    status="error" if failed else "ok",
                    execution_count=1,
                    ename="Failure" if failed else "",
                ),
            )
        case CompleteRequest(cursor_pos=place):
            yield Replied(
                parent=parent, content=CompleteReply(matches=("print",), cursor_start=0, cursor_end=place)
            )
        case InspectRequest():
            yield Replied(parent=parent, content=InspectReply(found=False))
        case VariablesRequest():
            yield Replied(parent=parent, content=VariablesReply())


class ScriptedWorker:
    """Satisfies ``Resting``. Events are delivered one turn of the loop after what led to them. ``ledger``
    may be given one."""

    ledger: Ledger | None = None
    description: Description | None = None

    def __init__(self, listener: Listener, script: Script) -> None:
        self.requests: list[Message] = []
        self.interrupts = 0
        self.killed = False
        self.stops: list[tuple[str, str]] = []
        self.used = Usage(processes=1)
        self._listener = listener
        self._script = script
        self._loop = asyncio.get_running_loop()

    def say(self, *events: WorkerEvent) -> None:
        """Deliver these events soon, as one turn."""
        self._loop.call_soon(self._listener, events)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def send(self, request: Message) -> None:
        self.requests.append(request)
        if self.ledger is not None:
            self.ledger.told()
        if events := list(self._script(request)):
            self.say(*events)

    def interrupt(self) -> None:
        self.interrupts += 1

    def stop(self, reason: str, line: str = "") -> None:
        self.stops.append((line, reason))

    def kill(self) -> None:
        if not self.killed:
            self.killed = True
            self.say(Died(reason="killed by signal 9"))

    def usage(self) -> Usage:
        return self.used


class ScriptedExecutor:
    """Satisfies ``Executor``. ``workers`` are those made so far; ``failure`` lets the next ones fail;
    ``description`` is what they say of themselves."""

    features: tuple[str, ...] = ()
    description: Description | None = None

    def __init__(self, script: Script = echo) -> None:
        self.workers: list[ScriptedWorker] = []
        self.failure = ""
        self._script = script

    def make(self, listener: Listener) -> ScriptedWorker:
        return ScriptedWorker(listener, self._script)

    async def open(self) -> Sequence[Kept]:
        return ()

    async def start(
        self,
        uid: SessionUID,
        listener: Listener,
        setting: Setting = PLAIN_SETTING,
        limits: SessionLimits = NO_LIMITS,
    ) -> ScriptedWorker:
        if self.failure:
            raise WorkerFailed(self.failure)
        worker = self.make(listener)
        worker.description = self.description
        self.workers.append(worker)
        worker.say(Started(pid=len(self.workers)))
        return worker

    async def resume(self, kept: Sequence[Kept]) -> Sequence[Kept]:
        return kept

    def note(self, uid: SessionUID, *, starts: bool) -> Ledger | None:
        return None

    async def close(self) -> None:
        pass

    @property
    def preloaded(self) -> tuple[Preloaded, ...]:
        return ()
