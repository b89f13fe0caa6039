"""How many file descriptors this process may still open.

What runs out of them breaks far from where they went: libraries take it for a defect and end the process.
So whatever takes many asks here first, and is refused with a reason while there is still room for the rest.
"""

from __future__ import annotations

import errno
import os
import resource

RESERVE = 32
"""Left for what cannot ask: files that are open for a moment, descriptors that come over a socket."""

CLIENTS_RESERVE = 64
"""Beyond that, left by new sessions for clients, who may come to close some."""


class OutOfDescriptors(OSError):
    """Refused, because too few would be left."""

    def __init__(self, limit: int) -> None:
        super().__init__(errno.EMFILE, f"it has nearly as many files open as its limit of {limit} allows")
        self.limit = limit

    def __str__(self) -> str:
        return str(self.strerror)


def require(wanted: int) -> None:
    """See to it that so many can be opened, and ``RESERVE`` are left.

    Raises:
        OutOfDescriptors: they are not there.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and _opened() + wanted + RESERVE > limit:
        raise OutOfDescriptors(limit)


def _opened() -> int:
    try:
        # The size is their number since Linux 6.2; before, it is 0.
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:  # no /proc: nobody knows
        return 0
