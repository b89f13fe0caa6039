"""The worker's end of its link.

Events are written by the thread that produced them, before it goes on: what was printed is in the
socket's buffer when ``print`` returns and outlives the process, and a reader that lags slows the
writer down. Requests are read by the main thread in its event loop, which costs nothing extra. Once
something must be read while that thread is busy (a request for a subshell, the answer to a prompt), a
thread does it from there on.

Descriptors 1 and 2 are pipes that the executor reads. Before each frame the worker itself passes on
what it finds in them, so that ``print``, ``os.write(1, …)`` and a subprocess come out in the order in
which they were called. What they hold belongs to the request that ``begin`` named last, and so does
most of what is printed: that goes into the pipe of stdout too, at the cost of one system call, no
frame and no look at the pipes. What belongs to another request, or is long, or for stderr, is framed.
"""

from __future__ import annotations

import _thread
import mmap
import os
import queue
import select
import signal
import socket
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal

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
    Content,
    DisplayData,
    Error,
    ExecuteInput,
    ExecuteResult,
    InputRequest,
    Message,
    Metadata,
)
from .debugpy import hide
from .process import flush_standard_streams
from .turn import Turn

READ_BYTES = 64 * 1024

_start_new_thread = _thread.start_new_thread
"""Not the stage's or debugpy's, which put their own in this place."""

_NO_HOLD = nullcontext()


class Connection:
    """Satisfies ``stage.Outlet``.

    Args:
        link: a connected, blocking stream socket.
        captured: descriptors to read, by the stream they are.
        turn: to read those and write the link.
        hold: of the main thread, around what an interrupt must not cut short.
        deliver: called with each request, by the thread that reads.

    ``running`` is the msg_id of the request that the pipes belong to, which ``begin`` announces.
    ``forked_status`` is that with which a process ends that the code forked, as Python's own would.
    """

    def __init__(
        self,
        link: socket.socket,
        captured: dict[Literal["stdout", "stderr"], int],
        turn: Turn,
        hold: AbstractContextManager[Any],
        deliver: Callable[[Message], None],
    ) -> None:
        self.running = ""
        self._beginning = ""
        self._is_main_running = False
        self._link = link
        # Taken once: code may have used up the memory, or forbidden itself more, when the next request comes.
        # Of a mapping only the pages that are read into count.
        self._room = mmap.mmap(-1, READ_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._decoder = FrameDecoder(decode_request)
        self._turn = turn
        self._deliver = deliver
        self._reading = threading.Lock()
        self._stop_reading_here: Callable[[], object] | None = None
        self._is_read_in_thread = threading.Event()
        self._holds: dict[int, AbstractContextManager[Any]] = {}
        self._answers: dict[int, queue.SimpleQueue[str | None]] = {}
        self._asked: dict[str, InputRequest] = {}
        self.add_thread(hold)
        # Reentrant: a signal handler or a finaliser may print while its own thread is in here.
        self._lock = threading.RLock()
        self._sender = 0
        self._late: deque[bytes] = deque()
        self._is_forked = False
        self._pid = os.getpid()
        self.forked_status = 0
        # Not descriptor 1 itself, which the code may close, or redirect and send to print again.
        self._stdout = os.dup(1)
        self._names = {descriptor: name for name, descriptor in captured.items()}
        self._poll = select.poll()
        for descriptor in self._names:
            self._poll.register(descriptor, select.POLLIN)
        # Weakly: what is called after a fork is called for good, and the rehearsal's connection is not.
        os.register_at_fork(after_in_child=partial(_close, weakref.ref(self)))

    # --- events

    def begin(self, request: str, *, at_once: bool, main: bool = True) -> bool:
        """From here on, what is in the pipes belongs to this request.

        They are one for the process, and the main line's while it runs something: then a request of a
        subshell does not get them, which the result tells.

        Args:
            at_once: tell the executor now. Otherwise the ``execute_input`` of the request must follow before
                any code runs, and is the news: each write wakes the executor, which costs as much as an
                empty cell.
        """
        with self._lock:
            if self._is_main_running and not main:
                return False
            self._is_main_running = main
            self._beginning = request
            if at_once:
                self._send(b"")
            return True

    def end(self) -> None:
        """The main line runs nothing: a subshell may have the pipes."""
        self._is_main_running = False

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

    def end_of_cell(self) -> None:
        """Write out what waits in the buffers before descriptors 1 and 2. In a process that the cell forked
        this is the end of its part of the cell: it exits."""
        flush_standard_streams()
        if os.getpid() != self._pid:
            os._exit(self.forked_status)

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
        match event:
            case Published(parent=parent, content=ExecuteInput()):
                self._send(*encode_pieces(event), begins=parent)
            case _:
                self._send(*encode_pieces(event))

    def leave(self, reason: str) -> None:
        """Say why the process is about to end."""
        self.send(Leaving(reason=reason))

    def _send(self, *pieces: bytes, begins: str = "") -> None:
        """Write a frame. ``begins``: the request that begins with it."""
        thread = threading.get_ident()
        if self._sender == thread:
            self._late.append(b"".join(pieces))
            return
        with self._holds.get(thread, _NO_HOLD):
            self._write(thread, pieces, begins)

    def _write(self, thread: int, pieces: tuple[bytes, ...], begins: str) -> None:
        try:
            with self._lock:
                self._sender = thread
                try:
                    self._turn.take()
                    for descriptor, _ in self._poll.poll(0):
                        self._pass_on(descriptor)
                    first, *rest = pieces
                    if self._beginning:
                        self.running, self._beginning = self._beginning, ""
                        if begins != self.running:
                            first = self._begun() + first
                    self._link.sendall(first)
                    for piece in rest:
                        self._link.sendall(piece)
                    while self._late:
                        self._link.sendall(self._late.popleft())
                finally:
                    self._turn.end()
                    self._sender = 0
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)  # the daemon is gone, and with it everyone who could see or ask

    def _begun(self) -> bytes:
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
        with self._holds.get(threading.get_ident(), _NO_HOLD), self._reading:
            try:
                count = self._link.recv_into(self._room, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionResetError:
                count = 0
            if not count:
                os._exit(0)
            try:
                for request in self._decoder.receive(self._room[:count]):
                    self._deliver(request)
            except MemoryError:
                # Nobody would ever answer what was on the link.
                sys.excepthook(*sys.exc_info())
                os._exit(70)

    def read_here(self, stop: Callable[[], object]) -> None:
        """The caller calls ``receive`` from now on, until ``stop`` is called, from another thread."""
        self._stop_reading_here = stop

    def read_in_thread(self) -> None:
        """Read in a thread from now on. A handler of a signal may call this.

        Raises:
            RuntimeError: the system has no thread to give.
        """
        with self._holds.get(threading.get_ident(), _NO_HOLD):
            stop, self._stop_reading_here = self._stop_reading_here, None
            if stop is None:
                return
            # The thread begins with all signals blocked: one that it took would not wake the main thread.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            try:
                signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
                # Not threading's, which takes locks: the handler may have come while its thread had them.
                _start_new_thread(self._read, (stop,))
            except RuntimeError:
                self._stop_reading_here = stop
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def wait_for_thread(self, seconds: float) -> bool:
        """Wait until the thread that reads is one that a debugger leaves alone; whether it is."""
        return self._is_read_in_thread.wait(seconds)

    def _read(self, stop: Callable[[], object]) -> None:
        try:
            hide(thread := threading.current_thread())
            thread.name = "antiphon-link"
            self._is_read_in_thread.set()
            stop()
            poll = select.poll()
            poll.register(self._link, select.POLLIN)
            while poll.poll():
                self.receive()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(70)

    # --- threads of lines

    def add_thread(self, hold: AbstractContextManager[Any]) -> int:
        """The calling thread carries out requests; gives its ident.

        Args:
            hold: entered around what an interrupt must not cut short.
        """
        thread = threading.get_ident()
        self._answers[thread] = queue.SimpleQueue()
        self._holds[thread] = hold
        return thread

    def remove_thread(self) -> None:
        """The calling thread carries out none any more."""
        thread = threading.get_ident()
        del self._holds[thread], self._answers[thread]

    def ask(self, parent: str, prompt: InputRequest) -> str:
        if self._is_forked:
            raise StdinNotImplementedError("input() can only be called in the session's own process.")
        answers = self._answers.get(threading.get_ident())
        if answers is None:
            raise StdinNotImplementedError(
                "input() can only be called in the thread in which a cell runs, not in one that it started."
            )
        self.read_in_thread()
        while not answers.empty():  # of a prompt that was given up
            answers.get()
        self._asked[parent] = prompt
        try:
            self.publish(parent, prompt)
            answer = answers.get()
        finally:
            del self._asked[parent]
        if answer is None:
            raise KeyboardInterrupt
        return answer

    def ask_again(self, parent: str) -> bool:
        """If the code of this request asks something, ask it once more; whether it does."""
        if (prompt := self._asked.get(parent)) is None:
            return False
        self.publish(parent, prompt)
        return True

    def answer(self, thread: int, value: str | None) -> None:
        """Give an answer to the code of a thread that asks; None interrupts it."""
        if (answers := self._answers.get(thread)) is not None:
            answers.put(value)

    # --- fork

    def close(self) -> None:
        """Let go of link and pipes. Output goes to descriptors 1 and 2 from here on.

        A process that the code forked (multiprocessing does) must not write into our frames, nor hold the
        link open when we are gone.
        """
        if self._is_forked:
            return
        self._is_forked = True
        self._link.close()
        self._turn.close()
        for descriptor in (self._stdout, *self._names):
            os.close(descriptor)


def _close(connection: weakref.ref[Connection]) -> None:
    if (one := connection()) is not None:
        one.close()
