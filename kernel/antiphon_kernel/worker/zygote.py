"""The process that workers are forked from.

It has imported what every session needs, and then does nothing but fork and reap. To be forked
safely it has one thread, no event loop and no ZeroMQ; a thread or a loop that exists at the fork
exists in the child as a lock that nobody releases, or as an epoll that two processes share.

Started by the forked executor, under a ``reaper``, as ``main(control, preload)``, where ``control`` is
the descriptor of a SEQPACKET socket. Ends, with everything it made, when it is told to or that socket is
closed.

It never runs the code of a session, so it also keeps what the next daemon needs if this one is killed:
the daemon's own ends of each worker's link and pipes, and the ledgers. As these stay open, the workers
notice nothing: what they write waits, and slows them when there is no more room. If it was told where,
the zygote then waits for another daemon (``handover``) before it ends.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import Literal, NoReturn

from .. import ledger
from ..message import Preloaded
from . import process
from .cells import remove_files_of
from .control import (
    FORK_DESCRIPTORS,
    PACKET_BYTES,
    Changed,
    End,
    Exited,
    Fork,
    Forked,
    Keep,
    Ready,
    Refused,
    Spawn,
    decode_command,
    decode_program,
    encode,
)
from .handover import SECRET_BYTES, Holding, NotHandedOver, hand_over
from .main import Worker
from .preloading import Sources, preload
from .rehearsal import fill_gaps, warm_up
from .shell import Shell
from .turn import Turn

SURVEY_SECONDS = 5.0
"""Between two looks at the files of preloaded modules; 500 files, those of numpy, pandas and
matplotlib, take 0.6 ms."""

STRANGERS_TOLD = 10
"""Of so many that want to take over and may not, the log tells. Code that tries again and again does not
fill the disk."""


class _Holding:
    """The daemon's descriptors of one worker, and how it ended, if it has.

    They are high numbers, all in a row, so that a child closes those of all workers by one call.
    """

    def __init__(self, ends: Sequence[int], ledger: int) -> None:
        self.ends = tuple(ends)
        self.ledger = ledger
        self.status: int | None = None

    @property
    def is_in_use(self) -> bool:
        return ledger.is_in_use(self.ledger)

    def close_ends(self) -> None:
        for descriptor in self.ends:
            os.close(descriptor)
        self.ends = ()

    def close(self) -> None:
        self.close_ends()
        os.close(self.ledger)


class Waiting:
    """How to outlive a daemon that is killed.

    Args:
        listener: descriptor of the socket on which another daemon will come.
        secret: descriptor of ``handover.keep_secret``.
        seconds: how long to wait for it.
    """

    def __init__(self, listener: int, secret: int, seconds: float) -> None:
        self.listener = socket.socket(fileno=listener)
        self.secret = secret
        self.seconds = seconds

    def close(self) -> None:
        self.listener.close()
        os.close(self.secret)


class Zygote:
    """Forks and reaps.

    Args:
        control: the connected socket to the executor.
        shell: what every worker begins with.
        sources: the files of what every worker has imported.
        preloaded: what that is, to tell another daemon.
        waiting: if it is to outlive the daemon.
    """

    ROOM = 64
    """Descriptors below those that are held for the daemon: for those of one fork, and of libraries."""

    def __init__(
        self,
        control: socket.socket,
        shell: Shell,
        sources: Sources,
        preloaded: tuple[Preloaded, ...],
        waiting: Waiting | None,
    ) -> None:
        self._sources = sources
        self._next_survey = time.monotonic() + SURVEY_SECONDS
        self._control = control
        self._shell = shell
        self._preloaded = preloaded
        self._waiting = waiting
        self._pid = os.getpid()
        self._held: dict[int, _Holding] = {}
        # Also of sessions whose worker is still to be made, as 0. A pid may be another worker's by now.
        self._ended: list[tuple[int, _Holding]] = []
        self._programs: dict[int, int] = {}  # other kernels, and their pidfds
        self._has_daemon = True
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)
        self._lowest = max(map(int, os.listdir("/proc/self/fd"))) + self.ROOM

    def serve(self) -> None:
        """Fork and reap until the end; then end all workers."""
        process.set_name("antiphon-zygote")
        process.adopt_orphans()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())  # the reaper was killed
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake)
        try:
            while self._serve_daemon() and self._find_daemon():
                pass
        finally:
            self._kill_children()

    def _poll(self, source: socket.socket, seconds: float | None = None) -> bool:
        """Wait for something to read there, and reap meanwhile; False when the time is over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(source, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            left = SURVEY_SECONDS if deadline is None else max(0.0, deadline - time.monotonic())
            ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
            if time.monotonic() > self._next_survey and self._has_daemon:
                self._next_survey = time.monotonic() + SURVEY_SECONDS
                if (names := self._sources.news()) is not None:
                    self._report(Changed(names))
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            if source.fileno() in ready:
                return True
            if left == 0.0:
                return False

    def _serve_daemon(self) -> bool:
        """Do what the daemon asks for; whether it ended without saying so."""
        while True:
            self._poll(self._control)
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._control, PACKET_BYTES, FORK_DESCRIPTORS)
            except ConnectionResetError:
                return True
            if not packet:
                return True
            match decode_command(packet):
                case Fork(key=key):
                    self._fork(key, descriptors)
                case Spawn(key=key):
                    self._spawn(key, descriptors)
                case Keep():
                    self._keep(descriptors)
                case End():
                    return False

    def _find_daemon(self) -> bool:
        """Wait for another daemon and give it all there is; whether one came in time."""
        self._has_daemon = False
        self._control.close()
        for pid, held in self._held.items():
            if not held.is_in_use:
                os.kill(pid, signal.SIGKILL)  # a spare one, or one that nobody knows of
        waiting = self._waiting
        if waiting is None or not self._wanted():
            return False
        deadline = time.monotonic() + waiting.seconds
        strangers = 0
        while self._poll(waiting.listener, max(0.0, deadline - time.monotonic())):
            connection, _ = waiting.listener.accept()
            try:
                secret = hand_over(
                    connection,
                    os.pread(waiting.secret, SECRET_BYTES, 0),
                    self._preloaded,
                    self._wanted(),
                )
            except (OSError, NotHandedOver) as error:
                connection.close()
                strangers += 1
                if strangers <= STRANGERS_TOLD:
                    print(f"antiphon-zygote: not handed over: {error}", file=sys.stderr)
                continue
            os.close(waiting.secret)
            waiting.secret = secret
            self._control = connection
            self._has_daemon = True
            self._report(Changed(self._sources.changed))
            self._forget()
            return True
        return False

    def _wanted(self) -> list[Holding]:
        """What belongs to sessions. Programs are nothing without one."""
        held = [
            Holding(pid, held.status, [*held.ends, held.ledger])
            for pid, held in (*self._ended, *self._held.items())
            if held.is_in_use
        ]
        programs = [Holding(pid, None, [pidfd], is_program=True) for pid, pidfd in self._programs.items()]
        return [*held, *programs] if held else []

    def _spawn(self, key: int, descriptors: list[int]) -> None:
        try:
            if not descriptors:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            with open(descriptors[0], "rb", closefd=False) as file:
                program = decode_program(file.read())
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is ignored here would be there
            try:
                child = subprocess.Popen(
                    program.argv,
                    stdin=subprocess.DEVNULL,
                    cwd=program.directory or None,
                    # To ipykernel this is a parent to end with.
                    env=program.environment | {"JPY_PARENT_PID": str(self._pid)},
                    start_new_session=True,
                )
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            child.returncode = 0  # it is waited for here, and not by what made it
            pidfd = os.pidfd_open(child.pid)
            self._programs[child.pid] = fcntl(pidfd, F_DUPFD_CLOEXEC, self._lowest)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._control, [encode(Forked(key, child.pid))], [pidfd])
            os.close(pidfd)
        except OSError as error:
            self._report(Refused(key, str(error)))
        for descriptor in descriptors:
            os.close(descriptor)

    def _fork(self, key: int, descriptors: list[int]) -> None:
        try:
            if len(descriptors) < FORK_DESCRIPTORS:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # some were left out on the way
            pid = os.fork()
            if pid == 0:
                self._become_worker(descriptors)
            self._hold(key, pid, descriptors)
        except OSError as error:
            self._report(Refused(key, f"no process could be made: {error}"))
        for descriptor in descriptors:
            os.close(descriptor)

    def _keep(self, descriptors: list[int]) -> None:
        self._forget()
        for descriptor in descriptors:
            with contextlib.suppress(
                OSError
            ):  # of those that are open at most; the session has no other daemon
                self._ended.append((0, _Holding((), fcntl(descriptor, F_DUPFD_CLOEXEC, self._lowest))))
            os.close(descriptor)

    def _hold(self, key: int, pid: int, descriptors: list[int]) -> None:
        _, _, _, stdout, stderr, turn, link, its_ledger = descriptors
        held: list[int] = []
        try:
            pidfd = os.pidfd_open(pid)
            held.append(pidfd)
            for descriptor in (link, stdout, stderr, turn, pidfd, its_ledger):
                held.append(fcntl(descriptor, F_DUPFD_CLOEXEC, self._lowest))
        except OSError:
            os.kill(pid, signal.SIGKILL)  # it is reaped like any other child
            for descriptor in held:
                os.close(descriptor)
            raise
        self._held[pid] = _Holding(held[1:-1], held[-1])
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [encode(Forked(key, pid))], [pidfd])
        os.close(pidfd)

    def _become_worker(self, descriptors: list[int]) -> NoReturn:
        try:
            link, stdout, stderr, read_stdout, read_stderr, turn, *daemons = descriptors
            self._control.close()
            if self._waiting is not None:
                self._waiting.close()
            for descriptor in daemons:
                os.close(descriptor)
            held = [*self._held.values(), *(holding for _, holding in self._ended)]
            ends = [end for holding in held for end in (*holding.ends, holding.ledger)]
            ends += self._programs.values()
            os.closerange(self._lowest, max(ends, default=self._lowest) + 1)
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
        ours = [(pid, status, self._held.pop(pid)) for pid, status in ended if pid in self._held]
        for pid, status in ended:
            if (pidfd := self._programs.pop(pid, None)) is not None:
                os.close(pidfd)
                self._report(Exited(pid, status))
        # Orphans of a living worker are that worker's. Those here were left by one that is dead.
        process.end_trees(
            lambda: [
                pid
                for pid in process.children_of(self._pid)
                if pid not in self._held and pid not in self._programs
            ]
        )
        for pid, status, held in ours:
            held.status = status
            remove_files_of(pid)
            self._ended.append((pid, held))
            self._report(Exited(pid, status))
        self._forget()

    def _forget(self) -> None:
        """Close what nobody needs: a daemon has the ends of its workers, and needs a ledger of those
        that are dead only for the next daemon."""
        kept = []
        for pid, held in self._ended:
            if not held.is_in_use:
                held.close()
                continue
            if self._has_daemon:
                held.close_ends()
            kept.append((pid, held))
        self._ended = kept

    def _report(self, report: Exited | Refused | Changed) -> None:
        if self._has_daemon:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._control.send(encode(report))

    def _kill_children(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        process.end_children(remove_files_of)


def main(
    control: int,
    names: Sequence[str],
    warm: bool,
    waiting: tuple[int, int, float] | None = None,
) -> None:
    """Serve on the socket with this descriptor. ``waiting``: the arguments of ``Waiting``."""
    connection = socket.socket(fileno=control)
    shell = Shell(resident=True)
    # pandas asks while it is imported whether it is in a terminal, and lays out wide tables accordingly.
    vars(builtins)["get_ipython"] = lambda: shell
    loaded, warnings = preload(names)
    del vars(builtins)["get_ipython"]
    if warm:
        # Who wants nothing preloaded wants little memory: then what jedi reads is not there either.
        warm_up(shell, completes=bool(names))
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
        # 25 ms, worth it where many are forked.
        gc.collect()
        fill_gaps()
    gc.freeze()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the daemon was killed meanwhile
        connection.send(encode(Ready(tuple(loaded), tuple(warnings))))
    waits = None if waiting is None else Waiting(*waiting)
    Zygote(connection, shell, sources, tuple(loaded), waits).serve()
