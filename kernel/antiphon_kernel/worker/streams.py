"""``sys.stdout`` and ``sys.stderr``: text leaves the process as it is written.

Nothing is held back. A piece that waits for a newline or a timer is lost when the process dies,
shows late, and needs a thread; the reader joins neighbouring pieces anyway.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from .stage import Run


def well_formed(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become escapes, as on a terminal's stderr."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


class _Bytes(io.RawIOBase):
    """``sys.stdout.buffer``: bytes are taken as UTF-8."""

    def __init__(self, stream: OutputStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        taken = bytes(memoryview(data))  # type: ignore[arg-type]  # whatever has a buffer
        self._stream.write(taken.decode("utf-8", "backslashreplace"))
        return len(taken)


class OutputStream(io.TextIOBase):
    """One of the two output streams, of whichever run the writing code belongs to.

    Args:
        name: which one.
        descriptor: what ``fileno()`` tells; the same stream for C code and subprocesses.
        original: gets what no session's code wrote.
        current_run: tells whose code is writing.
    """

    def __init__(
        self,
        name: Literal["stdout", "stderr"],
        descriptor: int,
        original: TextIO,
        current_run: Callable[[], Run | None],
    ) -> None:
        self._name: Literal["stdout", "stderr"] = name
        self._descriptor = descriptor
        self._original = original
        self._current_run = current_run
        self._bytes = _Bytes(self)

    @property
    def name(self) -> str:
        return f"<{self._name}>"

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        return "backslashreplace"

    @property
    def buffer(self) -> io.RawIOBase:
        return self._bytes

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        run = self._current_run()
        if run is None:
            return self._original.write(text)
        if text:
            run.outlet.stream(run.parent, self._name, well_formed(text))
        return len(text)

    def flush(self) -> None:
        run = self._current_run()
        if run is None:
            self._original.flush()
        else:
            run.outlet.flush()

    def close(self) -> None:
        """Stays open: whoever closes ``sys.stdout`` does not mean the session's."""
