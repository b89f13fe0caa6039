"""Workers that are other kernels: R, Julia, ipykernel, whatever has a kernelspec for Jupyter.

A session of one has the same feed, numbers and queue as any other; here Jupyter's messages become the
events of a worker. It is believed no more than a worker of ours: the session decides what counts.

It needs jupyter_client (``pip install "antiphon[foreign]"``), which ``spawned`` imports, when the first such
session is made: it takes part of a second, and most daemons never need it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import WorkerFailed
from ..link import Died, Published, Replied, Started, WorkerEvent
from ..message import (
    CONTENT_TYPES,
    NO_LIMITS,
    PLAIN_SETTING,
    AnswerRequest,
    ClearOutput,
    CommClose,
    CommMsg,
    CommOpen,
    CommReply,
    Content,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    HistoryRequest,
    InputRequest,
    Message,
    Preloaded,
    SessionLimits,
    SessionUID,
    Setting,
    Stream,
    UpdateDisplayData,
)
from ..session import Session
from ..worker.process import Gauge
from . import Description, Kept, Listener, Usage
from .deaths import reason_of
from .program import Program, Starter

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

log = logging.getLogger(__name__)

READY_SECONDS = 55.0
"""For a kernel to answer for the first time; Julia compiles for half a minute. A little less than the
service's patience, so that the reason is ours."""

IDLE_SECONDS = 2.0
"""Between the reply to a run and the "idle" behind its outputs, which come on another socket."""

NUDGE_SECONDS = 0.5
"""For what a kernel publishes to come, beside its answer, once it knows that we are there. Then it is asked
again."""

NUDGES = 40
"""So often it is asked. Then it is one that does not publish that it answers."""

ALIVE_SECONDS = 1.0
"""Between two looks at whether the kernel lives."""

LISTED_SECONDS = 5.0
"""For which a list of the installed kernels is good."""

_PUBLISHED = {
    content.msg_type: content
    for content in (
        ExecuteInput,
        Stream,
        DisplayData,
        UpdateDisplayData,
        ExecuteResult,
        Error,
        ClearOutput,
        CommOpen,
        CommMsg,
        CommClose,
    )
}

_UNANSWERED = (CommOpen, CommMsg, CommClose)
"""Requests that Jupyter does not answer: its "idle" is the answer."""


class ForeignWorker:
    """A kernel under Jupyter's manager. Satisfies ``Resting``.

    Args:
        earlier: the session as another daemon noted it down, if the kernel runs already.
    """

    ledger = None
    description: Description | None = None

    def __init__(
        self,
        manager: AsyncKernelManager,
        setting: Setting,
        listener: Listener | None,
        gone: Callable[[], None],
        earlier: Session | None = None,
    ) -> None:
        self._setting = setting
        self._earlier = earlier
        self._probe = ""
        self._manager = manager
        self._client: Any = None
        self._listener: Listener = lambda events: None
        self._gone = gone
        self._gauge: Gauge | None = None
        self._reason = ""
        self._limit = ""
        # What was asked and is not answered, and what waits for its "idle".
        self._asked: dict[str, Content] = {}
        self._replies: dict[str, Content] = {}
        self._idle: set[str] = set()
        self._unsure: dict[str, str] = {}  # what an earlier daemon asked, and the error that was heard of it
        self._hears = earlier is None
        self._held: list[Message] = []  # until it is heard
        self._probed, self._heard = asyncio.Event(), asyncio.Event()
        self._is_dead = False
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.life: asyncio.Task[None] | None = None
        if listener is not None:
            self.listen(listener)

    def listen(self, listener: Listener) -> None:
        """Begin, and give events to a listener."""
        self._listener = listener
        self.life = self._loop.create_task(self._live())

    # --- Worker

    def send(self, request: Message) -> None:
        if self._is_dead or self._client is None:
            return
        content, msg_id = request.content, request.header.msg_id
        if not self._hears and not isinstance(content, AnswerRequest):
            self._held.append(request)
            return
        if isinstance(content, AnswerRequest):
            self._client.input(content.value)
            return
        fields = msgspec.to_builtins(content)
        if isinstance(content, HistoryRequest):
            fields = {name: value for name, value in fields.items() if value is not None}
        message = self._client.session.msg(content.msg_type, fields, metadata=request.metadata)
        # Under the id that our clients know: so what it leads to needs no translation.
        message["msg_id"] = message["header"]["msg_id"] = msg_id
        message["header"]["username"] = request.header.username
        self._asked[msg_id] = content
        self._client.session.send(
            self._client.shell_channel.socket, message, buffers=list(request.buffers) or None
        )

    def interrupt(self) -> None:
        if not self._is_dead:
            self._start(self._manager.interrupt_kernel)

    def stop(self, reason: str, line: str = "") -> None:
        # It knows no other way than an interrupt. The reply, which is made here, names the reason.
        self._limit = reason
        self.interrupt()

    def kill(self) -> None:
        if not self._reason:
            self._reason = "killed on request"
            # Soon: a task that is cancelled before it began would not do what its end is to do.
            if self.life is not None:
                self._loop.call_soon(self.life.cancel)

    def usage(self) -> Usage:
        return Usage(*self._gauge.read()) if self._gauge is not None else Usage()

    # --- its life

    async def _begin(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTIPHON_")}
        await self._manager.start_kernel(
            env=environment | self._setting.environment, cwd=self._setting.directory or None
        )
        self._client = self._manager.client()
        self._client.start_channels(hb=False)
        await self._client.wait_for_ready(timeout=READY_SECONDS)
        info = await self._client.kernel_info(reply=True, timeout=READY_SECONDS)
        self.description = msgspec.convert(info["content"], Description)
        pid = int(getattr(self._manager.provisioner, "pid", None) or 0)
        self._gauge = Gauge(pid) if pid else None
        self._emit(Started(pid=pid))

    async def _live(self) -> None:
        try:
            await (self._begin() if self._earlier is None else self._resume(self._earlier))
            for receive, take in (
                (self._client.get_shell_msg, self._take_reply),
                (self._client.get_iopub_msg, self._take_publication),
                (self._client.get_stdin_msg, self._take_prompt),
            ):
                self._start(partial(self._pump, receive, take))
            while await self._manager.is_alive():  # noqa: ASYNC110  # its process may be anywhere
                await asyncio.sleep(ALIVE_SECONDS)
            self._reason = self._told()
        except asyncio.CancelledError:
            pass  # by kill, once
        except Exception as error:  # of jupyter_client, of whose provisioners nobody knows what they raise
            self._reason = f"the kernel could not be started: {error}"
            log.warning("a foreign kernel failed", exc_info=True)
        finally:
            await self._end()

    async def _resume(self, earlier: Session) -> None:
        """Go on. The kernel sends the reply to what runs to sockets that are gone; but what it
        publishes tells how that ends. What it said in between is lost."""
        self._client = self._manager.client()
        self._client.start_channels(hb=False)
        self._gauge = Gauge(earlier.pid)
        running = [line.running for line in earlier.lines.values() if line.running is not None]
        self._unsure = {request.header.msg_id: "" for request in running}
        self._asked |= {request.header.msg_id: request.content for request in running}
        self._start(self._find)

    async def _find(self) -> None:
        """Ask what it is, until it answers and is heard to publish. All that it published of what it was
        asked before comes before that; what has not ended by then, ended when nobody heard."""
        try:
            for _ in range(NUDGES):
                self._probed.clear()
                self._heard.clear()
                self._probe = self._client.kernel_info()
                await self._probed.wait()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(NUDGE_SECONDS):
                        await self._heard.wait()
                if self._heard.is_set():
                    break
        finally:
            self._hears = True
        for parent in list(self._unsure):
            self._settle_unsure(parent, "the kernel daemon was killed, and the reply is lost")
        held, self._held = self._held, []
        for request in held:
            self.send(request)
        self._emit(Replied(parent=self._probe, content=CommReply()))  # of nobody: we know now what it is

    def _settle_unsure(self, parent: str, lost: str = "") -> None:
        """Answer what an earlier daemon had asked.

        Args:
            lost: nothing was heard of its end, for this reason.
        """
        error = self._unsure.pop(parent)
        request = self._asked.pop(parent, None)
        self._idle.discard(parent)
        if request is None:
            return
        if isinstance(request, _UNANSWERED):
            reply: Content = CommReply()
        elif not isinstance(request, ExecuteRequest):
            reply = ErrorReply(ename=WorkerFailed.__name__, evalue=lost)
        elif lost:
            reply = ExecuteReply(status="error", ename=WorkerFailed.__name__, evalue=lost)
        else:
            ename, _, evalue = error.partition("\n")
            reply = ExecuteReply(status="error" if error else "ok", ename=ename, evalue=evalue)
        self._emit(Replied(parent=parent, content=reply))

    def _told(self) -> str:
        process = getattr(self._manager.provisioner, "process", None)
        status = process.poll() if process is not None else None
        if status is None:
            return "the kernel ended"
        return reason_of(-status if status < 0 else status << 8)

    async def _end(self) -> None:
        self._is_dead = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            self._client.stop_channels()
        try:
            await self._manager.shutdown_kernel(now=True)
        except Exception:
            log.warning("a foreign kernel could not be ended in order", exc_info=True)
        with contextlib.suppress(OSError):  # its manager leaves what another one wrote
            Path(self._manager.connection_file).unlink(missing_ok=True)  # noqa: ASYNC240
        self._gauge = None
        self._listener([Died(reason=self._reason)])
        self._gone()

    def _start(self, work: Callable[[], Awaitable[Any]]) -> None:
        async def guarded() -> None:
            try:
                await work()
            except Exception:
                log.warning("a foreign kernel did not do as it was told", exc_info=True)

        task = self._loop.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what it says

    async def _pump(
        self, receive: Callable[[], Awaitable[dict[str, Any]]], take: Callable[[dict[str, Any]], None]
    ) -> None:
        while True:
            try:
                take(await receive())
            except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
                # One message that is none must not end the reading of the others.
                log.warning("a message of a foreign kernel cannot be read: %s", error)

    def _emit(self, event: WorkerEvent) -> None:
        if not self._is_dead:
            self._listener([event])

    def _take_publication(self, message: dict[str, Any]) -> None:
        parent = str(message["parent_header"].get("msg_id", ""))
        msg_type, content = message["msg_type"], message["content"]
        if parent == self._probe:
            self._heard.set()
        if parent in self._unsure:
            if msg_type == Error.msg_type:
                self._unsure[parent] = f"{content['ename']}\n{content['evalue']}"
            elif msg_type == "status" and content["execution_state"] == "idle":
                self._settle_unsure(parent)
        if msg_type == "status":
            if content["execution_state"] == "idle" and parent in self._asked:
                self._idle.add(parent)
                self._settle(parent)
        elif (kind := _PUBLISHED.get(msg_type)) is not None:
            self._emit(
                Published(
                    parent=parent,
                    content=msgspec.convert(content, kind, strict=False),
                    metadata=message["metadata"],
                    buffers=tuple(bytes(buffer) for buffer in message["buffers"]),
                )
            )

    def _take_prompt(self, message: dict[str, Any]) -> None:
        if message["msg_type"] == InputRequest.msg_type:
            parent = str(message["parent_header"].get("msg_id", ""))
            self._emit(Published(parent=parent, content=msgspec.convert(message["content"], InputRequest)))

    def _take_reply(self, message: dict[str, Any]) -> None:
        parent = str(message["parent_header"].get("msg_id", ""))
        if parent == self._probe:
            self.description = msgspec.convert(message["content"], Description)
            self._probed.set()
        if parent not in self._asked:
            return
        try:
            self._replies[parent] = reply_of(message["msg_type"], message["content"])
        except (msgspec.ValidationError, KeyError) as error:
            self._replies[parent] = ErrorReply(ename="WorkerFailed", evalue=f"not a reply: {error}")
        reply, limit, self._limit = self._replies[parent], self._limit, ""
        if limit and isinstance(reply, ExecuteReply) and reply.status == "error":
            self._replies[parent] = msgspec.structs.replace(reply, ename="LimitReached", evalue=limit)
        self._settle(parent)
        if parent in self._asked:
            self._loop.call_later(IDLE_SECONDS, self._settle_at_last, parent)

    def _settle_at_last(self, parent: str) -> None:
        self._idle.add(parent)
        self._settle(parent)

    def _settle(self, parent: str) -> None:
        """Answer, once the reply is there and, for what runs code, all outputs are."""
        request, reply = self._asked.get(parent), self._replies.get(parent)
        if isinstance(request, _UNANSWERED) and parent in self._idle:
            reply = CommReply()
        has_to_be_idle = isinstance(request, ExecuteRequest)
        if request is not None and reply is not None and (parent in self._idle or not has_to_be_idle):
            del self._asked[parent]
            self._replies.pop(parent, None)
            self._idle.discard(parent)
            self._emit(Replied(parent=parent, content=reply))
        elif request is None:
            self._idle.discard(parent)


def reply_of(msg_type: str, content: dict[str, Any]) -> Content:
    """A foreign kernel's reply in our words.

    Raises:
        KeyError, msgspec.ValidationError: it is none.
    """
    if msg_type == ExecuteReply.msg_type:
        if content["status"] not in ("ok", "error"):
            content = {"status": "error", "ename": "RequestCancelled", "evalue": "dropped by the kernel"}
        count = content.get("execution_count") or 0
        return msgspec.convert(content | {"execution_count": count}, ExecuteReply, strict=False)
    if content.get("status") in ("error", "aborted"):
        evalue = str(content.get("evalue", ""))
        return ErrorReply(ename=str(content.get("ename", "RequestCancelled")), evalue=evalue)
    return msgspec.convert(content, CONTENT_TYPES[msg_type], strict=False)


class ForeignExecutor:
    """Makes workers of installed kernelspecs. Satisfies ``executors.ForeignExecutor``.

    Args:
        starter: starts the processes, so that they outlive this one. If there is none, Jupyter's library
            does, and they are to notice its end.
    """

    def __init__(self, starter: Starter | None = None) -> None:
        self._starter = starter
        self._workers: set[ForeignWorker] = set()
        self._paths: Callable[[str], list[str]] | None = None
        self._kernels: tuple[str, ...] = ()
        self._listed = -LISTED_SECONDS

    async def open(self) -> Sequence[Kept]:
        if importlib.util.find_spec("jupyter_client") is not None:
            paths = await asyncio.to_thread(importlib.import_module, "jupyter_core.paths")
            self._paths = lambda name: list(paths.jupyter_path(name))
        return ()

    async def resume(self, kept: Sequence[Kept]) -> Sequence[Kept]:
        if self._starter is None:
            return kept
        programs = self._starter.inherited()
        again = [
            one._replace(worker=await self._again(one.record.session, programs))
            if one.record.session.setting.kernel
            else one
            for one in kept
        ]
        for program in programs.values():
            program.kill()  # nobody can speak to it
        return again

    async def _again(self, session: Session, programs: dict[int, Program]) -> ForeignWorker | None:
        program = programs.get(session.pid)
        if session.worker != "ready" or program is None or self._starter is None:
            return None
        try:
            library = await _library()
            manager = library.manager_again(session.setting.kernel, session.uid, program, self._starter)
        except Exception as error:  # of jupyter_client, which may have changed
            log.warning("a kernel cannot be taken up again: %s", error)
            return None
        del programs[session.pid]
        worker = ForeignWorker(
            manager, session.setting, None, lambda: self._workers.discard(worker), earlier=session
        )
        self._workers.add(worker)
        return worker

    @property
    def kernels(self) -> tuple[str, ...]:
        if self._paths is not None and time.monotonic() - self._listed > LISTED_SECONDS:
            self._kernels = tuple(sorted(_installed(self._paths("kernels"))))
            self._listed = time.monotonic()
        return self._kernels

    @property
    def features(self) -> tuple[str, ...]:
        return ()

    @property
    def preloaded(self) -> tuple[Preloaded, ...]:
        return ()

    async def start(
        self,
        uid: SessionUID,
        listener: Listener,
        setting: Setting = PLAIN_SETTING,
        limits: SessionLimits = NO_LIMITS,
    ) -> ForeignWorker:
        try:
            library = await _library()
        except ImportError as error:
            raise WorkerFailed(f'other kernels need: pip install "antiphon[foreign]" ({error})') from error
        manager: AsyncKernelManager = library.manager_of(setting.kernel, uid, self._starter)
        worker = ForeignWorker(manager, setting, listener, lambda: self._workers.discard(worker))
        self._workers.add(worker)
        return worker

    def note(self, uid: SessionUID, *, starts: bool) -> None:
        return None

    async def close(self) -> None:
        lives = [worker.life for worker in self._workers if worker.life is not None]
        for worker in list(self._workers):
            worker.kill()
        if lives:
            await asyncio.wait(lives)


async def _library() -> Any:
    """What uses jupyter_client. It takes part of a second to import, and is not needed before."""
    return await asyncio.to_thread(importlib.import_module, f"{__package__}.spawned")


def _installed(directories: list[str]) -> set[str]:
    """Names of the kernelspecs in these directories, without those that lead back to us."""
    names = set()
    for directory in directories:
        with contextlib.suppress(OSError):
            for place in Path(directory).iterdir():
                with contextlib.suppress(OSError, ValueError):
                    spec = json.loads((place / "kernel.json").read_text(encoding="utf-8"))
                    if "antiphon_kernel.jupyter" not in spec.get("argv", ()):
                        names.add(place.name.lower())
    return names
