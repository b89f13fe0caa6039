"""Lines that a person types (or a pipe holds) for code that asks for input."""

from __future__ import annotations

import os
import select
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

LINE_BYTES = 1 << 20


class Lines:
    """Lines of a file descriptor, read only when one is asked for.

    Not ``sys.stdin``: its buffer would hold lines that ``select`` does not see any more.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._held = b""
        self._ended = False

    def next(self, timeout: float) -> str | None:
        """The next line without its line feed, or None if there is none within ``timeout`` seconds.

        Raises:
            EOFError: there is no further line.
        """
        while b"\n" not in self._held:
            if self._ended or len(self._held) >= LINE_BYTES:
                if not self._held:
                    raise EOFError
                return self._take(len(self._held))
            if not select.select([self._fd], [], [], timeout)[0]:
                return None
            piece = os.read(self._fd, 65536)
            self._held += piece
            self._ended = not piece
        return self._take(self._held.index(b"\n"))

    def _take(self, length: int) -> str:
        line, self._held = self._held[:length], self._held[length + 1 :]
        return line.decode(errors="replace")


@contextmanager
def hidden(fd: int, password: bool) -> Iterator[None]:
    """While a password is typed into a terminal, the terminal does not show it."""
    if not password or not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    quiet = termios.tcgetattr(fd)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        sys.stderr.write("\n")
