"""The zygote's parent, which ends what a zygote leaves that is killed.

Workers end with their zygote. What they have started does not, if it made itself a session of its own
(``setsid``): it would go to the machine's init, and nobody could tell any more whose it was. So it comes
here, and is ended. The reaper holds no descriptor but the standard ones, and does nothing else.

If the reaper itself is killed, the zygote is told and ends all that it made.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any, NoReturn

from . import process


def main(arguments: Mapping[str, Any]) -> None:
    """Be the reaper of a new zygote, which is called with these arguments."""
    ours = os.getpid()
    process.adopt_orphans()
    zygote = os.fork()
    if zygote:
        _reap(zygote)
    process.die_with_parent(ours, signal.SIGTERM)
    from . import zygote as program  # not before: the reaper shall be small

    program.main(**arguments)


def _reap(zygote: int) -> NoReturn:
    """Wait for the end of the zygote, end what is left, and end likewise. SIGTERM asks for that."""
    # Whoever waits for the end of a socket waits for that of the zygote.
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    process.set_name("antiphon-reaper")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.kill(zygote))
    _, status = os.waitpid(zygote, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    process.end_children()
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
