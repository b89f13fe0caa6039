"""Sessions in this very process: for tests, the one-process edition and the browser.

The same shell and the same events as in a worker process, without its walls. What cannot be done
here: a cell that computes holds up the whole process, and nothing can interrupt or kill it (a cell
that *awaits* can be interrupted); output of C code and subprocesses goes to the process's own
descriptors; ``input()`` cannot wait for an answer; ``exit()`` ends the session but not the tasks and
threads it started; objects of the session's own classes cannot be pickled, because ``__main__``
is the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from typing import Literal

from IPython.core.error import StdinNotImplementedError

from ..errors import WorkerFailed
from ..link import Died, Published, Replied, Started, WorkerEvent
from ..message import (
    NO_LIMITS,
    PLAIN_SETTING,
    AnswerRequest,
    Content,
    InputRequest,
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
from . import Listener, Usage


class InlineWorker:
    """A session's shell and the task that feeds it. Satisfies ``Worker`` and ``Outlet``."""

    def __init__(self, listener: Listener, here: stage.Stage) -> None:
        self._stage = here
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._events: list[WorkerEvent] = []
        self._lock = threading.Lock()
        self._ended = False
        self._requests: asyncio.Queue[Message] = asyncio.Queue()
        self._evaluation = Evaluation(Shell(resident=False), self)
        self._running: asyncio.Task[None] | None = None
        self._task = self._loop.create_task(self._serve())

    # --- Worker

    def send(self, request: Message) -> None:
        if not self._ended and not isinstance(request.content, AnswerRequest):
            self._requests.put_nowait(request)

    def interrupt(self) -> None:
        if self._running is not None:
            stage.interrupt(self._running)

    def stop(self, reason: str) -> None:
        if self._running is not None:
            stage.interrupt(self._running, stage.LimitReached(reason))

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

    # --- the session's task

    async def _serve(self) -> None:
        self._emit(Started(pid=os.getpid()))
        while True:
            request = await self._requests.get()
            self._stage.renew()
            run = self._evaluation.run_of(request)
            handling = stage.interruptible(self._evaluation.handle(request, run))
            self._running = self._loop.create_task(handling, context=stage.context_of(run))
            await asyncio.wait([self._running])
            self._running = None
            if self._evaluation.shell.leaving:
                self._end("ended by exit()")
                return

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._emit(Died(reason=reason))
        self._ended = True
        if self._running is not None:
            stage.interrupt(self._running)
        self._task.cancel()
        self._evaluation.shell.close()

    async def closed(self) -> None:
        """Wait until nothing of the session runs in a task of ours."""
        self.kill()
        tasks = [task for task in (self._running, self._task) if task is not None]
        await asyncio.wait(tasks)
        self._deliver()


class InlineExecutor:
    """Makes sessions in this process. Satisfies ``Executor``."""

    def __init__(self) -> None:
        self._workers: deque[InlineWorker] = deque()
        self._stage: stage.Stage | None = None

    async def open(self) -> None:
        if self._stage is None:
            self._stage = stage.Stage()
            os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

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

    async def close(self) -> None:
        for worker in self._workers:
            await worker.closed()
        self._workers.clear()
        if self._stage is not None:
            self._stage.restore()
            self._stage = None

    @property
    def preloaded(self) -> tuple[Preloaded, ...]:
        return ()
