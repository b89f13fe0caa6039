"""SIGINT and SIGXCPU in a worker: they stop the session's code and nothing else.

The first is somebody's wish. The second says that a limit of the session is reached: the executor left a
word about which one, or the operating system sent it, because the CPU time is used up. A
``KeyboardInterrupt``, or the ``LimitReached`` that is one too, is raised only while the session's code is
on the stack. It must not cut a frame in half on the link, must not end the event loop, and must not hit
the cell after the one it was meant for.

A subshell is interrupted without a signal, which would raise nothing in its thread: Python is told to
raise the error there between two of its instructions. Its ``time.sleep`` is woken for that,
and the programs that its thread started get SIGINT, so that a wait for one of them ends. Nothing reaches
code that waits in another C function (a lock, a socket) before that returns.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed leaves it out
import _thread
import asyncio
import contextlib
import ctypes
import enum
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Protocol

from .evaluation import Evaluation
from .process import cpu_limit, signal_programs_of
from .shell import Shell
from .stage import Interrupted, LimitReached, interrupt, interrupt_by, interrupt_no_more

INSIST_SECONDS = 0.02
"""Between two attempts to interrupt code that debugpy is about to let go on."""

_start_new_thread = _thread.start_new_thread
"""Not debugpy's, which puts its own in this place, and traces what it starts. Not threading's, which takes
locks: the handler of a signal may have come while its thread had them."""

_SESSION_CODE: frozenset[CodeType] = frozenset(
    function.__code__
    for function in (
        Shell.run_code,
        Shell.run_hooks,
        Evaluation.user_expressions,
        Evaluation.complete,
        Evaluation.inspect,
        Evaluation.variables,
        Evaluation.variable,
        Evaluation.files,
        Evaluation.is_complete,
        Evaluation.take_comm,
    )
)
_OUR_CODE: set[CodeType] = {Evaluation.handle.__code__}
_OUR_CALLBACKS: set[CodeType] = set()
_SIGNALS = (signal.SIGINT, signal.SIGXCPU)

ATTEMPTS = 10
"""To look at a thread and raise an exception in it before another one runs. The stack may be too deep for
that; then it is raised all the same."""

_sleep = time.sleep

_raise_in = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
"""Raise an exception, given by its class, in a thread, between two instructions. A function of C: no other
thread runs between this and what comes before it. It takes the place of one that is due there."""
_CALLBACK: CodeType = asyncio.Handle._run.__code__


def keep_interrupts_out_of(*tasks: FunctionType, callback: FunctionType) -> None:
    """Declare what of ours runs in the event loop: the code of tasks and that of a callback.

    While a task's code runs an interrupt waits; in the callback it is one for the code that awaits.
    """
    _OUR_CODE.update(task.__code__ for task in tasks)
    _OUR_CALLBACKS.add(callback.__code__)


class _Place(enum.Enum):
    SESSION = enum.auto()  # the cell, or what it called
    OURS = enum.auto()  # between the cell and its reply
    BREAKPOINT = enum.auto()  # standing, or on its way to or from there
    CALLBACK = enum.auto()  # a background task or callback of the session
    LOOP = enum.auto()  # waiting in the event loop, or in its machinery


def _is_debugger(frame: FrameType | None) -> bool:
    """Whether debugpy has the thread. What it evaluates for somebody is the session's code."""
    while frame is not None and frame.f_globals.get("__name__") == "threading":
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__")).startswith(("pydevd", "_pydevd"))


def _place_of(frame: FrameType | None) -> _Place:
    if _is_debugger(frame):
        return _Place.BREAKPOINT
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


class Interrupts(Protocol):
    """Those of one line of requests. ``begin``, ``end`` and ``release`` are for the line's own thread."""

    def begin(self, task: asyncio.Task[None]) -> None:
        """From here on an interrupt is meant for this request."""

    def end(self) -> None:
        """From here on it is too late."""

    def release(self) -> None:
        """Raise what came while it could not be raised, if it still belongs here."""


class SignalInterrupts:
    """The main line's, and the worker's handler of both signals. All of it happens on the main thread.

    As a context it holds interrupts off while the main thread does what must not be cut short.

    Args:
        take_word: gives what the executor left to say about a limit, once.

    ``resume`` lets code that stands at a breakpoint go on: an exception raised inside of debugpy would
    leave it believing that the thread still stands there, and it would never report another breakpoint.
    """

    def __init__(self, take_word: Callable[[], str] = lambda: "") -> None:
        self.resume: Callable[[], None] = lambda: None
        self._held = 0
        self._main = threading.get_ident()
        self._insists = False
        self._take_word = take_word
        self._task: asyncio.Task[None] | None = None
        self._pending: KeyboardInterrupt | None = None

    def install(self) -> None:
        """Be the handler of both signals, and let them through."""
        # Before each request. Of the functions of ``signal`` most is making enumerations of numbers.
        _signal.signal(signal.SIGINT, self._on_interrupt)
        _signal.signal(signal.SIGXCPU, self._on_limit)
        _signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._raise(KeyboardInterrupt(), frame)

    def _on_limit(self, number: int, frame: FrameType | None) -> None:
        used = f"out of CPU time: used {time.process_time():.0f} s, limit {cpu_limit()} s"
        self._raise(LimitReached(self._take_word() or used), frame)

    def __enter__(self) -> None:
        self._held += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held -= 1
        self.release()

    def begin(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self._pending = None
        # A request before it may have blocked, ignored or taken the signals; that was for itself.
        self.install()

    def end(self) -> None:
        self._task = None
        self._pending = None
        self._insists = False

    def release(self, frame: FrameType | None = None) -> None:
        """As of ``Interrupts``. ``frame``: where the thread is, if a handler of a signal calls."""
        if (error := self._pending) is not None:
            self._pending = None
            self._raise(error, frame or sys._getframe(1))

    def _raise(self, error: KeyboardInterrupt, frame: FrameType | None) -> None:
        if self._held:
            self._pending = error
            return
        place = _place_of(frame)
        if place is _Place.BREAKPOINT:
            self._pending = error
            if not self._insists:
                self._insists = True
                self.resume()
                with contextlib.suppress(RuntimeError):  # then it is raised when the code next prints
                    _start_new_thread(self._insist, ())
            return
        self._insists = False
        if place is _Place.SESSION:
            raise error
        if place is _Place.OURS:
            self._pending = None if self._task is None else error
            return
        if self._task is not None:
            # It awaits; see stage.interruptible. The loop must be woken: its wait for descriptors goes
            # on after a signal's handler.
            self._task.get_loop().call_soon_threadsafe(interrupt, self._task, error)
        if place is _Place.CALLBACK:
            raise error

    def _insist(self) -> None:
        """Come back until debugpy has let go of the main thread: the handler of SIGURG calls ``release``."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while self._insists:
            signal.pthread_kill(self._main, signal.SIGURG)
            time.sleep(INSIST_SECONDS)


class ThreadInterrupts:
    """Those of a subshell.

    ``hold`` is held by the subshell's thread, as a context, around what must not be cut short. It is a
    lock and not a class of ours, because Python raises nothing between taking a lock and the block that
    it is for; the block's first call is where an interrupt that came before is raised.
    """

    def __init__(self) -> None:
        self.hold = threading.RLock()
        self._sleep = threading.Lock()
        self._sleep.acquire()
        self._thread = self._native_thread = 0
        self._task: asyncio.Task[None] | None = None
        self._pending: type[KeyboardInterrupt] | None = None
        self._is_raised = False

    def enter(self) -> None:
        """The calling thread is that of the subshell."""
        self._thread, self._native_thread = threading.get_ident(), threading.get_native_id()
        interrupt_by(Interrupted(self.hold, self._sleep))

    def leave(self) -> None:
        """The calling thread is about to end."""
        interrupt_no_more()

    def begin(self, task: asyncio.Task[None]) -> None:
        with self.hold:
            self._task = task
            self._pending = None

    def end(self) -> None:
        try:
            with self.hold:
                self._forget()
        except KeyboardInterrupt:  # it came, and is too late
            with self.hold:
                self._forget()

    def _forget(self) -> None:
        self._task = None
        self._pending = None
        if self._is_raised:
            self._is_raised = False
            # It may still be due. Python's own way to take it back (a null exception) leaves Python 3.11
            # looking for it forever, and a thread that is traced then never enters a function again
            # (ceval.c: DO_TRACING handles RESUME again after each look). So one of ours takes its place.
            try:
                _raise_in(self._thread, _TooLate)
                while True:
                    pass
            except _TooLate:
                pass

    def release(self) -> None:
        if (kind := self._pending) is not None:
            self._pending = None
            raise kind

    def interrupt(self, kind: type[KeyboardInterrupt]) -> None:
        """Interrupt what runs, by an error of this class, which takes no arguments. For other threads."""
        with self.hold:
            place = self._raise_where_it_runs(kind)
            if self._task is None:
                return
            if place is _Place.OURS:
                self._pending = kind
            elif place is not _Place.SESSION:
                self._task.get_loop().call_soon_threadsafe(interrupt, self._task, kind())

    def _raise_where_it_runs(self, kind: type[KeyboardInterrupt]) -> _Place:
        """Raise it in the session's code, if the thread is at that; tells where it is.

        Between the look and the raise no other thread may run, or it would be raised where the thread has
        got meanwhile. The interpreter gives us a slice of time after we waited; once half of it is used up,
        we start anew.
        """
        for last in (*[False] * ATTEMPTS, True):
            _sleep(0)
            latest = time.monotonic() + sys.getswitchinterval() / 2
            place = _place_of(sys._current_frames().get(self._thread))
            if place in (_Place.OURS, _Place.LOOP) or (self._task is None and place is not _Place.CALLBACK):
                return place
            self._is_raised = True
            if last or time.monotonic() < latest:
                _raise_in(self._thread, kind)
                break
        if self._sleep.locked():
            self._sleep.release()
        # After the exception: whoever waits for one of them is to find it when that ends.
        signal_programs_of(self._native_thread, signal.SIGINT)
        return place


class _TooLate(BaseException):
    pass
