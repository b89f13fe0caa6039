"""SIGINT in a worker: it stops the session's code and nothing else.

A ``KeyboardInterrupt`` is raised only while the session's code is on the stack. It must not cut a
frame in half on the link, must not end the event loop, and must not hit the cell after the one it
was meant for.
"""

from __future__ import annotations

import asyncio
import enum
import signal
import sys
from types import CodeType, FrameType, FunctionType

from .evaluation import Evaluation
from .shell import Shell
from .stage import interrupt

_SESSION_CODE: frozenset[CodeType] = frozenset(
    function.__code__
    for function in (
        Shell.run_code,
        Shell.run_hooks,
        Evaluation.user_expressions,
        Evaluation.complete,
        Evaluation.inspect,
        Evaluation.is_complete,
        Evaluation.take_comm,
    )
)
_OUR_CODE: set[CodeType] = {Evaluation.handle.__code__}
_OUR_CALLBACKS: set[CodeType] = set()
_SIGINT = (signal.SIGINT,)
_CALLBACK: CodeType = asyncio.Handle._run.__code__


def keep_interrupts_out_of(task: FunctionType, callback: FunctionType) -> None:
    """Declare what of ours runs in the event loop: the code of a task and that of a callback.

    While the task's code runs an interrupt waits; in the callback, which also serves code that waits
    for input, it is one for the code that waits.
    """
    _OUR_CODE.add(task.__code__)
    _OUR_CALLBACKS.add(callback.__code__)


class _Place(enum.Enum):
    SESSION = enum.auto()  # the cell, or what it called
    OURS = enum.auto()  # between the cell and its reply
    CALLBACK = enum.auto()  # a background task or callback of the session
    LOOP = enum.auto()  # waiting in the event loop, or in its machinery


def _place_of(frame: FrameType | None) -> _Place:
    # An exception in the loop's own code would lose a wake-up, perhaps the one that we wait for.
    is_machinery = frame is None or str(frame.f_globals.get("__name__")).startswith("asyncio.")
    while frame is not None:
        if frame.f_code in _SESSION_CODE:
            return _Place.SESSION
        if frame.f_code in _OUR_CODE:
            return _Place.OURS
        if frame.f_code is _CALLBACK:
            return _Place.LOOP if is_machinery else _Place.CALLBACK
        if frame.f_code in _OUR_CALLBACKS:
            is_machinery = True
        frame = frame.f_back
    return _Place.LOOP


class Interrupts:
    """The worker's handler of SIGINT. All of it happens on the main thread.

    ``held`` is above zero while the main thread does what must not be cut short.
    """

    def __init__(self) -> None:
        self.held = 0
        self._task: asyncio.Task[None] | None = None
        self._pending = False

    def install(self) -> None:
        """Be the handler of SIGINT, and let it through."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGINT)

    def begin(self, task: asyncio.Task[None]) -> None:
        """From here on an interrupt is meant for this request."""
        self._task = task
        self._pending = False
        # A request before it may have blocked, ignored or taken the signal; that was for itself.
        self.install()

    def end(self) -> None:
        """From here on it is too late."""
        self._task = None
        self._pending = False

    def release(self) -> None:
        """Raise what came while it could not be raised, if it still belongs here."""
        if self._pending:
            self._pending = False
            self._on_signal(signal.SIGINT, sys._getframe(1))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.held:
            self._pending = True
            return
        place = _place_of(frame)
        if place is _Place.SESSION:
            raise KeyboardInterrupt
        if place is _Place.OURS:
            self._pending = self._task is not None
            return
        if self._task is not None:
            # It awaits; see stage.interruptible. The loop must be woken: its wait for descriptors goes
            # on after a signal's handler.
            self._task.get_loop().call_soon_threadsafe(interrupt, self._task)
        if place is _Place.CALLBACK:
            raise KeyboardInterrupt
