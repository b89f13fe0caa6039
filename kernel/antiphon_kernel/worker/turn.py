"""Whose turn it is to read the pipes behind a worker's descriptors 1 and 2: its own or the executor's.

The worker empties its pipes before it writes a frame to its link, and does both in its turn. So in
the executor's turn all that is in a pipe was written after all that is on the link. Without turns a
frame could slip in between the executor's looks at the one and at the other.

The file behind the lock also holds a word: why the executor sends the signal that stops the code.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

WORD_BYTES = 1024


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

    def leave_word(self, text: str) -> None:
        """Say why a signal comes, before it is sent."""
        with contextlib.suppress(OSError):  # the worker may have sealed the file
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode()[:WORD_BYTES], 0)

    def take_word(self) -> str:
        """The word that was left, which is gone then; empty if there is none."""
        text = os.pread(self._descriptor, WORD_BYTES, 0).decode(errors="replace")
        os.ftruncate(self._descriptor, 0)
        return text

    def close(self) -> None:
        os.close(self._descriptor)
