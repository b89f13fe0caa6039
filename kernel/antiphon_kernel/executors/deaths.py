"""How a process ended, in words."""

from __future__ import annotations

import os
import signal

from ..message import NO_LIMITS, SessionLimits
from ..worker.process import BROKEN_STATUS

KILLED = "killed on request"

_MEANINGS = {
    signal.SIGSEGV: "segmentation fault: C code used memory that is not its own",
    signal.SIGBUS: "bus error: C code used memory that is not there",
    signal.SIGABRT: "aborted: C code found itself in a state that must not be",
    signal.SIGFPE: "arithmetic error in C code",
    signal.SIGILL: "illegal instruction: a library was built for another processor",
    signal.SIGKILL: "perhaps because memory ran out",
    signal.SIGXCPU: "the limit of CPU time was reached",
    signal.SIGSYS: "a forbidden system call",
}


def reason_of(status: int, limits: SessionLimits = NO_LIMITS) -> str:
    """A sentence for a status of ``waitpid``, of a process with these limits."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            known = signal.Signals(number)
        except ValueError:
            return f"killed by signal {number}"
        meaning = _MEANINGS.get(known)
        if known is signal.SIGXCPU and limits.cpu_seconds:
            meaning = f"the limit of CPU time, {limits.cpu_seconds:.0f} s, was reached"
        return f"killed by {known.name} ({meaning})" if meaning else f"killed by {known.name}"
    if (code := os.WEXITSTATUS(status)) == BROKEN_STATUS:
        return f"the code broke the process that it ran in, perhaps its file descriptors (status {code})"
    return f"its process exited with status {code} (os._exit)"
