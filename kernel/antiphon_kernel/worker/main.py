"""A worker's life: from the fork to its end."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import socket
from types import FunctionType
from typing import Any, Literal, NoReturn, cast

from ..link import Started
from ..message import AnswerRequest, CommClose, CommMsg, CommOpen, ExecuteRequest
from . import process, stage
from .connection import Connection
from .evaluation import Evaluation
from .interrupts import Interrupts, keep_interrupts_out_of
from .shell import Shell
from .tracebacks import hide_our_frames
from .turn import Turn


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
        self._interrupts = Interrupts(turn.take_word)
        self._connection = Connection(link, captured, turn, self._interrupts)
        shell.before_code = self._interrupts.release
        self._evaluation = Evaluation(shell, self._connection, self._finish)
        self._resident = stage.Run(shell, self._connection)

    def run(self) -> NoReturn:
        """Serve requests until the process ends. Never returns."""
        self._stage = stage.Stage(self._resident)
        self._interrupts.install()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(_report)
        loop.add_reader(self._link, self._connection.receive)
        self._connection.send(Started(pid=self._pid))
        serving = loop.create_task(self._serve())
        while not serving.done():
            # The code of a background task may be interrupted or call sys.exit(), and any code may stop
            # the loop; it goes on.
            try:
                loop.run_until_complete(serving)
            except (KeyboardInterrupt, SystemExit):
                continue
            except RuntimeError:
                if serving.done() or loop.is_closed():
                    raise
        self._connection.leave("ended by exit()")
        atexit._run_exitfuncs()
        process.flush_standard_streams()
        os._exit(0)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._shell.leaving:
            request = await self._connection.requests.get()
            if isinstance(request.content, AnswerRequest):
                continue  # to a prompt that was given up meanwhile
            self._stage.renew_displayhook()
            run = self._evaluation.run_of(request)
            if isinstance(request.content, ExecuteRequest | CommOpen | CommMsg | CommClose):
                # What is not silent has its execute_input sent before its code runs.
                silent = getattr(request.content, "silent", True)
                self._connection.begin(run.parent, at_once=silent)
                self._resident.parent = run.parent
            handling = stage.interruptible(self._evaluation.handle(request, run))
            task = loop.create_task(handling, context=stage.context_of(run))
            self._interrupts.begin(task)
            # Not asyncio.wait(): its callback is Python code, which an interrupt could cut short.
            with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                await task
            self._interrupts.end()

    def _finish(self) -> None:
        self._interrupts.end()
        if os.getpid() != self._pid:
            # The cell forked and this is the child, at the end of its part of the cell.
            process.flush_standard_streams()
            os._exit(self._connection.forked_status)
        process.flush_standard_streams()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    hide_our_frames(context.get("exception"))
    loop.default_exception_handler(context)


keep_interrupts_out_of(cast(FunctionType, Worker._serve), cast(FunctionType, Connection.receive))
