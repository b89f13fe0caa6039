"""Changes of a text, in the form of CodeMirror's change sets.

A change set says of a whole text, from its beginning to its end, what is kept, what is deleted and
what is inserted. As JSON it is a list of parts:

    5                     keep 5 units
    [3]                   delete 3
    [3, "line", "line"]   delete 3 and insert these lines, joined by line feeds; [0, …] only inserts

Units are UTF-16 code units, as in JavaScript; a carriage return is an ordinary character. Pure. The
page computes with ``@codemirror/state``; a property test compares the two.

Source: CodeMirror 6, reference manual, ``ChangeSet``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

Units: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]

Changes: TypeAlias = tuple[Units | tuple[Units | str, ...], ...]
"""A change set as it is on the wire and in the log."""

LINES_COMPARED = 2_000
"""Lines of two texts, together, up to which ``difference`` looks for what they share in the middle."""


class ChangesError(ValueError):
    """Changes that are no change set, or not one of this text. The message is a sentence."""


class Part(NamedTuple):
    """One stretch of a change set: ``length`` units are kept, or replaced by ``inserted``."""

    length: int
    inserted: str | None = None


def parse(changes: Changes) -> list[Part]:
    """The parts of a change set.

    Raises:
        ChangesError: a part has the wrong form.
    """
    return list(_parse(changes))


def _parse(changes: Changes) -> Iterator[Part]:
    for part in changes:
        if isinstance(part, int):
            yield Part(part)
        else:
            match part:
                case (int() as deleted, *lines) if all(isinstance(line, str) for line in lines):
                    yield Part(deleted, "\n".join(map(str, lines)))
                case _:
                    raise ChangesError("a part is a number, or a list of a number and lines of text")


def write(parts: Iterable[Part]) -> Changes:
    """The shortest change set with this effect: neighbours that keep, or replace, are one part."""
    written: list[Part] = []
    for length, inserted in parts:
        if length == 0 and not inserted:
            continue
        last = written[-1] if written else None
        if last is None or (last.inserted is None) != (inserted is None):
            written.append(Part(length, inserted))
        else:
            joined = None if inserted is None else (last.inserted or "") + inserted
            written[-1] = Part(last.length + length, joined)
    return tuple(_written(part) for part in written)


def _written(part: Part) -> int | tuple[int | str, ...]:
    if part.inserted is None:
        return part.length
    return (part.length, *part.inserted.split("\n")) if part.inserted else (part.length,)


def units(text: str) -> int:
    """The length of a text in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def apply(changes: Changes, text: str) -> str:
    """The text after the changes.

    Raises:
        ChangesError: they are for a text of another length, or cut a character in two.
    """
    parts = parse(changes)
    length = sum(part.length for part in parts)
    if length != units(text):
        raise ChangesError(f"they are for a text of {length} units; this one has {units(text)}")
    at = 0
    if text.isascii():  # nearly every program: its units are its characters
        kept = []
        for length, inserted in parts:
            kept.append(text[at : at + length] if inserted is None else inserted)
            at += length
        return "".join(kept)
    old = text.encode("utf-16-le")
    pieces = []
    for length, inserted in parts:
        pieces.append(old[at : at + 2 * length] if inserted is None else inserted.encode("utf-16-le"))
        at += 2 * length
    try:
        return b"".join(pieces).decode("utf-16-le")
    except UnicodeDecodeError:
        raise ChangesError("they cut a character of two units in two") from None


def moved(changes: Changes, start: int, end: int) -> tuple[int, int] | None:
    """Where a stretch of the text stands after the changes; None when nothing of it is left.

    What is inserted at its edges is outside of it. The page computes the same with ``ChangeDesc.mapPos``.
    """
    start, end = _place(changes, start, after=True), _place(changes, end, after=False)
    return (start, end) if start < end else None


def _place(changes: Changes, place: int, *, after: bool) -> int:
    """Where a place of the text is after the changes; what is inserted there comes before or ``after`` it.

    Source: CodeMirror 6, ``ChangeDesc.mapPos``, of which this is the case without a mode.
    """
    old = new = 0
    for length, inserted in _parse(changes):
        if inserted is None:
            if old + length > place:
                break
            new += length
        else:
            added = units(inserted)
            if old + length > place or (old + length == place and not after and length == 0):
                return new if place == old or not after else new + added
            new += added
        old += length
    return new + place - old


def part(text: str, start: int, end: int) -> str:
    """The stretch of a text between two places, counted in UTF-16 units; half a character is left out."""
    if text.isascii():
        return text[start:end]
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", "ignore")


def compose(first: Changes, second: Changes) -> Changes:
    """One change set that does what two do, one after the other.

    Raises:
        ChangesError: the second is not for the text that the first makes, or cuts a character in two.
    """
    made = [
        (part.length, None if part.inserted is None else part.inserted.encode("utf-16-le"))
        for part in _parse(first)
    ]
    made.reverse()
    composed: list[Part] = []
    for length, inserted in _parse(second):
        left = length
        while left:
            if not made:
                raise ChangesError("they are for a longer text than the changes before make")
            kept, text = made.pop()
            if text is None:
                taken = min(left, kept)
                if kept > taken:
                    made.append((kept - taken, None))
                composed.append(Part(taken) if inserted is None else Part(taken, ""))
            else:
                taken = min(left, len(text) // 2)
                if len(text) > 2 * taken:
                    made.append((0, text[2 * taken :]))
                composed.append(Part(kept, _decoded(text[: 2 * taken]) if inserted is None else ""))
            left -= taken
        if inserted is not None:
            composed.append(Part(0, inserted))
    for kept, text in reversed(made):
        if text != b"":
            raise ChangesError("they are for a shorter text than the changes before make")
        composed.append(Part(kept, ""))
    return write(composed)


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-16-le")
    except UnicodeDecodeError:
        raise ChangesError("they cut a character of two units in two") from None


def difference(before: str, after: str) -> Changes:
    """What turns one text into the other.

    Changes in two places stay two where that is cheap to find: what somebody else writes between
    them keeps its place.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if len(old) + len(new) > LINES_COMPARED:
        return write(_trimmed(before, after))
    parts: list[Part] = []
    for kind, i, j, k, n in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone = "".join(old[i:j])
        if kind == "equal":
            parts.append(Part(units(gone)))
        else:
            parts += _trimmed(gone, "".join(new[k:n]))
    return write(parts)


def _trimmed(before: str, after: str) -> Iterator[Part]:
    """One replacement, of the characters that differ."""
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    yield Part(units(before[:start]))
    yield Part(units(before[start : len(before) - end]), after[start : len(after) - end])
    yield Part(units(before[len(before) - end :]))
