"""One session, served to Jupyter's clients on five sockets.

It is a client of the kernel like any other: requests go through a ``KernelClient``, outputs come from
the session's feed. So it is the same for a session of this process and for one of a running daemon.

Every request is wrapped in busy and idle on iopub. Of what runs code the session itself tells both;
of the rest they are told here. A page takes the latest status for the kernel's, whoever's it is, so an
idle that comes while code runs is followed by that run's busy once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple

from ..client import Batch, KernelClient
from ..codec import DEFAULT_LIMITS, Frames, Limits
from ..errors import KernelError, NoPrompt, RequestError, SessionClosed
from ..message import (
    ASIDE,
    AnswerRequest,
    CloseSessionRequest,
    CompleteRequest,
    ConnectionFile,
    Content,
    Error,
    ExecuteReply,
    InputAnswered,
    InputRequest,
    InspectRequest,
    InterruptRequest,
    Message,
    RestartSessionRequest,
    SessionUID,
    Status,
)
from ..message import Header as NativeHeader
from ..transports.jupyter import Channel, Context, JupyterSockets
from . import wire, words
from .joining import JOIN_SECONDS, Joiner
from .usage import Meter
from .wire import Request, Signer

log = logging.getLogger(__name__)

REQUESTS_REMEMBERED = 1024
"""Requests whose late output still finds the header that its client sent."""

ASIDE_SECONDS = 0.2
"""For which the main line has to be busy before those who type are answered beside it. A program that sends
a run and at once asks for completions means those that there are after the run."""

FLUSH_SECONDS = 1.0
"""For the last publications, when it ends."""

RESUME_SECONDS = 5.0
"""For those who listened to a daemon that was killed to come back, before the next one tells them more."""

Ending = Literal["shutdown", "restart", "exit", "dead", "closed", "lost"]
"""Why it ended: a client's order (two), the code's own, the worker's death, the session's end, the
daemon's."""

_RENEWABLE = ("restart", "exit", "dead")
"""After these the session is still there, for a new worker."""


class _Asked(NamedTuple):
    """A request that was taken: who sent it, and the header that stands on all that it leads to."""

    identities: Frames
    header: bytes
    msg_type: str


class _Running(NamedTuple):
    """What runs code: the header on what it leads to, whether it is in the main line, since when."""

    header: bytes
    is_main: bool
    since: float


class JupyterFront:
    """Serves a session: ``async with JupyterFront(...) as front: await front.ended()``.

    Args:
        client: opened; it outlives this.
        uid: the session.
        file: addresses and key. Ports that are 0 are chosen; ``connection`` has them.
        owner: the session is this front's alone, and a life of its worker is that of a kernel. A
            shutdown, a restart and the worker's death end the kernel; what becomes of the session is for
            who made this to do. Otherwise a client's shutdown closes the session, and its restart
            restarts it in place.
        since: the publication after which an owner's clients hear all.
        context: of the sockets, if they share one.
    """

    def __init__(
        self,
        client: KernelClient,
        uid: SessionUID,
        file: ConnectionFile,
        *,
        owner: bool,
        since: int = 0,
        limits: Limits = DEFAULT_LIMITS,
        context: Context | None = None,
    ) -> None:
        self._client = client
        self._uid = uid
        self._file = file
        self._owner = owner
        self._since = since
        self._listened_to = asyncio.Event()
        self._limits = limits
        self._signer = Signer(file.key.encode(), file.signature_scheme)
        self._session = ""
        self._asked: dict[str, _Asked] = {}
        self._told: dict[str, asyncio.Event] = {}  # by msg_id of what runs: its outputs have gone out
        self._busy: dict[str, _Running] = {}  # what runs, by msg_id
        self._prompts: dict[str, None] = {}  # open ones, by msg_id, oldest first
        self._meter = Meter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.renew()
        ports = {
            "shell": file.shell_port,
            "control": file.control_port,
            "stdin": file.stdin_port,
            "iopub": file.iopub_port,
            "hb": file.hb_port,
        }
        self._sockets = JupyterSockets(
            {channel: file.endpoint(port) for channel, port in ports.items()},
            take=self._take,
            subscribed=self._welcome,
            limits=limits,
            context=context,
        )

    @property
    def connection(self) -> ConnectionFile:
        """The connection file that leads here, once it is open."""
        ports = {
            f"{channel}_port": int(address.rpartition("-" if self._file.transport == "ipc" else ":")[2])
            for channel, address in self._sockets.endpoints.items()
        }
        return ConnectionFile(
            transport=self._file.transport,
            ip=self._file.ip,
            key=self._file.key,
            signature_scheme=self._file.signature_scheme,
            kernel_name=self._file.kernel_name or "antiphon",
            **ports,
        )

    def open(self) -> None:
        """Bind the sockets and serve. ``close`` must follow.

        Raises:
            OSError: an address is taken.
        """
        self._sockets.__enter__()
        self._start(self._follow())

    async def close(self) -> None:
        """Let go of everything."""
        self.end("closed")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FLUSH_SECONDS)
        self._sockets.close()

    async def __aenter__(self) -> JupyterFront:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ended(self) -> Ending:
        """Wait for the kernel's end. After a restart or the worker's death it can begin anew."""
        return await asyncio.shield(self._end)

    async def over(self) -> Ending:
        """Wait for an end after which nothing begins anew."""
        return await asyncio.shield(self._over)

    @property
    def has_ended(self) -> bool:
        """Whether the kernel has ended."""
        return self._end.done()

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self._over.done()

    def end(self, ending: Ending) -> None:
        """End, if it has not ended yet."""
        if not self._end.done():
            self._end.set_result(ending)
        if not self._over.done() and ending not in _RENEWABLE:
            self._over.set_result(ending)

    def renew(self) -> None:
        """Be a kernel, from here on a new one: the session has a new worker."""
        self._end: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        # A new one for each life of the kernel, as Jupyter wants it. The UID itself is a right.
        self._session = secrets.token_hex(16)

    def interrupt(self) -> None:
        """Interrupt the session, as SIGINT asks."""
        self._start(self._tell(InterruptRequest()))

    # --- Requests -----------------------------------------------------------------------------

    def _take(self, channel: Channel, frames: Frames) -> None:
        try:
            request = wire.decode(frames, self._signer, self._limits)
        except KernelError as error:
            # Nothing of it can be believed, so nobody can be answered.
            log.warning("a message on %s was refused: %s (%s)", channel, error.reason, error.field)
            return
        if request.header.msg_type == "input_reply" and channel == "stdin":
            self._answer(request)
        elif request.header.msg_type == "shutdown_request" and channel != "stdin":
            self._start(self._shut_down(channel, self._remember(request), request))
        elif request.header.msg_type == "usage_request" and channel != "stdin":
            self._start(self._ask(channel, self._remember(request), self._usage()))
        elif request.header.msg_type == "kernel_info_request" and channel != "stdin":
            self._start(self._ask(channel, self._remember(request), self._kernel_info()))
        elif words.is_known(request.header.msg_type) and channel != "stdin":
            self._submit(channel, request)
        else:
            log.info("%s is not answered on %s", request.header.msg_type[:80], channel)

    def _remember(self, request: Request) -> _Asked:
        asked = _Asked(request.identities, request.raw_header, request.header.msg_type)
        self._asked[request.header.msg_id] = asked
        if len(self._asked) > REQUESTS_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return asked

    def _submit(self, channel: Channel, request: Request) -> None:
        """Hand over a request now, in the order in which it came; answer it when its reply is there."""
        asked = self._remember(request)
        msg_id = request.header.msg_id
        try:
            content = words.request(asked.msg_type, request.content)
            reply = self._client.submit(
                self._uid,
                content,
                subshell_id=request.header.subshell_id or self._line_for(content),
                msg_id=msg_id,
                username=request.header.username,
                metadata=request.metadata,
                buffers=request.buffers,
            )
        except KernelError as error:
            self._start(self._refuse(channel, asked, error))
        else:
            if isinstance(content, words.STATED):
                self._told[msg_id] = asyncio.Event()
                self._start(self._run(channel, asked, reply, msg_id))
            else:
                self._start(self._ask(channel, asked, reply))

    def _line_for(self, content: Content) -> str:
        """Where a request without a subshell goes: to the main line, but who types does not wait for it."""
        if not isinstance(content, CompleteRequest | InspectRequest):
            return ""
        begun = asyncio.get_running_loop().time() - ASIDE_SECONDS
        return ASIDE if any(run.is_main and run.since <= begun for run in self._busy.values()) else ""

    async def _kernel_info(self) -> Content:
        try:
            # No deadline: what another kernel is, is known when it has started, and for that it has one.
            return await self._client.kernel_info(self._uid, timeout=None)
        except RequestError:  # it is over; a client may still ask
            return await self._client.kernel_info()

    async def _usage(self) -> dict[str, Any]:
        return self._meter.reply(await self._client.session_info(self._uid))

    async def _ask(
        self, channel: Channel, asked: _Asked, reply: Awaitable[Content] | Awaitable[dict[str, Any]]
    ) -> None:
        """A request that runs no code of the session."""
        await self._state("busy", asked.header)
        try:
            content = words.reply(await reply)
        except KernelError as error:
            content = words.error_of(error)
        self._reply(channel, asked, content)
        await self._idle(asked)

    async def _run(self, channel: Channel, asked: _Asked, reply: Awaitable[Content], msg_id: str) -> None:
        """A request that runs code: the feed tells busy, outputs and idle.

        Its outputs go out before its reply. That is Jupyter's order, and nbclient, which sends on the
        shell socket what outputs make of its widgets, can miss a reply that comes meanwhile.
        """
        try:
            content = await reply
        except KernelError as error:
            await self._refuse(channel, asked, error)
        else:
            if isinstance(content, ExecuteReply):
                with contextlib.suppress(TimeoutError):  # it may be lost from the feed
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._told[msg_id].wait()
            self._reply(channel, asked, words.reply(content))
        finally:
            self._told.pop(msg_id, None)

    async def _refuse(self, channel: Channel, asked: _Asked, error: KernelError) -> None:
        await self._state("busy", asked.header)
        self._reply(channel, asked, words.error_of(error))
        await self._idle(asked)

    def _reply(self, channel: Channel, asked: _Asked, content: Any) -> None:
        if asked.msg_type.startswith("comm_") and asked.msg_type != "comm_info_request":
            return
        header = self._header(words.reply_type(asked.msg_type))
        self._sockets.send(
            channel, wire.encode(asked.identities, self._signer, header, content, parent=asked.header)
        )

    async def _shut_down(self, channel: Channel, asked: _Asked, request: Request) -> None:
        await self._state("busy", asked.header)
        try:
            restart = bool(words.read(words.ShutdownRequest, request.content).restart)
            if not self._owner:
                order = RestartSessionRequest() if restart else CloseSessionRequest()
                await self._client.submit(self._uid, order, username=request.header.username)
        except SessionClosed:
            pass  # it is what was asked for
        except KernelError as error:
            self._reply(channel, asked, words.error_of(error))
            await self._idle(asked)
            return
        content = {"status": "ok", "restart": restart}
        self._reply(channel, asked, content)
        header = self._header("shutdown_reply")
        await self._publish("shutdown_reply", header, content, parent=asked.header)
        await self._idle(asked)
        if self._owner or not restart:
            self.end("restart" if restart else "shutdown")

    def _answer(self, request: Request) -> None:
        """A person's answer. A client need not say for which prompt it is: then for the latest open one."""
        try:
            value = words.read(words.InputReply, request.content).value
        except KernelError as error:
            log.warning("an input_reply was refused: %s", error.reason)
            return
        prompt = request.parent if request.parent in self._prompts else next(reversed(self._prompts), "")
        if prompt:
            del self._prompts[prompt]
            self._start(self._tell(AnswerRequest(prompt=prompt, value=value), request.header.username))

    async def _tell(self, content: Content, username: str = "") -> None:
        """A request whose reply nobody waits for."""
        try:
            await self._client.submit(self._uid, content, username=username)
        except NoPrompt:
            pass  # given up meanwhile, or somebody else was first
        except KernelError as error:
            log.warning("%s: %s", content.msg_type, error.reason)

    # --- The feed -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        if self._since:
            with contextlib.suppress(TimeoutError):  # nobody may listen
                async with asyncio.timeout(RESUME_SECONDS):
                    await self._listened_to.wait()
        since = self._since if self._owner else (await self._client.session_info(self._uid)).latest
        try:
            async with contextlib.aclosing(self._client.follow(self._uid, since)) as batches:
                await self._follow_batches(batches)
        except SessionClosed:
            self.end("closed")
        except KernelError as error:
            log.error("the session can be followed no longer: %s", error.reason)
            self.end("lost")
        else:
            self.end("closed")

    async def _follow_batches(self, batches: AsyncGenerator[Batch, None]) -> None:
        joiner = Joiner()
        try:
            while (batch := await self._next(batches, joiner)) is not None:
                if batch.gone:
                    first, last = batch.gone
                    text = f"[publications {first} to {last} of the session are lost: they came too fast]\n"
                    await self._publish_all(joiner.release())
                    await self._publish("stream", self._header("stream"), {"name": "stderr", "text": text})
                for publication in batch.publications:
                    await self._publish_all(joiner.take(publication))
        finally:
            await self._publish_all(joiner.release())

    async def _next(self, batches: AsyncGenerator[Batch, None], joiner: Joiner) -> Batch | None:
        """The next batch. What is held is sent if that does not come soon."""
        coming = asyncio.ensure_future(anext(batches, None))
        try:
            if joiner.is_holding and not (await asyncio.wait((coming,), timeout=JOIN_SECONDS))[0]:
                await self._publish_all(joiner.release())
            return await coming
        finally:
            coming.cancel()

    async def _publish_all(self, publications: list[Message]) -> None:
        for publication in publications:
            await self._published(publication)

    async def _published(self, publication: Message) -> None:
        content, parent = publication.content, publication.parent_header
        asked = self._asked.get(parent.msg_id) if parent is not None else None
        of_a_run = parent is not None and parent.msg_id in self._busy
        match content:
            case InputRequest():
                self._prompt_for(publication, content, asked)
            case InputAnswered(prompt=prompt):
                self._prompts.pop(prompt, None)
            case ExecuteReply() if parent is not None:
                await self._outcome(content, parent, asked)
                if parent.msg_id in self._told:
                    self._told[parent.msg_id].set()
            case Status(execution_state="busy") if parent is not None:
                if parent.msg_id not in self._busy:
                    now = asyncio.get_running_loop().time()
                    running = _Running(self._parent(parent, asked), not parent.subshell_id, now)
                    self._busy[parent.msg_id] = running
            case Status(execution_state="idle") if parent is not None:
                self._busy.pop(parent.msg_id, None)
            case Status(execution_state="dead" | "restarting" | "closed"):
                await self._all_idle()
        if self._owner and isinstance(content, Status) and content.execution_state != "busy" and not of_a_run:
            await self._life(content)
        elif (words_of_it := words.published(content)) is not None:
            header = publication.header
            await self._publish(
                header.msg_type,
                wire.header(header.msg_id, header.msg_type, self._session, header.username, header.date),
                words_of_it,
                parent=self._parent(parent, asked),
                metadata=publication.metadata,
                buffers=publication.buffers,
            )

    async def _life(self, content: Status) -> None:
        """The life of a worker is that of a kernel, and a kernel tells only that it starts. That it is there
        its first reply tells; of its end those hear from whoever started it, and starts another."""
        match content:
            case Status(execution_state="starting" | "restarting"):
                await self._state("starting", wire.EMPTY)
            case Status(execution_state="dead", reason="ended by exit()"):
                self.end("exit")
            case Status(execution_state="dead", reason=reason):
                log.warning("the session ended: %s", reason)
                self.end("dead")

    async def _outcome(self, content: ExecuteReply, parent: NativeHeader, asked: _Asked | None) -> None:
        """The published answer to a run: iopub has no word for it, but it may have to say more."""
        if content.ename == "SessionDead":
            traceback = (f"{content.ename}: {content.evalue}",)
            error = Error(ename=content.ename, evalue=content.evalue, traceback=traceback)
            await self._publish("error", self._header("error"), error, parent=self._parent(parent, asked))
        if parent.msg_id not in self._busy and asked is not None:
            await self._state("busy", asked.header)  # it never ran
            await self._idle(asked)

    def _prompt_for(self, publication: Message, content: InputRequest, asked: _Asked | None) -> None:
        """Ask the client that sent the code, and nobody else: so it is in Jupyter."""
        if asked is None:
            return
        msg_id = publication.header.msg_id
        self._prompts[msg_id] = None
        header = wire.header(msg_id, "input_request", self._session, "antiphon", publication.header.date)
        self._sockets.send(
            "stdin", wire.encode(asked.identities, self._signer, header, content, parent=asked.header)
        )

    def _parent(self, parent: NativeHeader | None, asked: _Asked | None) -> bytes:
        if asked is not None:
            return asked.header
        if parent is None:
            return wire.EMPTY
        return wire.header(parent.msg_id, parent.msg_type, self._session, parent.username, parent.date)

    # --- iopub --------------------------------------------------------------------------------

    def _welcome(self, topic: bytes) -> None:
        self._listened_to.set()
        content = {"subscription": topic.decode("utf-8", "replace")}
        header = self._header("iopub_welcome")
        # Under the topic that was subscribed to, so that this subscriber hears it.
        self._start(self._sockets.publish(wire.encode([topic], self._signer, header, content)))

    async def _state(self, state: str, parent: bytes) -> None:
        await self._publish("status", self._header("status"), words.status(state), parent=parent)

    async def _idle(self, asked: _Asked) -> None:
        await self._state("idle", asked.header)
        for running in list(self._busy.values()):
            await self._state("busy", running.header)

    async def _all_idle(self) -> None:
        """The worker is gone, and with it what would have told the end of these."""
        busy, self._busy = self._busy, {}
        for running in busy.values():
            await self._state("idle", running.header)

    async def _publish(
        self,
        msg_type: str,
        header: bytes,
        content: Any,
        *,
        parent: bytes = wire.EMPTY,
        metadata: dict[str, Any] | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> None:
        topic = f"kernel.{self._session}.{msg_type}".encode()
        await self._sockets.publish(
            wire.encode(
                [topic], self._signer, header, content, parent=parent, metadata=metadata, buffers=buffers
            )
        )

    def _header(self, msg_type: str) -> bytes:
        date = datetime.now(UTC).isoformat()
        return wire.header(secrets.token_hex(16), msg_type, self._session, "antiphon", date)

    # --- Tasks --------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("serving a Jupyter client failed", exc_info=error)
