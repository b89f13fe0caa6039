"""What Linux itself holds of a session's processes.

Limits of resources are those of one process, and its children begin with the same. So they are the
backstop, exact for a session of one process, under the watch of the service over the whole tree:

- CPU time: SIGXCPU, which the worker turns into an error of the code; later SIGKILL.
- Memory: private writable memory (``RLIMIT_DATA``), so that one request for too much is a
  ``MemoryError`` in the code, and not the end of the session. Not the address space: thirty-two threads
  that do nothing take 1.2 GB of that, and 0.3 GB of this. A library also asks for memory that it never
  touches, in proportion to the processors; that much is allowed beyond the limit.

The number of processes (``RLIMIT_NPROC``) counts all of the same user, the daemon's included, and binds
nobody who is root: it is of no use here, and the tree is counted instead.
"""

from __future__ import annotations

import contextlib
import os
import resource

from ..message import SessionLimits
from ..worker.process import CPU_GRACE_SECONDS

UNTOUCHED_BYTES = 64 * 2**20
"""For each processor: a stack of 8 MiB, a buffer of OpenBLAS of 32 MiB, and room."""


def apply(pid: int, limits: SessionLimits, data_bytes: int) -> None:
    """Set the limits of a process that has just been made. It may be gone already.

    Args:
        data_bytes: of private memory, which it has already (``data_bytes``).
    """
    with contextlib.suppress(OSError, ValueError):
        if limits.cpu_seconds:
            used = limits.cpu_seconds
            _lower(pid, resource.RLIMIT_CPU, used, used + CPU_GRACE_SECONDS)
        if limits.memory_bytes:
            room = max(os.cpu_count() or 1, 4) * UNTOUCHED_BYTES
            most = data_bytes + limits.memory_bytes + room
            _lower(pid, resource.RLIMIT_DATA, most, most)


def _lower(pid: int, which: int, soft: int, hard: int) -> None:
    _, most = resource.prlimit(pid, which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.prlimit(pid, which, (soft, hard))


def data_bytes(pid: int) -> int:
    """What counts of a process as data; 0 if it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmData")), 0)
    return 0
