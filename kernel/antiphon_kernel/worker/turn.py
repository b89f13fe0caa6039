"""Whose turn it is to read the pipes behind a worker's descriptors 1 and 2: its own or the executor's.

The worker empties its pipes before it writes a frame to its link, and does both in its turn. So in
the executor's turn all that is in a pipe was written after all that is on the link. Without turns a
frame could slip in between the executor's looks at the one and at the other.
"""

from __future__ import annotations

import fcntl
import os


def make_turn() -> int:
    """A descriptor for the ``Turn`` of both processes."""
    return os.memfd_create("antiphon-turn")


class Turn:
    """A lock between two processes; the end of one gives it back.

    Args:
        descriptor: of ``make_turn``, shared with the other process. Closed by ``close``.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> None:
        """Wait for our turn. The other one's is over in microseconds, or with its process."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def take_at_once(self) -> bool:
        """Take our turn unless it is the other one's, who is not to be trusted to end it."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def end(self) -> None:
        """Let the other one have its turn."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._descriptor)
