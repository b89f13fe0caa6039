"""Processes of this machine, told apart by more than their number.

A number is used again after a process ended. Nothing is signalled here that was not looked at first,
through a handle that still means the same process afterwards where the system has one (Linux' pidfd).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

POLL_SECONDS = 0.05


class Process:
    """A running process, held so that it cannot be mistaken for a later one.

    Raises:
        ProcessLookupError: no process has this number.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        if self._fd < 0:
            os.kill(pid, 0)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; it goes on."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def command(self) -> list[str]:
        """Its arguments, empty when it has ended or belongs to somebody who hides them."""
        if sys.platform == "linux":
            try:
                raw = Path(f"/proc/{self.pid}/cmdline").read_bytes()
            except OSError:
                return []
            return [os.fsdecode(part) for part in raw.split(b"\0")[:-1]]
        answer = subprocess.run(
            ["/bin/ps", "-ww", "-o", "command=", "-p", str(self.pid)], capture_output=True, check=False
        )
        return os.fsdecode(answer.stdout).split()

    def ended(self, timeout: float = 0.0) -> bool:
        """Whether it has ended, or does so within ``timeout`` seconds."""
        if self._fd >= 0:
            # poll, not select: this may run in a process with more than a thousand open files.
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            return bool(poll.poll(max(0.0, timeout) * 1000))
        deadline = time.monotonic() + timeout
        while True:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        try:
            if self._fd >= 0:
                signal.pidfd_send_signal(self._fd, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, timeout: float) -> bool:
        """End it: SIGTERM, and SIGKILL if it is still there after ``timeout`` seconds.

        Returns:
            Whether SIGTERM was enough.
        """
        self.signal(signal.SIGTERM)
        if self.ended(timeout):
            return True
        self.signal(signal.SIGKILL)
        self.ended(5.0)
        return False


def find(pid: int, *words: str) -> Process | None:
    """The process ``pid`` if its command line contains all of ``words``, else None.

    The caller closes what it gets (``with``).
    """
    try:
        process = Process(pid)
    except (OSError, OverflowError):
        return None
    line = " ".join(process.command)
    if line and all(word in line for word in words):
        return process
    process.close()
    return None
