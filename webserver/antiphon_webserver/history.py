"""A worksheet's past: the fold of its log, and its log in spans for people.

Pure: entries in, values out. The cells at number *n* are the fold of the entries up to *n*; folded to
the end, they are the rows of the table ``cells``, which a test compares. The title and the members are
not part of it: they stay as they are when an earlier state is restored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce

from msgspec.structs import replace

from .changes import apply, compose
from .model import (
    AnyEntry,
    Cell,
    CellAnnotated,
    CellConverted,
    CellCreated,
    CellDeleted,
    CellEdited,
    CellId,
    CellMoved,
    CellsMarked,
    CommentCreated,
    Merged,
    RunCreated,
    Span,
    WorksheetRestored,
)

PAUSE_SECONDS = 60
"""After a pause this long somebody has begun something new."""


class Fold:
    """The cells, entry by entry, from the beginning of the log or from ``cells`` at some number."""

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self._cells = {cell.id: cell for cell in cells}
        self._order = list(self._cells)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """In their order."""
        return tuple(self._cells[id] for id in self._order)

    def cell(self, id: CellId) -> Cell | None:
        return self._cells.get(id)

    def before(self, id: CellId) -> CellId | None:
        """The cell that stands before this one; None at the top."""
        at = self._order.index(id)
        return self._order[at - 1] if at else None

    def take(self, entry: AnyEntry) -> None:
        """The next entry of the log. What was known already changes nothing."""
        match entry:
            case CellCreated(cell=cell) if cell.id not in self._cells:
                self._cells[cell.id] = cell
                self._place(cell.id, entry.after)
            case CellEdited() if entry.version > self._cells[entry.cell].version:
                cell = self._cells[entry.cell]
                source = apply(entry.changes, cell.source) if entry.source is None else entry.source
                self._cells[cell.id] = replace(cell, source=source, version=entry.version)
            case CellConverted():
                self._cells[entry.cell] = replace(self._cells[entry.cell], type=entry.type)
            case CellAnnotated():
                self._cells[entry.cell] = replace(self._cells[entry.cell], metadata=entry.metadata)
            case CellMoved():
                self._order.remove(entry.cell)
                self._place(entry.cell, entry.after)
            case CellDeleted() if entry.cell in self._cells:
                del self._cells[entry.cell]
                self._order.remove(entry.cell)

    def _place(self, id: CellId, after: CellId | None) -> None:
        self._order.insert(0 if after is None else self._order.index(after) + 1, id)


def apart(earlier: str, later: str) -> bool:
    """Whether two times belong to different spans: after a pause, or beyond a full five minutes.

    It looks at two neighbours only, so that the spans are the same wherever one begins to read.

    Args:
        earlier, later: as ``clock.iso`` writes them.
    """
    if _five_minutes(earlier) != _five_minutes(later):
        return True
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() >= PAUSE_SECONDS


def _five_minutes(date: str) -> str:
    return date[:15] + ("0" if date[15:16] < "5" else "5")


def spans(entries: Iterable[AnyEntry]) -> Iterator[Span]:
    """The log as people remember it: what was done without a pause, by whoever took part.

    Args:
        entries: of one log, oldest first, without gaps.
    """
    together: list[AnyEntry] = []
    for entry in entries:
        if isinstance(entry, Merged | CellsMarked):
            continue  # nobody did it
        if together and apart(together[-1].date, entry.date):
            yield _span(together)
            together = []
        together.append(entry)
    if together:
        yield _span(together)


def _span(entries: list[AnyEntry]) -> Span:
    kinds: dict[str, int] = {}
    cells: dict[CellId, None] = {}
    for entry in entries:
        kind = str(type(entry).__struct_config__.tag)
        kinds[kind] = kinds.get(kind, 0) + 1
        if (cell := _concerns(entry)) is not None:
            cells[cell] = None
    return Span(
        first=entries[0].number,
        last=entries[-1].number,
        began=entries[0].date,
        ended=entries[-1].date,
        authors=tuple(dict.fromkeys(entry.author for entry in entries)),
        kinds=kinds,
        cells=tuple(cells),
    )


def _concerns(entry: AnyEntry) -> CellId | None:
    match entry:
        case CellCreated():
            return entry.cell.id
        case CellEdited() | CellConverted() | CellAnnotated() | CellMoved() | CellDeleted():
            return entry.cell
        case CommentCreated():
            return entry.cell
        case RunCreated():
            return entry.run.cell
        case _:
            return None


def merge(entries: Iterable[AnyEntry], until: Mapping[CellId, int]) -> tuple[list[CellEdited], list[int]]:
    """What stands for several edits, and the numbers of those that it stands for.

    Edits of one cell by one author, with nothing else about that cell between them and not ``apart``, become
    the last of them: a state between them is one that nobody stopped at. An edit that was merged before is
    taken as it is.

    Args:
        entries: of one log, oldest first.
        until: cells of which no edit with a greater number may be merged: ranges moved with each of them.

    Returns: the entries to write anew, and the numbers of those to take out.
    """
    groups: list[list[CellEdited]] = []
    open_groups: dict[CellId | None, list[CellEdited]] = {}
    for entry in entries:
        cell = _concerns(entry)
        if not isinstance(entry, CellEdited):
            if isinstance(entry, WorksheetRestored):
                open_groups.clear()  # the state before is the one that people may want back
            open_groups.pop(cell, None)
            continue
        if entry.number > until.get(entry.cell, entry.number):
            continue
        group = open_groups.get(cell)
        if group is None or not _goes_on(group[-1], entry):
            group = open_groups[cell] = []
            groups.append(group)
        group.append(entry)
    written = [_merged(group) for group in groups if len(group) > 1]
    return written, [edit.number for group in groups for edit in group[:-1]]


def _goes_on(last: CellEdited, edit: CellEdited) -> bool:
    if edit.first or edit.author != last.author or edit.version != last.version + 1:
        return False
    return not apart(last.date, edit.date)


def _merged(group: list[CellEdited]) -> CellEdited:
    first, last = group[0], group[-1]
    return replace(
        last,
        changes=reduce(compose, (edit.changes for edit in group)),
        first=first.first or first.number,
    )


def to_move(now: list[CellId], then: list[CellId]) -> set[CellId]:
    """The fewest cells to move so that ``now`` stands in the order of ``then``; the same cells in both.

    All but a longest ascending row of them: people follow a few moves more easily than a reshuffle.
    """
    place = {id: at for at, id in enumerate(then)}
    lowest: list[int] = []  # by length of row: the lowest place at which such a row ends
    ends: list[CellId] = []
    comes_before: dict[CellId, CellId | None] = {}
    for id in now:
        length = bisect_left(lowest, place[id])
        comes_before[id] = ends[length - 1] if length else None
        lowest[length:] = [place[id], *lowest[length + 1 :]]
        ends[length:] = [id, *ends[length + 1 :]]
    stays: set[CellId] = set()
    last = ends[-1] if ends else None
    while last is not None:
        stays.add(last)
        last = comes_before[last]
    return set(now) - stays
