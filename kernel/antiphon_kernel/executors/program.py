"""Programs that the zygote starts: kernels that are none of ours (``foreign``)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Protocol


class Program:
    """The hold on a program. Whoever expects a ``subprocess.Popen``, as Jupyter's library does, may have it.

    Args:
        pid, pidfd: the process, leader of a session of its own; a child of the zygote.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._pidfd = pidfd

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """As ``poll``: it is the zygote that waits."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def ended(self, status: int) -> None:
        """It has ended, with this status of ``waitpid``."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(status)
            os.close(self._pidfd)


class Starter(Protocol):
    """Starts programs that outlive this process as sessions do."""

    async def spawn(self, argv: Sequence[str], environment: dict[str, str], directory: str) -> Program:
        """Start one.

        Raises:
            WorkerFailed: it could not be started; the reason says why.
        """

    def inherited(self) -> dict[int, Program]:
        """Those that an earlier daemon had started, by pid. The caller's from now on."""
