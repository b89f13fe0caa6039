"""Output of sessions as text for a terminal or a pipe.

Output is hostile: a control sequence could rewrite what stands on the screen, the window's title or the
clipboard. A terminal gets it with every control sequence made visible but colours; a pipe gets what was
written, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(r"\x1b\[[0-9;:]*m|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_UNFINISHED = re.compile(r"\x1b(\[[0-9;:]{0,64})?\Z")

RESET = "\x1b[0m"


class Escaper:
    """Makes control sequences visible, except colours, line feed, tab and carriage return.

    Text comes in pieces, and a colour may be cut by the end of one: the tail waits for the next piece.
    Call ``flush`` after the last one, or a cut sequence stays unwritten.
    """

    def __init__(self) -> None:
        self._tail = ""
        self._coloured = False

    def feed(self, text: str) -> str:
        text = self._tail + text
        cut = _UNFINISHED.search(text)
        self._tail = text[cut.start() :] if cut else ""
        return _CONTROL.sub(self._visible, text[: cut.start()] if cut else text)

    def flush(self) -> str:
        """What was held back, and the terminal's own colour again."""
        rest = _CONTROL.sub(self._visible, self._tail)
        self._tail = ""
        reset = RESET if self._coloured else ""
        self._coloured = False
        return rest + reset

    def _visible(self, match: re.Match[str]) -> str:
        found = match.group()
        if len(found) > 1:
            self._coloured = True
            return found
        return _caret(found)


def _caret(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return "^" + chr(code + 0x40)
    return "^?" if code == 0x7F else f"\\x{code:02x}"


def escape(text: str) -> str:
    """``text`` with its control sequences made visible; colours stay and end with it."""
    escaper = Escaper()
    return escaper.feed(text) + escaper.flush()


def escape_line(text: str) -> str:
    """``text`` for one line of a table: without colours, and every control character made visible."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: _caret(match.group()), strip_colours(text))


def strip_colours(text: str) -> str:
    """``text`` without its colours."""
    return _COLOUR.sub("", text)


def table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as what is in them, two spaces apart. The last line has no line feed."""
    clean = [tuple(escape_line(value) for value in row) for row in rows]
    widths = [max(len(row[column]) for row in [titles, *clean]) for column in range(len(titles))]
    lines = [
        "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in [titles, *clean]
    ]
    return "\n".join(lines)
