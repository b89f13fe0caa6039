"""Subshells: lines of requests beside the main one, each in a thread with an event loop of its own.

They share the namespace, and all else that a process has one of: what is not the worker's own (the
current directory, ``plt``'s current figure, a library that is not made for threads) is for the code to
look after. Source: JEP 91.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import threading
from collections.abc import Callable
from types import FunctionType
from typing import cast

from ..message import CommClose, CommMsg, CommOpen, ExecuteRequest, Message
from . import stage
from .connection import Connection
from .debugpy import hide
from .evaluation import Evaluation
from .interrupts import Interrupts, ThreadInterrupts, keep_interrupts_out_of
from .shell import Shell
from .stage import Run
from .tracebacks import report_from_loop

RUNS_CODE = (ExecuteRequest, CommOpen, CommMsg, CommClose)
"""Requests that run the session's code: what is written to descriptors meanwhile is theirs."""


async def carry_out(
    loop: asyncio.AbstractEventLoop,
    evaluation: Evaluation,
    request: Message,
    run: Run,
    interrupts: Interrupts,
    context: contextvars.Context,
) -> None:
    """Answer one request, in a task of this loop that an interrupt can stop."""
    handling = stage.interruptible(evaluation.handle(request, run))
    stage.give(context, run)
    task = loop.create_task(handling, context=context)
    interrupts.begin(task)
    # Not asyncio.wait(): its callback is Python code, which an interrupt could cut short.
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        await task
    interrupts.end()


def run_until_done(loop: asyncio.AbstractEventLoop, serving: asyncio.Task[None]) -> None:
    """The code of a background task may be interrupted or call ``sys.exit()``, and any code may stop the
    loop; it goes on."""
    while not serving.done():
        try:
            loop.run_until_complete(serving)
        except (KeyboardInterrupt, SystemExit):
            continue
        except RuntimeError:
            if serving.done() or loop.is_closed():
                raise


class Subshell:
    """One of them.

    Args:
        name: its id.
        left: called after a request in which the code called ``exit()``.
    """

    def __init__(
        self, name: str, shell: Shell, connection: Connection, left: Callable[[], None] = lambda: None
    ) -> None:
        self._shell = shell
        self._connection = connection
        self._left = left
        self._interrupts = ThreadInterrupts()
        self._evaluation = Evaluation(shell, connection, self._finish)
        self._requests: asyncio.Queue[Message | None] = asyncio.Queue()
        self._loop = asyncio.new_event_loop()
        self._context = contextvars.Context()
        self._thread = threading.Thread(target=self._run, name=f"subshell {name}", daemon=True)
        hide(self._thread)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system has none to give.
        """
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked for something, or still runs something."""
        return self._thread.is_alive()

    @property
    def thread(self) -> int:
        """The ident of its thread."""
        return self._thread.ident or 0

    def put(self, request: Message | None) -> None:
        """Carry this out when what came before is done. None is the end."""
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._requests.put_nowait, request)

    def interrupt(self, kind: type[KeyboardInterrupt]) -> None:
        """Interrupt what runs, by an error of this class."""
        self._interrupts.interrupt(kind)
        self._connection.answer(self.thread, None)

    def release(self) -> None:
        """Raise an interrupt that waits. For its own thread."""
        self._interrupts.release()

    def _run(self) -> None:
        # The thread that reads has started this one and has them all blocked; programs that are started
        # here would inherit that.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(report_from_loop)
        self._interrupts.enter()
        self._connection.add_thread(self._interrupts.hold)
        run_until_done(self._loop, self._loop.create_task(self._serve()))
        for task in (tasks := asyncio.all_tasks(self._loop)):
            task.cancel()
        run_until_done(self._loop, self._loop.create_task(_wait_for(tasks)))
        self._connection.remove_thread()
        self._interrupts.leave()
        self._loop.close()

    async def _serve(self) -> None:
        while (request := await self._requests.get()) is not None:
            run = self._evaluation.run_of(request)
            if isinstance(request.content, RUNS_CODE):
                self._connection.begin(run.parent, at_once=True, main=False)
            await carry_out(self._loop, self._evaluation, request, run, self._interrupts, self._context)
            if self._shell.leaving:
                self._left()

    def _finish(self) -> None:
        self._interrupts.end()
        self._connection.end_of_cell()


async def _wait_for(tasks: set[asyncio.Task[object]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=LEAVE_SECONDS)


LEAVE_SECONDS = 1.0
"""For the background tasks of a subshell that was deleted to take note of it."""

keep_interrupts_out_of(
    cast(FunctionType, carry_out),
    cast(FunctionType, Subshell._serve),
    callback=cast(FunctionType, Connection.receive),
)
