"""Where code runs: which request is on, and what the process around it looks like.

The process has one ``sys.stdout``, one ``sys.displayhook``, one ``input``, one "current shell". In a
forked worker one session owns them; in the inline executor many sessions share them. Both use the
same stand-ins, which ask a context variable whose turn it is. A context follows a task and, because
threads started here carry it too, a thread: what a background task or thread prints goes to the
request that started it, not to the one that happens to run.
"""

from __future__ import annotations

import _thread
import asyncio
import builtins
import contextvars
import getpass
import io
import operator
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import comm
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

from ..message import Content, Error, InputRequest, Metadata
from .streams import OutputStream, well_formed
from .tracebacks import hide_our_frames

if TYPE_CHECKING:
    from .shell import Shell


class Outlet(Protocol):
    """Where a session's events go. Called from any thread; returns when they are on their way."""

    def stream(self, parent: str, name: Literal["stdout", "stderr"], text: str) -> None: ...

    def flush(self) -> None:
        """Let nothing of a stream wait."""

    def publish(
        self, parent: str, content: Content, metadata: Metadata = ..., buffers: tuple[bytes, ...] = ...
    ) -> None: ...

    def reply(self, parent: str, content: Content) -> None: ...

    def ask(self, parent: str, prompt: InputRequest) -> str:
        """Publish a prompt and wait for its answer.

        Raises:
            StdinNotImplementedError: nobody can answer here.
        """


class Run:
    """One request being evaluated: where its events go and what became of it.

    ``error`` is the last traceback that was shown, which the reply repeats. What IPython keeps in its
    shell for the one cell that it knows is kept here, for each of those that run beside each other:
    ``execution_count``, ``result`` and ``payload``.
    """

    def __init__(self, shell: Shell, outlet: Outlet, parent: str = "", *, allow_stdin: bool = False) -> None:
        self.shell = shell
        self.outlet = outlet
        self.parent = parent
        self.allow_stdin = allow_stdin
        self.error: Error | None = None
        self.execution_count: int | None = None
        self.result: ExecutionResult | None = None
        self.payload: list[dict[str, Any]] = []

    def publish(
        self, content: Content, metadata: Metadata | None = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        self.outlet.publish(self.parent, content, metadata or {}, buffers)


_run: contextvars.ContextVar[Run | None] = contextvars.ContextVar("antiphon_run", default=None)

_ABSENT: Any = object()

_resident: Run | None = None
"""The run of code that no request started (a thread of a C library), where one session owns the process."""


def current_run() -> Run | None:
    """The run that the calling code belongs to, or nothing if no session started it."""
    return _run.get() or _resident


def give(context: contextvars.Context, run: Run) -> None:
    """From now on, code in this context belongs to ``run``.

    The cells of a line share one context, as they share a namespace: decimal's precision and numpy's
    print options are context variables, and what one cell sets holds for the next. What a cell started
    has a copy, in which the run stays.
    """
    context.run(_run.set, run)


class _CurrentShell:
    """Stands in for IPython's singleton: ``display()`` and libraries find the shell whose code asks."""

    def __get__(self, instance: object, owner: type) -> Shell | None:
        return _get_ipython()


def _get_ipython() -> Shell | None:
    run = current_run()
    return None if run is None else run.shell


def _displayhook(original: Callable[[object], Any], value: object) -> None:
    run = current_run()
    if run is None:
        original(value)
    else:
        run.shell.displayhook(value)


def _create_comm(original: Callable[..., Any], *args: Any, **options: Any) -> Any:
    run = current_run()
    return original(*args, **options) if run is None else run.shell.comms.create(*args, **options)


def _comm_manager(original: Callable[[], Any]) -> Any:
    run = current_run()
    return original() if run is None else run.shell.comms


def _ask(prompt: str, *, password: bool) -> str:
    run = current_run()
    assert run is not None
    if not run.allow_stdin:
        raise StdinNotImplementedError(
            "input() was called, but whoever sent this code cannot answer (allow_stdin is false)."
        )
    return run.outlet.ask(run.parent, InputRequest(prompt=well_formed(prompt), password=password))


def _input(original: Callable[..., str], prompt: object = "", /) -> str:
    return original(prompt) if current_run() is None else _ask(str(prompt), password=False)


def _getpass(original: Callable[..., str], prompt: str = "Password: ", stream: object = None) -> str:
    return original(prompt, stream) if current_run() is None else _ask(str(prompt), password=True)


class Interrupted(NamedTuple):
    """What a thread is interrupted by from another one. It holds ``sleep``, which is released to wake it, and
    takes ``hold`` around what must not be cut short."""

    hold: AbstractContextManager[Any]
    sleep: threading.Lock


_interrupted_threads: dict[int, Interrupted] = {}


def interrupt_by(locks: Interrupted) -> None:
    """From now on the calling thread sleeps by waiting for a lock. Once that is released the thread runs
    Python again, if only to go on sleeping: then an exception can be raised in it. And it holds interrupts
    off while it starts a thread."""
    _interrupted_threads[threading.get_ident()] = locks


def interrupt_no_more() -> None:
    """The calling thread is about to end."""
    del _interrupted_threads[threading.get_ident()]


def _as_part_of(run: Run, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    token = _run.set(run)
    try:
        return function(*args, **options)
    finally:
        _run.reset(token)


def _start_as_part(original: Callable[[threading.Thread], None], thread: threading.Thread) -> None:
    # A thread begins with an empty context (or, from Python 3.14 on, with a copy, if that is wanted). That
    # is the program's to decide; only the run goes along in any case.
    if (run := current_run()) is not None and "run" not in vars(thread):
        thread.run = partial(_as_part_of, run, thread.run)  # type: ignore[method-assign]
    locks = _interrupted_threads.get(threading.get_ident())
    if locks is None:
        original(thread)
        return
    # In Python 3.11 a new thread has the ident of the one that makes it until it runs. An exception for that
    # would be raised in the new one, which would end before it tells that it has begun, and be waited for.
    with locks.hold:
        original(thread)


def _start_bare_as_part(original: Callable[..., int], function: Any, /, *args: Any, **options: Any) -> int:
    # What threading starts does not come here: it has a name of its own for the original.
    if (run := current_run()) is not None and callable(function):
        function = partial(_as_part_of, run, function)
    locks = _interrupted_threads.get(threading.get_ident())
    if locks is None or not callable(function):
        return original(function, *args, **options)
    begun = _thread.allocate_lock()
    begun.acquire()
    with locks.hold:  # as above, but nobody else waits for it to begin
        ident = original(partial(_begin, begun, function), *args, **options)
        begun.acquire()
    return ident


def _begin(begun: threading.Lock, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    begun.release()
    return function(*args, **options)


def _submit_as_part(
    original: Callable[..., Any], pool: object, function: Callable[..., Any], /, *args: Any, **options: Any
) -> Any:
    # The threads of a pool are those of the request that it was made in; what they are given is not.
    if (run := current_run()) is not None:
        function = partial(_as_part_of, run, function)
    return original(pool, function, *args, **options)


def _printing_whole_lines(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def print(
        *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
    ) -> None:
        stream = sys.stdout if file is None else file
        if type(stream) is not OutputStream:
            original(*values, sep=sep, end=end, file=file, flush=flush)
            return
        # Written as one piece: Python's own writes each value, each separator and the end by itself.
        if (sep is None or isinstance(sep, str)) and (end is None or isinstance(end, str)):
            text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
            stream.write(text)
        else:
            original(*values, sep=sep, end=end, file=io.StringIO())  # says what is wrong
        if flush:
            stream.flush()

    return print


def _show_thread_error(original: Callable[[Any], Any], args: Any) -> None:
    if current_run() is not None:
        hide_our_frames(args.exc_value)
    original(args)


def _sleep(original: Callable[[float], None], seconds: float, /) -> None:
    locks = _interrupted_threads.get(threading.get_ident())
    if locks is None:
        original(seconds)
        return
    lock = locks.sleep
    if not isinstance(seconds, float):
        seconds = operator.index(seconds)  # raises what the original raises
    if not seconds > 0:
        original(seconds)
        return
    end = time.monotonic() + seconds
    lock.acquire(False)  # released for a sleep that was over by then
    while (rest := end - time.monotonic()) > 0:
        lock.acquire(timeout=min(rest, threading.TIMEOUT_MAX))


def _stand_in(function: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    # Bound like a method when it is set on a class, which a partial object would not be.
    @wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return function(original, *args, **kwargs)

    return stand_in


class Stage:
    """The stand-ins of this process, put in place by the constructor.

    Args:
        resident: owns the process, if one session does: what no context claims is its own.
    """

    def __init__(self, resident: Run | None = None) -> None:
        global _resident
        _resident = resident
        self._replaced: list[tuple[Any, str, Any]] = []
        self._put(sys, "stdout", OutputStream("stdout", 1, sys.stdout, current_run))
        self._put(sys, "stderr", OutputStream("stderr", 2, sys.stderr, current_run))
        self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._displayhook = _stand_in(_displayhook, sys.displayhook)
        self._put(sys, "displayhook", self._displayhook)
        self._put(builtins, "get_ipython", _get_ipython)
        self._put(builtins, "print", _printing_whole_lines(builtins.print))
        self._put(builtins, "input", _stand_in(_input, builtins.input))
        self._put(getpass, "getpass", _stand_in(_getpass, getpass.getpass))
        self._put(comm, "create_comm", _stand_in(_create_comm, comm.create_comm))
        self._put(comm, "get_comm_manager", _stand_in(_comm_manager, comm.get_comm_manager))
        self._put(threading.Thread, "start", _stand_in(_start_as_part, threading.Thread.start))
        self._put(_thread, "start_new_thread", _stand_in(_start_bare_as_part, _thread.start_new_thread))
        self._put(ThreadPoolExecutor, "submit", _stand_in(_submit_as_part, ThreadPoolExecutor.submit))
        self._put(threading, "excepthook", _stand_in(_show_thread_error, threading.excepthook))
        self._put(InteractiveShell, "_instance", _CurrentShell())
        if resident is not None:
            self._put(time, "sleep", _stand_in(_sleep, time.sleep))

    def _put(self, owner: Any, name: str, value: Any) -> None:
        self._replaced.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, value)

    def renew(self) -> None:
        """Take the output streams back from whoever replaced them.

        For a process that is shared: neither may one session keep the output of the others, nor a
        program that captures its own output (pytest) that of the sessions.
        """
        for name, stream in self._streams.items():
            if vars(sys)[name] is not stream:
                self._put(sys, name, stream)

        self.renew_displayhook()

    def renew_displayhook(self) -> None:
        """Take the hook for results back. As in IPython, a cell changes it for itself alone."""
        sys.displayhook = self._displayhook

    def restore(self) -> None:
        """Put back what was there."""
        global _resident
        _resident = None
        while self._replaced:
            owner, name, value = self._replaced.pop()
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


async def interruptible(coroutine: Coroutine[Any, Any, None]) -> None:
    """Await a coroutine in a task that ``interrupt`` can stop.

    What the task waits for is cancelled; the code itself then sees a ``KeyboardInterrupt`` where it
    waited, just as it does where it computes. Any other cancellation is the code's own (a timeout, a
    task group, a task that it cancelled and awaits) and stays one.
    """
    await _Interruptible(coroutine)


class LimitReached(KeyboardInterrupt):
    """A limit of the session was reached. The text says which one, by how much."""


def limit_reached(reason: str) -> type[LimitReached]:
    """The error with this text, as a class: Python raises nothing else in another thread."""

    def init(self: LimitReached) -> None:
        KeyboardInterrupt.__init__(self, reason)

    return type("LimitReached", (LimitReached,), {"__init__": init, "__module__": __name__})


_interrupted: weakref.WeakKeyDictionary[asyncio.Task[Any], KeyboardInterrupt] = weakref.WeakKeyDictionary()


def interrupt(task: asyncio.Task[Any], error: KeyboardInterrupt | None = None) -> None:
    """Interrupt the code in a task that runs ``interruptible``, with this error if one is given."""
    _interrupted[task] = error or KeyboardInterrupt()
    task.cancel()


class _Interruptible:
    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, None]:
        step: Callable[[Any], Any] = self._coroutine.send
        argument: Any = None
        while True:
            try:
                waited_for = step(argument)
            except StopIteration:
                return
            try:
                argument = yield waited_for
                step = self._coroutine.send
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                assert task is not None
                step, argument = self._coroutine.throw, error
                if task in _interrupted:
                    argument = _interrupted.pop(task)
                    task.uncancel()
            except BaseException as error:  # whatever it waited for may raise
                step, argument = self._coroutine.throw, error
