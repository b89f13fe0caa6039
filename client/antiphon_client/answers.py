"""Lines that a person types (or a pipe holds) for code that asks for input."""

from __future__ import annotations

import os
import select
import termios
from typing import Any

LINE_BYTES = 1 << 20


class Lines:
    """Lines of a file descriptor, read only when one is asked for.

    Not ``sys.stdin``: its buffer would hold lines that ``select`` does not see any more.
    """

    def __init__(self, fd: int) -> None:
        self.echo = Echo(fd)
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


class Echo:
    """Whether the terminal at ``fd`` shows what is typed. Without a terminal nothing happens."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def off(self) -> None:
        """Do not show it: a password follows. Call before the prompt is shown; ``on`` must follow."""
        if self._before is None and os.isatty(self._fd):
            self._before = termios.tcgetattr(self._fd)
            quiet = termios.tcgetattr(self._fd)
            quiet[3] &= ~termios.ECHO
            termios.tcsetattr(self._fd, termios.TCSADRAIN, quiet)

    def on(self) -> bool:
        """Show it again; whether it was off."""
        if self._before is None:
            return False
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        self._before = None
        return True
