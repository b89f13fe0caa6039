"""What a terminal shows of a text: a pure fold.

Progress bars write over what they wrote: by carriage returns, backspaces, cursor moves and erasures. The
terminal here is as wide as any line and ``HEIGHT`` lines high; what has scrolled out of it stays as it is.
``folded`` gives a text that brings another terminal to the same state, cursor and colour included, so that
it can be gone on with: ``folded(folded(a) + b)`` says what ``a + b`` does. ``shown`` gives what people see.
``frontend/src/terminal.ts`` has the same rules.

Source: ECMA-48, sections 8.3.22 (CUU), 8.3.19 (CUD), 8.3.20 (CUF), 8.3.18 (CUB), 8.3.9 (CHA), 8.3.21 (CUP),
8.3.41 (EL), 8.3.39 (ED), 8.3.117 (SGR). Tested against pyte.
"""

from __future__ import annotations

import re

HEIGHT = 24

MOVES = re.compile(r"[\r\b\x0b\x0c]|\x1b(?!\[[0-9;:]*m)")
"""A text without any of these is shown as it is."""

_TOKEN = re.compile(
    r"[^\x00-\x08\x0a-\x1f\x7f]+"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]"
)

_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|\][^\x07\x1b]{0,2000}\x1b?|[ -/]{0,8})?\Z")

_FAR = 10_000
"""No column is further out: a move to column 10⁹ would fill memory with spaces."""

Style = tuple[str, ...]
"""Parameters of SGR, one for each aspect that is not the default, in the order of the aspects."""

_ASPECTS = {
    **dict.fromkeys(("1", "2"), 0),
    "3": 1,
    "4": 2,
    "7": 3,
    "9": 4,
    **dict.fromkeys([str(code) for code in (*range(30, 38), *range(90, 98))], 5),
    **dict.fromkeys([str(code) for code in (*range(40, 48), *range(100, 108))], 6),
}
_ENDS = {"22": 0, "23": 1, "24": 2, "27": 3, "29": 4, "39": 5, "49": 6}
_PLAIN: Style = ("",) * 7


def folded(text: str) -> str:
    """A short text that makes of an empty terminal what ``text`` makes of it."""
    if not MOVES.search(text):
        return text
    terminal = _Terminal()
    terminal.feed(text)
    return terminal.state


def shown(text: str) -> str:
    """What stands on the terminal at the end, with its colours."""
    if not MOVES.search(text):
        return text
    terminal = _Terminal()
    terminal.feed(text)
    return terminal.shown


class _Line:
    """A line; ``styles`` is None while all of it is plain."""

    __slots__ = ("styles", "text")

    def __init__(self) -> None:
        self.text = ""
        self.styles: list[Style] | None = None

    def write(self, column: int, text: str, style: Style) -> None:
        if column > len(self.text):
            gap = column - len(self.text)
            self.text += " " * gap
            if self.styles is not None:
                self.styles += [_PLAIN] * gap
        end = column + len(text)
        if self.styles is None and style is not _PLAIN:
            self.styles = [_PLAIN] * len(self.text)
        if self.styles is not None:
            self.styles[column:end] = [style] * len(text)
        self.text = self.text[:column] + text + self.text[end:]

    def cut(self, column: int) -> None:
        self.text = self.text[:column]
        if self.styles is not None:
            del self.styles[column:]

    def __str__(self) -> str:
        if self.styles is None:
            return self.text
        parts: list[str] = []
        last = _PLAIN
        begin = 0
        for at, style in enumerate(self.styles):
            if style != last:
                parts.append(self.text[begin:at])
                parts.append(_sgr(style))
                begin, last = at, style
        parts.append(self.text[begin:])
        if last != _PLAIN:
            parts.append("\x1b[0m")
        return "".join(parts)


def _sgr(style: Style) -> str:
    return f"\x1b[{';'.join(('0', *filter(None, style)))}m"


class _Terminal:
    def __init__(self) -> None:
        self._lines = [_Line()]
        self._row = 0
        self._column = 0
        self._top = 0
        self._style = _PLAIN
        self._rest = ""

    def feed(self, text: str) -> None:
        """Write more; an escape sequence that is cut by the end goes on with what comes next."""
        unfinished = _UNFINISHED.search(text)
        if unfinished:
            self._rest = unfinished[0]
            text = text[: unfinished.start()]
        for match in _TOKEN.finditer(text):
            token = match[0]
            first = token[0]
            if first == "\x1b":
                if token[1] == "[":
                    self._control(token[2:-1], token[-1])
            elif first == "\n" or first in "\x0b\x0c":
                self._feed_line()
            elif first == "\r":
                self._column = 0
            elif first == "\b":
                self._column = max(0, self._column - 1)
            elif first >= " " or first == "\t":
                self._lines[self._row].write(self._column, token, self._style)
                self._column += len(token)

    @property
    def shown(self) -> str:
        return "\n".join(map(str, self._lines))

    @property
    def state(self) -> str:
        last = len(self._lines) - 1
        back = "" if self._row == last else f"\x1b[{last - self._row}A"
        if back or self._column != len(self._lines[last].text):
            back += "\r" + (f"\x1b[{self._column}C" if self._column else "")
        style = "" if self._style == _PLAIN else _sgr(self._style)
        return self.shown + back + style + self._rest

    def _feed_line(self) -> None:
        self._go(self._row + 1)
        self._column = 0

    def _go(self, row: int) -> None:
        while len(self._lines) <= row:
            self._lines.append(_Line())
        self._row = row
        self._top = max(self._top, row - HEIGHT + 1)

    def _control(self, parameters: str, final: str) -> None:
        if parameters[:1] in ("?", ">", "=", "<"):
            return
        if final == "m":
            self._style = _styled(self._style, parameters)
            return
        numbers = [int(part) if part.isdecimal() else 0 for part in parameters[:64].split(";")]
        count = min(max(numbers[0], 1), _FAR)
        match final:
            case "A":
                self._row = max(self._top, self._row - count)
            case "B":
                self._go(min(self._top + HEIGHT - 1, self._row + count))
            case "C":
                self._column = min(self._column + count, _FAR)
            case "D":
                self._column = max(0, self._column - count)
            case "E":
                self._go(min(self._top + HEIGHT - 1, self._row + count))
                self._column = 0
            case "F":
                self._row = max(self._top, self._row - count)
                self._column = 0
            case "G":
                self._column = count - 1
            case "H" | "f":
                self._go(self._top + min(count, HEIGHT) - 1)
                self._column = min(max(numbers[1], 1), _FAR) - 1 if len(numbers) > 1 else 0
            case "K":
                self._erase_line(numbers[0])
            case "J":
                self._erase_display(numbers[0])

    def _erase_line(self, what: int) -> None:
        line = self._lines[self._row]
        if what == 0:
            line.cut(self._column)
        elif what == 1:
            if self._column + 1 >= len(line.text):
                line.cut(0)
            else:
                line.write(0, " " * (self._column + 1), _PLAIN)
        elif what == 2:
            line.cut(0)

    def _erase_display(self, what: int) -> None:
        if what == 0:
            self._erase_line(0)
            gone = self._lines[self._row + 1 :]
        elif what == 1:
            self._erase_line(1)
            gone = self._lines[self._top : self._row]
        else:
            gone = self._lines[self._top :]
        for line in gone:
            line.cut(0)


def _styled(style: Style, parameters: str) -> Style:
    """The style after SGR with these parameters."""
    now = list(style)
    codes = iter(parameters.replace(":", ";").split(";"))
    for code in codes:
        code = code.lstrip("0")
        if code == "":
            now = list(_PLAIN)
        elif code in _ENDS:
            now[_ENDS[code]] = ""
        elif code in ("38", "48"):
            kind = next(codes, "")
            count = {"5": 1, "2": 3}.get(kind, 0)
            values = [next(codes, "0") or "0" for _ in range(count)]
            if count:
                now[5 if code == "38" else 6] = ";".join((code, kind, *values))
        elif code in _ASPECTS:
            now[_ASPECTS[code]] = code
    return tuple(now) if any(now) else _PLAIN
