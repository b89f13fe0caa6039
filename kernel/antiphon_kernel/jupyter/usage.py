"""What a kernel and its machine use, in the words of ``usage_reply``.

Jupyter's protocol does not describe it; ipykernel's reply, which JupyterLab's panel reads, is the form.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import Any

from ..message import SessionInfo

_MEMORY = {
    "total": "MemTotal",
    "available": "MemAvailable",
    "free": "MemFree",
    "active": "Active",
    "inactive": "Inactive",
    "buffers": "Buffers",
    "cached": "Cached",
    "shared": "Shmem",
    "slab": "Slab",
}
"""Our name and that of ``/proc/meminfo``."""


def host_memory(meminfo: str) -> dict[str, float]:
    """Memory of the machine in bytes, ``percent`` of it in use; empty if it cannot be told.

    Args:
        meminfo: the text of ``/proc/meminfo``.
    """
    kibibytes = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number and number[0].isdigit():
            kibibytes[name] = int(number[0])
    memory: dict[str, float] = {
        ours: kibibytes[theirs] * 1024 for ours, theirs in _MEMORY.items() if theirs in kibibytes
    }
    if memory.get("total") and "available" in memory:
        memory["used"] = memory["total"] - memory["available"]
        memory["percent"] = round(100 * memory["used"] / memory["total"], 1)
    return memory


def host_cpu(stat: str) -> tuple[int, int]:
    """Ticks of all processors, busy and altogether, since the machine started.

    Args:
        stat: the text of ``/proc/stat``.
    """
    ticks = [int(word) for word in stat.partition("\n")[0].split()[1:9]]
    idle = sum(ticks[3:5])  # idle, and waiting for a disk
    return sum(ticks) - idle, sum(ticks)


class Meter:
    """Tells percentages of processors, which are those since it was asked before."""

    def __init__(self) -> None:
        self._kernel = (time.monotonic(), 0.0, 0)
        self._host = (0, 0)

    def reply(self, info: SessionInfo) -> dict[str, Any]:
        """The content of ``usage_reply``. ``kernel_cpu`` is in percent of one processor."""
        content = {
            "status": "ok",
            "hostname": socket.gethostname(),
            "pid": info.pid,
            "kernel_cpu": self._kernel_cpu(info),
            "kernel_memory": info.memory_bytes,
            "cpu_count": os.cpu_count() or 1,
            "host_virtual_memory": {},
        }
        with contextlib.suppress(OSError, ValueError):
            content["host_virtual_memory"] = host_memory(Path("/proc/meminfo").read_text())
            busy, total = host_cpu(Path("/proc/stat").read_text())
            (busy_before, total_before), self._host = self._host, (busy, total)
            if 0 < total_before < total:
                content["host_cpu_percent"] = round(100 * (busy - busy_before) / (total - total_before), 1)
        return content

    def _kernel_cpu(self, info: SessionInfo) -> float:
        then, seconds, pid = self._kernel
        now = time.monotonic()
        self._kernel = (now, info.cpu_seconds, info.pid)
        if pid != info.pid or now <= then:
            return 0.0
        return round(max(0.0, 100 * (info.cpu_seconds - seconds) / (now - then)), 1)
