"""What Linux must be told about a worker's process, and what it tells of one."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import random
import resource
import signal
import sys
from collections.abc import Iterator
from typing import TextIO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINE_BUFFERED = 1  # _IOLBF

OOM_SCORE = 500
"""When memory runs out, a session goes before the daemon (0) and what else the machine does."""

# Loaded before any fork: a child must not search for libraries.
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, in place of the machine's init."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent ends; now, if it already has."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def flush_c_streams() -> None:
    """Write out what C code has in its ``stdout`` buffers."""
    _libc.fflush(None)


def _lines(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def become_worker(parent: int, stdout: int, stderr: int) -> None:
    """Turn a fresh child of the zygote into a process of its own.

    Args:
        parent: the zygote's pid.
        stdout, stderr: descriptors that become 1 and 2.
    """
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
        numpy.random.seed()


def thread_count() -> int:
    """Threads of this process, those of C libraries included."""
    return len(os.listdir("/proc/self/task"))


def children_of(pid: int) -> list[int]:
    """Living and unreaped children of a process; none of one that does not exist."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def tree_of(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    waiting = [pid]
    while waiting:
        yield (process := waiting.pop())
        waiting += children_of(process)


_TICKS = os.sysconf("SC_CLK_TCK")


def usage_of(pid: int) -> tuple[int, float]:
    """Memory in bytes and CPU time in seconds of a process tree.

    Memory is the proportional set size: workers share most of their pages with the zygote, and
    counting those in full would tell 100 MB of a session that has 3. CPU time includes that of
    children that have ended.
    """
    memory, seconds = 0, 0.0
    for process in tree_of(pid):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{process}/smaps_rollup") as file:
                memory += next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
            with open(f"/proc/{process}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            seconds += sum(map(int, fields[11:15])) / _TICKS
    return memory, seconds
