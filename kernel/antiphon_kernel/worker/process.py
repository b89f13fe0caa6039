"""What Linux must be told about a worker's process, and what it tells of one."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import math
import os
import random
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_LINE_BUFFERED = 1  # _IOLBF

OOM_SCORE = 500
"""When memory runs out, a session goes before the daemon (0) and what else the machine does."""

STOP_ROUNDS = 100
"""Looks at a tree that grows while it is stopped. Then what was found is killed, and the rest when the news
of that comes."""

CPU_GRACE_SECONDS = 15
"""CPU time between SIGXCPU and SIGKILL. The service, which can name the reason, is earlier."""

SHORT_SHARE = 0.9
"""Of the private memory that a process may have: from here on, want of it may be why something failed."""

# Loaded before any fork: a child must not search for libraries.
_libc = ctypes.CDLL(None, use_errno=True)

BROKEN_STATUS = 70
"""With which a worker exits whose own machinery the session's code has broken (EX_SOFTWARE)."""


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, in place of the machine's init."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Get this signal when the parent ends; end now, if it already has."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def set_name(name: str) -> None:
    """What ``ps`` and ``top`` call this process; at most 15 characters."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def flush_standard_streams() -> None:
    """Write out what waits in the buffers before descriptors 1 and 2, Python's and those of C."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            with contextlib.suppress(OSError):  # the code closed the descriptor
                stream.flush()
    _libc.fflush(None)


def _lines(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def become_worker(parent: int, stdout: int, stderr: int) -> None:
    """Turn a fresh child of the zygote into a process of its own.

    Args:
        parent: the zygote's pid.
        stdout, stderr: descriptors that become 1 and 2.
    """
    set_name("antiphon-worker")
    os.setsid()  # no terminal, and a process group that can be interrupted as a whole
    die_with_parent(parent)
    adopt_orphans()
    signal.set_wakeup_fd(-1)
    # An ignored SIGCHLD would be inherited and turn every return code of a subprocess into 0.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for descriptor in (nothing, stdout, stderr):
        os.close(descriptor)
    # What Python and C code print straight to a descriptor comes line by line, as on a terminal,
    # and not when a buffer happens to be full. New objects, because those of the zygote may have
    # been made for a log file.
    vars(sys)["__stdout__"] = sys.stdout = _lines(1)
    vars(sys)["__stderr__"] = sys.stderr = _lines(2)
    _libc.setvbuf(ctypes.c_void_p.in_dll(_libc, "stdout"), None, _LINE_BUFFERED, ctypes.c_size_t(0))
    faulthandler.enable(file=2)

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(OOM_SCORE))

    # All children would draw the same numbers; Python's own generator reseeds by itself.
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        # With numbers, because without them it makes its own at four times the cost.
        numpy.random.seed([random.getrandbits(32) for _ in range(8)])


def cpu_limit() -> int:
    """Seconds of CPU time after which Linux sends SIGXCPU to this process, if it does.

    It sends it again after each further second, by raising the limit that one can ask for. The other
    one, at which it kills, stays.
    """
    return resource.getrlimit(resource.RLIMIT_CPU)[1] - CPU_GRACE_SECONDS


def is_memory_short() -> bool:
    """Whether this process has most of the private memory that it may have."""
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY:
        return False
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Data and stacks: what the limit counts, and a little more.
        pages = int(os.read(descriptor, 256).split()[5])
    finally:
        os.close(descriptor)
    return pages * _PAGE > most * SHORT_SHARE


def thread_count() -> int:
    """Threads of this process, those of C libraries included."""
    return len(os.listdir("/proc/self/task"))


def shed_threads() -> None:
    """End the threads that OpenBLAS started when it was imported, by a fork.

    It ends them before each fork, and starts them again where it is next used: as many in each worker.
    """
    if thread_count() == 1:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, from Python 3.12 on
        child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def children_of(pid: int) -> list[int]:
    """Living and unreaped children of a process; none of one that does not exist."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += _children_of_thread(pid, int(thread))
    return found


def _children_of_thread(pid: int, thread: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            return list(map(int, file.read().split()))
    except OSError:
        return []


def signal_programs_of(thread: int, number: signal.Signals) -> None:
    """Send a signal to the programs that a thread of this process started, and to what these did.

    Args:
        thread: as the operating system counts it.
    """
    roots = _children_of_thread(os.getpid(), thread)
    # All are found before the first gets it: one that ends hands its children on.
    for process in [process for root in roots for process in tree_of(root)]:
        _signal(process, number)


def tree_of(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    waiting = [pid]
    while waiting:
        yield (process := waiting.pop())
        waiting += children_of(process)


def end_trees(roots: Callable[[], Iterable[int]]) -> None:
    """Kill processes and all their descendants, also while they go on making more.

    All are stopped before the first is killed: one that is killed hands its children on, and others
    would make new ones meanwhile.

    Args:
        roots: tells which ones there are now. Children or adopted children of this process.
    """
    stopped: set[int] = set()
    for _ in range(STOP_ROUNDS):
        found = {process for root in roots() for process in tree_of(root)} - stopped
        if not found:
            break
        for process in found:
            _signal(process, signal.SIGSTOP)
        stopped |= found
    for process in stopped:
        _signal(process, signal.SIGKILL)


def end_children(reaped: Callable[[int], object] = lambda pid: None) -> None:
    """Kill all children of this process and all their descendants, and wait until they are gone.

    Args:
        reaped: called with the pid of each child, adopted ones included.
    """
    with contextlib.suppress(ChildProcessError):
        while True:
            end_trees(lambda: children_of(os.getpid()))
            reaped(os.waitpid(-1, 0)[0])


def kill(pid: int) -> None:
    """Kill a process, if it is there."""
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # ended by itself, or has become another user
        os.kill(pid, number)


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE
    return 0


def _rollup_bytes(pid: int, *prefixes: str) -> int:
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(prefixes))
    return 0


def proportional_bytes(pid: int) -> int:
    """Memory of a process, shared pages divided among those that share them (PSS)."""
    return _rollup_bytes(pid, "Pss:")


def private_bytes(pid: int) -> int:
    """Memory that would be free if this process ended (USS)."""
    return _rollup_bytes(pid, "Private_")


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / _TICKS
    return 0.0


class Gauge:
    """Memory, CPU time and size of a process tree, cheap enough to be read often.

    Workers share most of their pages with the zygote; counting those would tell 100 MB of a session
    that has 5. So memory is what is private to a single process. Of several, which may share among
    themselves (a pool that was forked), it is the sum of the proportional sizes, a part of the
    zygote's included. Asking for either takes milliseconds, and is done again only when the resident
    size, which takes microseconds, has moved; in between it is the last one and the growth since.
    CPU time includes that of ended children.

    Args:
        pid: the root of the tree.
    """

    MOVED_BYTES = 4 * 2**20
    SECONDS = 2.0

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._own = self._resident = 0
        self._measured = -math.inf

    def read(self) -> tuple[int, float, int]:
        """Bytes, seconds and processes; no bytes and seconds of a tree that is gone."""
        tree = list(tree_of(self._pid))
        resident = sum(map(_resident_bytes, tree))
        has_moved = abs(resident - self._resident) > self.MOVED_BYTES
        if has_moved and (now := time.monotonic()) - self._measured > self.SECONDS:
            self._own = sum(map(proportional_bytes if len(tree) > 1 else private_bytes, tree))
            self._resident, self._measured = resident, now
        memory = max(self._own + resident - self._resident, 0)
        return memory, sum(map(_cpu_seconds, tree)), len(tree)
