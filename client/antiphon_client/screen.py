"""What a session's code wrote, on this program's own stdout and stderr."""

from __future__ import annotations

import os
from typing import Any, TextIO

from antiphon_client.terminal import Escaper, strip_colours


class _Stream:
    """One of the two. On a terminal control sequences are escaped; elsewhere text passes unchanged."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.terminal = file.isatty()
        self.colours = self.terminal and not os.environ.get("NO_COLOR")
        self._escaper = Escaper()
        self._column_zero = True

    def write(self, text: str) -> None:
        if self.terminal:
            text = self._escaper.feed(text)
        if text:
            self._file.write(text)
            self._column_zero = text.endswith("\n")

    def line(self, text: str) -> None:
        """``text`` on lines of its own."""
        self.write(text if self._column_zero else "\n" + text)
        if not text.endswith("\n"):
            self.write("\n")

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.write(self._escaper.flush())
        self._file.flush()


class Screen:
    """Shows publications: streams as they were written, results and pictures as their text.

    Call ``flush`` when no more is at hand, ``close`` at the end.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out = _Stream(out)
        self.err = _Stream(err)

    def stream(self, name: str, text: str) -> None:
        (self.err if name == "stderr" else self.out).write(text)

    def data(self, data: dict[str, Any]) -> None:
        """One value in several representations: its plain text, or the names of what there is."""
        plain = data.get("text/plain")
        self.out.line(plain if isinstance(plain, str) else f"<{', '.join(map(str, data)) or 'no data'}>")

    def traceback(self, content: dict[str, Any]) -> None:
        """The content of an ``error`` or of a failed ``execute_reply``."""
        lines = content.get("traceback") or [f"{content.get('ename')}: {content.get('evalue')}"]
        text = "\n".join(map(str, lines))
        self.err.line(text if self.err.colours else strip_colours(text))

    def note(self, text: str) -> None:
        """A sentence of this program, not of the code."""
        self.err.line(text)

    def prompt(self, text: str) -> None:
        self.err.write(text)
        self.flush()

    def flush(self) -> None:
        self.out.flush()
        self.err.flush()

    def close(self) -> None:
        self.out.close()
        self.err.close()
