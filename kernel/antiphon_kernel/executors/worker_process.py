"""The daemon's hold on one worker process.

Nothing here blocks: sockets and pipes are read when they are ready and a bounded amount at a time,
so that a session that floods gets its turn and no more, and its own writes wait meanwhile.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import select
import signal
import socket
from collections import deque
from collections.abc import Callable
from typing import Literal

from ..errors import KernelError, ProtocolError
from ..ledger import Ledger, Record
from ..link import (
    Captured,
    Died,
    FrameDecoder,
    Leaving,
    LinkEvent,
    Published,
    Replied,
    Stop,
    WorkerEvent,
    decode_event,
    encode_frame,
)
from ..message import (
    NO_LIMITS,
    DebugRequest,
    ErrorReply,
    ExecuteInput,
    ExecuteRequest,
    Header,
    Message,
    Stream,
)
from ..session import MAIN, Session
from ..worker.process import Gauge
from ..worker.turn import Turn
from . import Listener, Usage
from .deaths import KILLED, reason_of

READ_BYTES = 64 * 1024
"""Read from one source in one turn of the event loop."""

LONG_READ_BYTES = 1024 * 1024
"""Read from the link in one turn within a long frame. In portions of the other size most of the time of a
large display would go into waiting for each other."""

REST_SECONDS = 0.002
"""Between two portions from one pipe. Code that prints line by line would else be woken, and a
publication made, every few lines; the first line after a rest is heard at once, and a reply, which
comes on the link, is never held up."""

MAX_UNSENT_BYTES = 64 * 1024 * 1024
"""Requests that wait for a worker to read them. Beyond it, requests are refused."""

WHOLE_BYTES = 16 * 1024
"""What Linux puts into a socket as a whole or not at all, with room to spare: it is one buffer of the
system's (``unix_stream_sendmsg``). Who is killed while sending has not sent half of it."""

MAX_LAST_WORDS_BYTES = 4 * 1024 * 1024
"""Read from one source of a dead worker. Its own words end; a child that it left behind may go on
writing into the pipes."""

LEAVE_SECONDS = 5.0
"""Between a worker's last word, or the end of its link, and its end. Then it is killed."""

REPORT_SECONDS = 1.0
"""Between the end of a process and the zygote's report of how."""

_WHOLE_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9

StreamName = Literal["stdout", "stderr"]


class WorkerProcess:
    """Satisfies ``Worker``.

    Args:
        link: our end of the connection.
        pipes: the read ends of the pipes behind the worker's descriptors 1 and 2.
        turn: to read those.
        pid, pidfd: the process.
        ledger: for what the next daemon must know. The worker's until a session has it.
        on_death: called once, with this object.
        earlier: what another daemon, which was killed, noted of this worker.
    """

    description = None

    def __init__(
        self,
        link: socket.socket,
        pipes: dict[StreamName, int],
        turn: Turn,
        *,
        pid: int,
        pidfd: int,
        ledger: Ledger,
        on_death: Callable[[WorkerProcess], None],
        earlier: Record | None = None,
    ) -> None:
        self.pid = pid
        self.limits = NO_LIMITS if earlier is None else earlier.session.limits  # to name one that ended it
        self.ledger = ledger
        self._pidfd = pidfd
        self._gauge = Gauge(pid)
        self._link = link
        self._pipes = dict(pipes)
        self._turn = turn
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._events: list[WorkerEvent] = []
        self._decoder = FrameDecoder(decode_event, resume=earlier is not None)
        self._text = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in pipes}
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._executing: dict[str, None] = {}  # msg_ids, oldest first: the first one is running
        self._is_read_at_once = False
        self._captured_parent = ""  # the request that what is in the pipes belongs to
        self._is_earlier = earlier is not None
        if earlier is not None:
            self._executing |= dict.fromkeys(_executing(earlier.session))
            self._captured_parent = earlier.captured
        self._reason = ""
        self._is_lost = False
        self.gone = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        link.setblocking(False)
        for descriptor in pipes.values():
            os.set_blocking(descriptor, False)
        self._loop.add_reader(pidfd, self._on_end)
        if earlier is None:
            self._begin_reading()

    @property
    def is_dead(self) -> bool:
        return self.gone.is_set()

    def listen(self, listener: Listener) -> None:
        """Give events, those that have come already included, to a listener."""
        is_first, self._listener = self._listener is None, listener
        if is_first and self._is_earlier and not self.is_dead:
            self._begin_reading()
        if self._events:
            self._loop.call_soon(self._deliver)

    def _begin_reading(self) -> None:
        # Of a session's worker not before somebody listens: what was read and is published nowhere yet would
        # be lost with this daemon.
        self._loop.add_reader(self._link, self._on_link)
        for name in self._pipes:
            self._listen_to(name)

    # --- Worker

    def send(self, request: Message) -> None:
        if self.is_dead:
            return
        parent = request.header.msg_id
        try:
            frame = encode_frame(request)
        except (KernelError, TypeError, ValueError, OverflowError) as error:
            self._refuse(parent, "MalformedMessage", f"the request cannot be handed on: {error}")
            return
        if self._unsent_bytes + len(frame) > MAX_UNSENT_BYTES:
            waiting = f"{self._unsent_bytes} bytes of requests wait for the worker; limit {MAX_UNSENT_BYTES}"
            self._refuse(parent, "QueueFull", waiting)
            return
        name = request.header.subshell_id
        if isinstance(request.content, ExecuteRequest) and not name:
            self._executing[parent] = None
        if len(frame) > WHOLE_BYTES:
            self.ledger.tell_in_parts()
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)
        if len(self._unsent) == 1:
            self._on_writable()
            if self._unsent:
                self._loop.add_writer(self._link, self._on_writable)
        if (name or isinstance(request.content, DebugRequest)) and not self._is_read_at_once:
            # The worker's main thread may be busy, for hours; this makes it start one that reads.
            self._is_read_at_once = True
            self._signal(signal.SIGURG)

    def _refuse(self, parent: str, ename: str, evalue: str) -> None:
        if not self._unsent:
            self.ledger.told()
        self._events.append(Replied(parent=parent, content=ErrorReply(ename=ename, evalue=evalue)))
        self._loop.call_soon(self._deliver)

    def interrupt(self) -> None:
        """The main line; a subshell is interrupted by a request, on the link."""
        if self._executing:
            self._signal_group(signal.SIGINT)
        else:
            # Only background tasks can be running; a server started from a cell goes on.
            self._signal(signal.SIGINT)

    def stop(self, reason: str, line: str = "") -> None:
        if line:
            header = Header(msg_id=Stop.msg_type, msg_type=Stop.msg_type, subshell_id=line)
            self.send(Message(header=header, content=Stop(reason=reason)))
            return
        self._turn.leave_word(reason)
        self._signal_group(signal.SIGXCPU)

    def kill(self) -> None:
        self._end(KILLED)

    def usage(self) -> Usage:
        return Usage() if self.is_dead else Usage(*self._gauge.read())

    # --- signals

    def _signal(self, number: signal.Signals, flags: int = 0) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number, None, flags)

    def _signal_group(self, number: signal.Signals) -> None:
        if self.is_dead:
            return
        try:
            self._signal(number, _WHOLE_GROUP)
        except OSError:  # an older kernel: the pid is the worker's as long as its pidfd says it lives
            if not select.select([self._pidfd], [], [], 0)[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)

    def _end(self, reason: str) -> None:
        # The zygote ends what the process leaves behind, when it reaps it.
        if not self.is_dead:
            self._reason = self._reason or reason
            self._signal(signal.SIGKILL)

    def _end_soon(self, reason: str) -> None:
        if self._deadline is None:
            self._deadline = self._loop.call_later(LEAVE_SECONDS, self._end, reason)

    # --- writing

    def _on_writable(self) -> None:
        try:
            while self._unsent:
                frame = self._unsent[0]
                sent = self._link.send(frame)
                self._unsent_bytes -= sent
                if sent < len(frame):
                    self._unsent[0] = frame[sent:]
                    return
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:  # the worker is gone; that is told elsewhere
            self._unsent.clear()
            self._unsent_bytes = 0
        self._loop.remove_writer(self._link)
        self.ledger.told()

    # --- reading

    def _on_link(self) -> None:
        self.ledger.hear()
        self._read_link()
        self._deliver()

    def _read_link(self) -> bool:
        """Take one portion; tells whether there may be more."""
        try:
            if (room := self._decoder.room()) is not None:
                with room, room[:LONG_READ_BYTES] as portion:
                    wanted, size = len(portion), self._link.recv_into(portion)
                events = self._decoder.filled(size)
            else:
                data = self._link.recv(READ_BYTES)
                wanted, size = READ_BYTES, len(data)
                events = self._decoder.receive(data)
        except BlockingIOError:
            return False
        except OSError:
            size = 0
        if not size:
            self._loop.remove_reader(self._link)
            self._end_soon("it closed its connection to the kernel")
            return False
        try:
            for event in events:
                self._take(event)
        except ProtocolError as error:
            self._loop.remove_reader(self._link)
            self._end(f"it sent what is not the protocol: {error}")
            return False
        return size == wanted

    def _take(self, event: LinkEvent) -> None:
        match event:
            case Captured(parent=parent, name=name, data=data):
                self._capture_for(parent)
                self._captured(name, data)
            case Leaving(reason=reason):
                self._reason = self._reason or reason
                self._end_soon(reason)
            case Replied(parent=parent):
                self._executing.pop(parent, None)
                self._events.append(event)
            case Published(parent=parent, content=ExecuteInput()) if parent in self._executing:
                self._capture_for(parent)
                self._events.append(event)
            case _:
                self._events.append(event)

    def _capture_for(self, parent: str) -> None:
        """From here on, what is in the pipes belongs to this request."""
        if parent != self._captured_parent:
            self._captured_parent = parent
            self.ledger.capture(parent)

    def _on_pipe(self, name: StreamName) -> None:
        # What the worker wrote to its link before it wrote to the pipe comes first. The other order
        # needs no care here: the worker passes on what is in its pipes before it writes to the link.
        if not self._turn.take_at_once():
            self._rest(name)
            return
        self.ledger.hear()
        try:
            size = 0 if self._read_link() else self._read_pipe(name)
        finally:
            self._turn.end()
        if 0 < size < READ_BYTES:
            self._rest(name)
        self._deliver()

    def _rest(self, name: StreamName) -> None:
        self._loop.remove_reader(self._pipes[name])
        self._loop.call_later(REST_SECONDS, self._listen_to, name)

    def _listen_to(self, name: StreamName) -> None:
        if not self.is_dead:
            self._loop.add_reader(self._pipes[name], self._on_pipe, name)

    def _read_pipe(self, name: StreamName) -> int:
        descriptor = self._pipes[name]
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return 0  # the worker itself was quicker
        if not data:
            self._loop.remove_reader(descriptor)
        self._captured(name, data)
        return len(data)

    def _captured(self, name: StreamName, data: bytes, *, final: bool = False) -> None:
        if text := self._text[name].decode(data, final):
            content = Stream(name=name, text=text)
            self._events.append(Published(parent=self._captured_parent, content=content))

    def _deliver(self) -> None:
        if self._events:
            if self._listener is None:
                return
            events, self._events = self._events, []
            self._listener(events)
        unfinished = self._decoder.unfinished > 0 or any(text.getstate()[0] for text in self._text.values())
        self.ledger.heard(unfinished=unfinished)

    # --- the end

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if self._is_lost:
            self.ended(None)
        else:
            self._loop.call_later(REPORT_SECONDS, self.ended, None)

    def lose(self, reason: str) -> None:
        """The zygote has ended: nobody will report how this process ends, which it does now."""
        self._is_lost = True
        self._end(reason)
        if select.select([self._pidfd], [], [], 0)[0]:
            self.ended(None)

    def ended(self, status: int | None) -> None:
        """The process has ended: pass on its last words and say how it died.

        Args:
            status: of ``waitpid``, or nothing if nobody can tell.
        """
        if self.is_dead:
            return
        self.gone.set()
        self.ledger.hear()
        for _ in range(0, MAX_LAST_WORDS_BYTES, READ_BYTES):
            if not self._read_link():
                break
        for name in self._pipes:
            for _ in range(0, MAX_LAST_WORDS_BYTES, READ_BYTES):
                if not self._read_pipe(name):
                    break
            self._captured(name, b"", final=True)
        told = (
            reason_of(status, self.limits)
            if status is not None
            else "its process ended, and nobody could tell how"
        )
        self._events.append(Died(reason=self._reason or told))
        self._release()
        self._deliver()
        self._on_death(self)

    def _release(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._loop.remove_writer(self._link)
        for descriptor in (self._link.fileno(), *self._pipes.values(), self._pidfd):
            self._loop.remove_reader(descriptor)
        self._link.close()
        self._turn.close()
        for descriptor in (*self._pipes.values(), self._pidfd):
            os.close(descriptor)
        if not self.ledger.is_used:
            self.ledger.close()


def _executing(session: Session) -> list[str]:
    """The request for execution that the worker has for the main line and has not answered, if any."""
    running = session.lines[MAIN].running
    if running is None or not isinstance(running.content, ExecuteRequest):
        return []
    return [running.header.msg_id]
