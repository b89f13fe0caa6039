"""The worker's end of its link.

Events are written by the thread that produced them, before it goes on: what was printed is in the
socket's buffer when ``print`` returns and outlives the process, and a reader that lags slows the
writer down. Requests are read by the main thread, in its event loop or, while the code waits for an
answer, right there.

Descriptors 1 and 2 are pipes that the executor reads. Before each frame the worker itself passes on
what it finds in them, so that ``print``, ``os.write(1, …)`` and a subprocess come out in the order in
which they were called. What they hold belongs to the request that ``begin`` named last, and so does
most of what is printed: that goes into the pipe of stdout too, at the cost of one system call, no
frame and no look at the pipes. What belongs to another request, or is long, or for stderr, is framed.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
import threading
from collections import deque
from typing import Literal

from IPython.core.error import StdinNotImplementedError

from ..link import (
    MAX_STREAM_CHARACTERS,
    Captured,
    FrameDecoder,
    Leaving,
    LinkEvent,
    Published,
    Replied,
    decode_request,
    encode_frame,
    encode_pieces,
    encode_stream,
)
from ..message import (
    AnswerRequest,
    Content,
    DisplayData,
    Error,
    ExecuteResult,
    InputRequest,
    Message,
    Metadata,
)
from .interrupts import Interrupts
from .process import flush_standard_streams
from .turn import Turn

READ_BYTES = 64 * 1024


class Connection:
    """Satisfies ``stage.Outlet``.

    Args:
        link: a connected, blocking stream socket.
        captured: descriptors to read, by the stream they are.
        turn: to read those and write the link.
        interrupts: held off while a frame is written.

    ``running`` is the msg_id of the latest request for execution, which ``begin`` announces.
    ``forked_status`` is that with which a process ends that the code forked, as Python's own would.
    """

    def __init__(
        self,
        link: socket.socket,
        captured: dict[Literal["stdout", "stderr"], int],
        turn: Turn,
        interrupts: Interrupts,
    ) -> None:
        self.requests: asyncio.Queue[Message] = asyncio.Queue()
        self.running = ""
        self._beginning = ""
        self._link = link
        self._decoder = FrameDecoder(decode_request)
        self._turn = turn
        self._interrupts = interrupts
        self._main = threading.get_ident()
        # Reentrant: a signal handler or a finaliser may print while its own thread is in here.
        self._lock = threading.RLock()
        self._sender = 0
        self._late: deque[bytes] = deque()
        self._is_forked = False
        self.forked_status = 0
        # Not descriptor 1 itself, which the code may close, or redirect and send to print again.
        self._stdout = os.dup(1)
        self._names = {descriptor: name for name, descriptor in captured.items()}
        self._poll = select.poll()
        for descriptor in self._names:
            self._poll.register(descriptor, select.POLLIN)
        os.register_at_fork(after_in_child=self._after_fork)

    # --- events

    def begin(self, request: str, *, at_once: bool) -> None:
        """From here on, what is in the pipes belongs to this request.

        Args:
            at_once: tell the executor now. Otherwise an event of the request must follow before any code
                runs, and takes the news along: each write wakes the executor, which costs as much as an
                empty cell.
        """
        with self._lock:
            self._beginning = request
            if at_once:
                self._send(b"")

    def stream(self, parent: str, name: Literal["stdout", "stderr"], text: str) -> None:
        if self._is_forked:
            stream = sys.__stdout__ if name == "stdout" else sys.__stderr__
            if stream is not None:
                stream.write(text)
            return
        if name == "stdout" and len(data := text.encode()) <= select.PIPE_BUF:
            with self._lock:
                if parent == self.running:
                    # All of it or, when an interrupt comes first, nothing.
                    os.write(self._stdout, data)
                    return
        for start in range(0, len(text), MAX_STREAM_CHARACTERS):
            self._send(encode_stream(parent, name, text[start : start + MAX_STREAM_CHARACTERS]))

    def flush(self) -> None:
        """Nothing waits, but in a process that the code forked, which writes by lines."""
        if self._is_forked:
            flush_standard_streams()

    def publish(
        self, parent: str, content: Content, metadata: Metadata | None = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        self.send(Published(parent=parent, content=content, metadata=metadata or {}, buffers=buffers))

    def reply(self, parent: str, content: Content) -> None:
        self.send(Replied(parent=parent, content=content))

    def send(self, event: LinkEvent) -> None:
        """Write an event.

        Raises:
            MessageTooLarge: the event is beyond the limit of a frame; nothing was written.
        """
        if self._is_forked:
            # A process that the session's code forked has no link; what it displays is shown as text.
            match event:
                case Published(parent=parent, content=DisplayData(data=data) | ExecuteResult(data=data)):
                    self.stream(parent, "stdout", f"{data.get('text/plain', '')}\n")
                case Published(parent=parent, content=Error(traceback=lines)):
                    self.stream(parent, "stderr", "\n".join(lines) + "\n")
                    self.forked_status = 1
            return
        self._send(*encode_pieces(event))

    def leave(self, reason: str) -> None:
        """Say why the process is about to end."""
        self.send(Leaving(reason=reason))

    def _send(self, *pieces: bytes) -> None:
        """Write a frame."""
        thread = threading.get_ident()
        if self._sender == thread:
            self._late.append(b"".join(pieces))
            return
        is_main = thread == self._main
        if is_main:
            self._interrupts.held += 1
        try:
            with self._lock:
                self._sender = thread
                try:
                    self._turn.take()
                    for descriptor, _ in self._poll.poll(0):
                        self._pass_on(descriptor)
                    first, *rest = pieces
                    self._link.sendall(self._begun() + first if self._beginning else first)
                    for piece in rest:
                        self._link.sendall(piece)
                    while self._late:
                        self._link.sendall(self._late.popleft())
                finally:
                    self._turn.end()
                    self._sender = 0
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)  # the daemon is gone, and with it everyone who could see or ask
        finally:
            if is_main:
                self._interrupts.held -= 1
        if is_main:
            self._interrupts.release()

    def _begun(self) -> bytes:
        self.running, self._beginning = self._beginning, ""
        return encode_frame(Captured(parent=self.running, name="stdout", data=b""))

    def _pass_on(self, descriptor: int) -> None:
        # One read: a pipe holds no more than this.
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            name = self._names[descriptor]
            self._link.sendall(encode_frame(Captured(parent=self.running, name=name, data=data)))
        else:
            self._poll.unregister(descriptor)  # the code closed descriptor 1 or 2

    # --- requests

    def receive(self) -> None:
        """Take what is on the link. Call when it is readable."""
        self._interrupts.held += 1
        try:
            data = self._link.recv(READ_BYTES, socket.MSG_DONTWAIT)
            if not data:
                os._exit(0)
            for request in self._decoder.receive(data):
                self.requests.put_nowait(request)
        except BlockingIOError:
            pass
        except ConnectionResetError:
            os._exit(0)
        finally:
            self._interrupts.held -= 1
        self._interrupts.release()

    def ask(self, parent: str, prompt: InputRequest) -> str:
        if self._is_forked:
            raise StdinNotImplementedError("input() can only be called in the session's own process.")
        # Requests that arrived before the prompt are not its answer.
        waiting = [self.requests.get_nowait() for _ in range(self.requests.qsize())]
        self.publish(parent, prompt)
        try:
            while True:
                select.select([self._link], [], [])
                self.receive()
                while not self.requests.empty():
                    request = self.requests.get_nowait()
                    if isinstance(request.content, AnswerRequest):
                        return request.content.value
                    waiting.append(request)
        finally:
            waiting += [self.requests.get_nowait() for _ in range(self.requests.qsize())]
            for request in waiting:
                self.requests.put_nowait(request)

    # --- fork

    def _after_fork(self) -> None:
        # A process that the code forked (multiprocessing does) must not write into our frames, nor
        # hold the link open when we are gone. Its output goes to descriptors 1 and 2.
        self._is_forked = True
        self._link.close()
        self._turn.close()
        for descriptor in (self._stdout, *self._names):
            os.close(descriptor)
