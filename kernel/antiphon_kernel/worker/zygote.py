"""The process that workers are forked from.

It has imported what every session needs, and then does nothing but fork and reap. To be forked
safely it has one thread, no event loop and no ZeroMQ; a thread or a loop that exists at the fork
exists in the child as a lock that nobody releases, or as an epoll that two processes share.

Started by the forked executor as ``main(control, preload)``, where ``control`` is the descriptor of
a SEQPACKET socket. Ends, with everything it made, when that socket is closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Literal, NoReturn

from . import process
from .control import (
    FORK_DESCRIPTORS,
    PACKET_BYTES,
    Changed,
    Exited,
    Forked,
    Ready,
    Refused,
    decode_command,
    encode,
)
from .main import Worker
from .preloading import Sources, preload
from .rehearsal import warm_up
from .shell import Shell
from .turn import Turn

SURVEY_SECONDS = 5.0
"""Between two looks at the files of preloaded modules; 500 files, those of numpy, pandas and
matplotlib, take 0.6 ms."""


class Zygote:
    """Forks and reaps.

    Args:
        control: the connected socket to the executor.
        shell: what every worker begins with.
        sources: the files of what every worker has imported.
    """

    def __init__(self, control: socket.socket, shell: Shell, sources: Sources) -> None:
        self._sources = sources
        self._control = control
        self._shell = shell
        self._pid = os.getpid()
        self._workers: set[int] = set()
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)

    def serve(self) -> None:
        """Fork and reap until the control socket is closed; then end all workers."""
        process.set_name("antiphon-zygote")
        process.adopt_orphans()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        next_survey = time.monotonic() + SURVEY_SECONDS
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(SURVEY_SECONDS * 1000)}
            if time.monotonic() > next_survey:
                next_survey = time.monotonic() + SURVEY_SECONDS
                if (names := self._sources.news()) is not None:
                    self._report(Changed(names))
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            if self._control.fileno() in ready:
                try:
                    packet, descriptors, _, _ = socket.recv_fds(self._control, PACKET_BYTES, FORK_DESCRIPTORS)
                except ConnectionResetError:
                    packet = b""
                if not packet:
                    break
                self._fork(decode_command(packet).key, descriptors)
        self._kill_children()

    def _fork(self, key: int, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._report(Refused(key, f"no process could be made: {error}"))
        else:
            if pid == 0:
                self._become_worker(descriptors)
            self._workers.add(pid)
            pidfd = os.pidfd_open(pid)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._control, [encode(Forked(key, pid))], [pidfd])
            os.close(pidfd)
        for descriptor in descriptors:
            os.close(descriptor)

    def _become_worker(self, descriptors: list[int]) -> NoReturn:
        try:
            link, stdout, stderr, read_stdout, read_stderr, turn = descriptors
            self._control.close()
            os.close(self._woken)
            os.close(self._wake)
            process.become_worker(self._pid, stdout, stderr)
            captured: dict[Literal["stdout", "stderr"], int] = {"stdout": read_stdout, "stderr": read_stderr}
            Worker(socket.socket(fileno=link), captured, Turn(turn), self._shell).run()
        except BaseException:
            # The executor sees the end of the process; the traceback is in the worker's stderr.
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(process.BROKEN_STATUS)

    def _reap(self) -> None:
        ended = []
        with contextlib.suppress(ChildProcessError):
            while (child := os.waitpid(-1, os.WNOHANG))[0]:
                ended.append(child)
        ours = [(pid, status) for pid, status in ended if pid in self._workers]
        self._workers.difference_update(pid for pid, _ in ours)
        # Orphans of a living worker are that worker's. Those here were left by one that is dead.
        process.end_trees(lambda: [p for p in process.children_of(self._pid) if p not in self._workers])
        for pid, status in ours:
            self._report(Exited(pid, status))

    def _report(self, report: Exited | Refused | Changed) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(encode(report))

    def _kill_children(self) -> None:
        signal.set_wakeup_fd(-1)
        with contextlib.suppress(ChildProcessError):
            while True:
                process.end_trees(lambda: process.children_of(self._pid))
                os.waitpid(-1, 0)


def main(control: int, names: Sequence[str], warm: bool) -> None:
    """Serve on the socket with this descriptor."""
    connection = socket.socket(fileno=control)
    shell = Shell(resident=True)
    loaded, warnings = preload(names)
    if warm:
        warm_up(shell)
    sys.argv = [""]
    sys.path.insert(0, "")
    process.shed_threads()
    if (threads := process.thread_count()) > 1:
        warnings.append(
            f"{threads - 1} threads were started by importing {', '.join(m.name for m in loaded)}; "
            "a worker may hang. "
            "Take the module that starts them from the list of what is preloaded."
        )
    sources = Sources([module.name for module in loaded])
    if warm:
        gc.collect()  # 20 ms, worth it where many are forked
    gc.freeze()
    connection.send(encode(Ready(tuple(loaded), tuple(warnings))))
    Zygote(connection, shell, sources).serve()
