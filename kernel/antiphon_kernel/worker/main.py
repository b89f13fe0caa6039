"""A worker's life: from the fork to its end."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Literal, NoReturn, cast

from ..link import Started, Stop
from ..message import (
    AnswerRequest,
    DebugRequest,
    DeleteSubshellRequest,
    ErrorReply,
    InterruptRequest,
    Message,
)
from . import process, stage
from .connection import Connection
from .debugger import Debugger
from .evaluation import Evaluation
from .interrupts import SignalInterrupts, keep_interrupts_out_of
from .shell import Shell
from .subshells import RUNS_CODE, Subshell, carry_out, run_until_done
from .tracebacks import report_from_loop
from .turn import Turn

HANDLED = (signal.SIGINT, signal.SIGXCPU, signal.SIGURG)
"""Signals for which a worker has a handler."""


class Worker:
    """One session's process.

    Args:
        link: the connected socket to the executor.
        captured: the read ends of the pipes behind descriptors 1 and 2.
        turn: to read those.
        shell: made before the fork.
    """

    def __init__(
        self,
        link: socket.socket,
        captured: dict[Literal["stdout", "stderr"], int],
        turn: Turn,
        shell: Shell,
    ) -> None:
        self._pid = os.getpid()
        self._link = link
        self._shell = shell
        self._interrupts = SignalInterrupts(turn.take_word)
        self._connection = Connection(link, captured, turn, self._interrupts, self._deliver)
        shell.before_code = self._before_code
        self._evaluation = Evaluation(shell, self._connection, self._finish)
        self._resident = stage.Run(shell, self._connection)
        self._main = threading.get_ident()
        self._loop = asyncio.new_event_loop()
        self._context = contextvars.copy_context()
        self._requests: asyncio.Queue[Message | None] = asyncio.Queue()
        self._subshells: dict[str, Subshell] = {}
        self._debugger: Debugger | None = None

    def run(self) -> NoReturn:
        """Serve requests until the process ends. Never returns."""
        self._work()
        self._connection.leave("ended by exit()")
        if self._debugger is not None:
            self._debugger.close()
        atexit._run_exitfuncs()
        process.flush_standard_streams()
        os._exit(0)

    def rehearse(self, link: socket.socket, prompt: Callable[[], object]) -> None:
        """Serve requests until ``exit()``, and let go of everything: the process goes on as it was.

        Args:
            link: the other end.
            prompt: called when there is something to read on it.
        """
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        handlers = {number: signal.getsignal(number) for number in HANDLED}
        self._loop.add_reader(link, prompt)
        try:
            self._work()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._stage.restore()
            self._shell.before_code = lambda: None
            self._shell.leaving = False
            asyncio.set_event_loop(None)
            self._loop.close()
            self._connection.close()

    def _work(self) -> None:
        self._stage = stage.Stage(self._resident)
        self._interrupts.install()
        # The executor's word that something is to be read now, whatever the main thread does; or our own
        # that an interrupt waits. Where nobody handles this signal it does nothing.
        signal.signal(signal.SIGURG, self._on_word)
        loop = self._loop
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(report_from_loop)
        loop.add_reader(self._link, self._connection.receive)
        self._connection.read_here(lambda: loop.call_soon_threadsafe(loop.remove_reader, self._link))
        self._connection.send(Started(pid=self._pid))
        run_until_done(loop, loop.create_task(self._serve()))

    # --- requests, by the thread that reads

    def _on_word(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # then it is read when the main thread is free
            self._connection.read_in_thread()
        self._interrupts.release(frame)

    def _deliver(self, request: Message) -> None:
        name = request.header.subshell_id
        match request.content:
            case AnswerRequest(value=value):
                thread = self._subshells[name].thread if name in self._subshells else self._main
                self._connection.answer(thread, value)
            case InterruptRequest():
                if name in self._subshells:
                    self._subshells[name].interrupt(KeyboardInterrupt)
            case Stop(reason=reason):
                if name in self._subshells:
                    self._subshells[name].interrupt(stage.limit_reached(reason))
            case DeleteSubshellRequest(subshell_id=name):
                if name in self._subshells:
                    self._subshells[name].put(None)
            case DebugRequest():
                self._debug(request)
            case _ if self._connection.ask_again(request.header.msg_id):
                pass  # a kernel that goes on for one that was killed may not have heard it
            case _ if name:
                self._deliver_beside(name, request)
            case _:
                self._put(request)

    def _put(self, request: Message | None) -> None:
        if threading.get_ident() == self._main:
            self._requests.put_nowait(request)
        else:
            self._loop.call_soon_threadsafe(self._requests.put_nowait, request)

    def _deliver_beside(self, name: str, request: Message) -> None:
        if (subshell := self._subshells.get(name)) is None:
            subshell = Subshell(name, self._shell, self._connection, lambda: self._put(None))
            try:
                subshell.start()
            except RuntimeError as error:
                reply = ErrorReply(ename="WorkerFailed", evalue=f"a subshell cannot be made: {error}")
                self._connection.reply(request.header.msg_id, reply)
                return
            # A new dict: the subshells' threads look into it. Those that were deleted are left out.
            alive = {name: other for name, other in self._subshells.items() if other.is_alive}
            self._subshells = {**alive, name: subshell}
        subshell.put(request)

    def _debug(self, request: Message) -> None:
        if self._debugger is None:
            self._debugger = Debugger(self._shell, self._connection, call_start=lambda: self._put(request))
            self._interrupts.resume = self._debugger.resume
        self._debugger.take(request)

    # --- the main line

    async def _serve(self) -> None:
        while not self._shell.leaving:
            request = await self._requests.get()
            if request is None:
                continue  # exit() was called in a subshell
            if isinstance(request.content, DebugRequest):
                if self._debugger is not None:
                    self._debugger.start()
                continue
            self._stage.renew_displayhook()
            run = self._evaluation.run_of(request)
            if isinstance(request.content, RUNS_CODE):
                # What is not silent has its execute_input sent before its code runs, which is the news.
                silent = getattr(request.content, "silent", True)
                self._connection.begin(run.parent, at_once=silent)
                self._resident.parent = run.parent
            await carry_out(self._loop, self._evaluation, request, run, self._interrupts, self._context)
            if self._debugger is not None:
                self._debugger.after_request()
            self._connection.end()

    def _before_code(self) -> None:
        if threading.get_ident() == self._main:
            if self._debugger is not None:
                self._debugger.before_code()
            self._interrupts.release()
        else:
            for subshell in self._subshells.values():
                if subshell.thread == threading.get_ident():
                    subshell.release()

    def _finish(self) -> None:
        self._interrupts.end()
        self._connection.end_of_cell()


keep_interrupts_out_of(cast(FunctionType, Worker._serve), callback=cast(FunctionType, Connection.receive))
