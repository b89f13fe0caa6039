"""Sessions in this very process: for tests, the one-process edition and the browser.

The same shell and the same events as in a worker process, without its walls. What cannot be done
here: a cell that computes holds up the whole process, and nothing can interrupt or kill it (a cell
that *awaits* can be interrupted); output of C code and subprocesses goes to the process's own
descriptors; ``input()`` cannot wait for an answer; ``exit()`` ends the session but not the tasks and
threads it started; objects of the session's own classes cannot be pickled, because ``__main__``
is the server's; a subshell is a task and not a thread, so that it gets its turn while the main line
awaits and not while it computes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from IPython.core.error import StdinNotImplementedError

from ..errors import WorkerFailed
from ..link import Died, Published, Replied, Started, WorkerEvent
from ..message import (
    NO_LIMITS,
    PLAIN_SETTING,
    AnswerRequest,
    Content,
    DeleteSubshellRequest,
    InputRequest,
    InterruptRequest,
    Message,
    Metadata,
    Preloaded,
    SessionLimits,
    SessionUID,
    Setting,
    Stream,
)
from ..worker import stage
from ..worker.evaluation import Evaluation
from ..worker.shell import Shell
from . import Kept, Listener, Usage


class _Line:
    """Requests that are carried out one after the other: the main line's or a subshell's."""

    def __init__(self, serve: Callable[[_Line], Coroutine[Any, Any, None]]) -> None:
        self.requests: asyncio.Queue[Message | None] = asyncio.Queue()
        self.running: asyncio.Task[None] | None = None
        self.context = contextvars.copy_context()
        self.task = asyncio.get_running_loop().create_task(serve(self))

    def interrupt(self, error: KeyboardInterrupt | None = None) -> None:
        if self.running is not None:
            stage.interrupt(self.running, error)


class InlineWorker:
    """A session's shell and the tasks that feed it. Satisfies ``Worker`` and ``Outlet``."""

    ledger = None
    description = None

    def __init__(self, listener: Listener, here: stage.Stage) -> None:
        self._stage = here
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._events: list[WorkerEvent] = []
        self._lock = threading.Lock()
        self._ended = False
        self._evaluation = Evaluation(Shell(resident=False), self)
        self._lines = {"": _Line(self._serve)}
        self._emit(Started(pid=os.getpid()))

    # --- Worker

    def send(self, request: Message) -> None:
        if self._ended:
            return
        name = request.header.subshell_id
        match request.content:
            case AnswerRequest():
                pass
            case InterruptRequest():
                if name in self._lines:
                    self._lines[name].interrupt()
            case DeleteSubshellRequest(subshell_id=name):
                if name in self._lines:
                    self._lines[name].requests.put_nowait(None)
            case _:
                if name not in self._lines:
                    self._lines = {n: line for n, line in self._lines.items() if not line.task.done()}
                    self._lines[name] = _Line(self._serve)
                self._lines[name].requests.put_nowait(request)

    def interrupt(self) -> None:
        self._lines[""].interrupt()

    def stop(self, reason: str, line: str = "") -> None:
        if line in self._lines:
            self._lines[line].interrupt(stage.LimitReached(reason))

    def kill(self) -> None:
        self._end("killed on request")

    def usage(self) -> Usage:
        """Nothing: the sessions of one process cannot be told apart."""
        return Usage()

    # --- Outlet

    def stream(self, parent: str, name: Literal["stdout", "stderr"], text: str) -> None:
        self._emit(Published(parent=parent, content=Stream(name=name, text=text)))

    def flush(self) -> None:
        """Nothing waits: the listener hears of it when the loop turns."""

    def publish(
        self, parent: str, content: Content, metadata: Metadata | None = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        self._emit(Published(parent=parent, content=content, metadata=metadata or {}, buffers=buffers))

    def reply(self, parent: str, content: Content) -> None:
        self._emit(Replied(parent=parent, content=content))

    def ask(self, parent: str, prompt: InputRequest) -> str:
        raise StdinNotImplementedError(
            "input() cannot wait for an answer here: the session shares its process with the server."
        )

    def _emit(self, event: WorkerEvent) -> None:
        with self._lock:
            if self._ended:
                return
            self._events.append(event)
            if len(self._events) > 1:
                return  # the delivery of this batch is already due
        with contextlib.suppress(RuntimeError):  # a thread that outlived the loop
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            events, self._events = self._events, []
        if events:
            self._listener(events)

    # --- the session's tasks

    async def _serve(self, line: _Line) -> None:
        while (request := await line.requests.get()) is not None:
            self._stage.renew()
            run = self._evaluation.run_of(request)
            handling = stage.interruptible(self._evaluation.handle(request, run))
            stage.give(line.context, run)
            line.running = self._loop.create_task(handling, context=line.context)
            await asyncio.wait([line.running])
            line.running = None
            if self._evaluation.shell.leaving:
                self._end("ended by exit()")
                return

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._emit(Died(reason=reason))
        self._ended = True
        for line in self._lines.values():
            line.interrupt()
            line.task.cancel()
        self._evaluation.shell.close()

    async def closed(self) -> None:
        """Wait until nothing of the session runs in a task of ours."""
        self.kill()
        tasks = [task for line in self._lines.values() for task in (line.running, line.task) if task]
        await asyncio.wait(tasks)
        self._deliver()


class InlineExecutor:
    """Makes sessions in this process. Satisfies ``Executor``."""

    def __init__(self) -> None:
        self._workers: deque[InlineWorker] = deque()
        self._stage: stage.Stage | None = None

    async def open(self) -> Sequence[Kept]:
        if self._stage is None:
            self._stage = stage.Stage()
            os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        return ()

    async def start(
        self,
        uid: SessionUID,
        listener: Listener,
        setting: Setting = PLAIN_SETTING,
        limits: SessionLimits = NO_LIMITS,
    ) -> InlineWorker:
        if self._stage is None:
            raise WorkerFailed("the executor is not open")
        if setting != PLAIN_SETTING:
            raise WorkerFailed("directory and environment are the server's here: it is one process")
        worker = InlineWorker(listener, self._stage)
        self._workers.append(worker)
        return worker

    def note(self, uid: SessionUID, *, starts: bool) -> None:
        return None

    async def close(self) -> None:
        for worker in self._workers:
            await worker.closed()
        self._workers.clear()
        if self._stage is not None:
            self._stage.restore()
            self._stage = None

    @property
    def features(self) -> tuple[str, ...]:
        """None: a debugger would stop the server."""
        return ()

    @property
    def preloaded(self) -> tuple[Preloaded, ...]:
        return ()
