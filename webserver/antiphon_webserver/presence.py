"""Who has a worksheet open now, and where in it they are: told, never kept.

What belongs here: the windows, their carets, and the word to those who watch. What must never come here:
sockets, SQL.

Rules:
- Who is here and where the carets are, are states: a window that takes nothing meanwhile gets only the
  newest of each, and one message is made for all windows.
- News waits ``TELL_SECONDS``, so that many moves are one message; with many windows longer, so that what
  one worksheet sends stays below ``BYTES_PER_SECOND``.
- A list names at most so many: the people first by name, the carets that moved last.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, islice

import msgspec

from .errors import LimitExceeded
from .jsonrpc import encode_notification
from .model import Account, Caret, Person, WorksheetId

TELL_SECONDS = 0.05
"""As long as two frames of a screen take or three: nobody sees the difference."""

BYTES_PER_SECOND = 4 * 2**20
"""To all windows of one worksheet."""

PEOPLE = 100
CARETS = 32
"""More flags than that in one worksheet nobody can read."""

MOVES_PER_SECOND = 10
MOVES_BURST = 30

Notify = Callable[[str, bytes], None]
"""``notify(state, notification)`` takes the newest notification of a state for one window; never blocks."""


class Clock:
    """The event loop's time, and what happens later. Tests have their own."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, then)


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a worksheet open at one server, or some."""

    people: tuple[Person, ...] = ()
    carets: tuple[Caret, ...] = ()


class Window:
    """One open window. ``Presence.enter`` makes one."""

    def __init__(self, room: _Room, number: int, account: Account, notify: Notify) -> None:
        self.number = number
        self.account = account
        self.notify = notify
        self._room = room
        self._calm_at = 0.0  # from then on MOVES_BURST moves at once are allowed again

    def move(self, caret: Caret | None) -> None:
        """The window's caret is there now, or nowhere.

        Raises:
            LimitExceeded: it moves too often.
        """
        now = self._room.clock.now()
        if self._calm_at - now > (MOVES_BURST - 0.5) / MOVES_PER_SECOND:
            raise LimitExceeded(
                f"A caret may be told {MOVES_PER_SECOND} times a second.",
                limit="carets_per_second",
                value=MOVES_PER_SECOND,
            )
        self._calm_at = max(self._calm_at, now) + 1 / MOVES_PER_SECOND
        known = self._room.carets.pop(self.number, None)
        if caret is not None:
            self._room.carets[self.number] = caret
        if caret != known:
            self._room.news("carets")


class _Room:
    """The windows of one worksheet."""

    def __init__(self, worksheet: WorksheetId, clock: Clock) -> None:
        self.clock = clock
        self.windows: dict[int, Window] = {}
        self.carets: dict[int, Caret] = {}  # that moved last at the end
        self.elsewhere = Here()  # at other servers
        self._worksheet = worksheet
        self._untold: set[str] = set()
        self._next = 0.0
        self._waits = False

    def news(self, *states: str) -> None:
        self._untold.update(states)
        if not self._waits:
            self._waits = True
            self.clock.later(max(TELL_SECONDS, self._next - self.clock.now()), self._tell)

    def here(self) -> Here:
        """The windows of this server."""
        names = {window.account.name: window.account.display_name for window in self.windows.values()}
        windows = Counter(window.account.name for window in self.windows.values())
        people = tuple(
            Person(account=name, display_name=names[name], windows=windows[name]) for name in sorted(names)
        )
        return Here(people=people, carets=tuple(islice(reversed(self.carets.values()), CARETS)))

    def people(self) -> tuple[Person, ...]:
        """The people of all servers, by name."""
        found: dict[str, Person] = {}
        for person in (*self.here().people, *self.elsewhere.people):
            windows = person.windows + (found[person.account].windows if person.account in found else 0)
            found[person.account] = msgspec.structs.replace(person, windows=windows)
        return tuple(found[name] for name in sorted(found))

    def _tell(self) -> None:
        self._waits = False
        size = 0
        for state in sorted(self._untold):
            text = self._message(state)
            size += len(text)
            for window in self.windows.values():
                window.notify(state, text)
        self._untold.clear()
        self._next = self.clock.now() + size * len(self.windows) / BYTES_PER_SECOND

    def _message(self, state: str) -> bytes:
        if state == "carets":
            newest = (*self.here().carets, *self.elsewhere.carets)[:CARETS]
            return encode_notification("worksheet.carets", {"worksheet": self._worksheet, "carets": newest})
        people = self.people()
        params = {"worksheet": self._worksheet, "people": people[:PEOPLE], "more": len(people[PEOPLE:])}
        return encode_notification("worksheet.presence", params)


class Presence:
    """The open windows of every worksheet."""

    def __init__(self, clock: Clock | None = None, *, first: int = 1) -> None:
        """``first``: the number of the first window. Servers that share worksheets need numbers far apart."""
        self._clock = clock or Clock()
        self._rooms: dict[WorksheetId, _Room] = {}
        self._numbers = count(first)
        self._elsewhere: dict[WorksheetId, Here] = {}

    @contextmanager
    def enter(self, worksheet: WorksheetId, account: Account, notify: Notify) -> Iterator[Window]:
        """One window is open; every window of the worksheet, this one too, is told who is here."""
        room = self._rooms.setdefault(worksheet, _Room(worksheet, self._clock))
        room.elsewhere = self._elsewhere.get(worksheet, room.elsewhere)
        window = Window(room, next(self._numbers), account, notify)
        room.windows[window.number] = window
        room.news("presence", *(["carets"] if room.carets or room.elsewhere.carets else []))
        try:
            yield window
        finally:
            del room.windows[window.number]
            gone = room.carets.pop(window.number, None)
            if room.windows:
                room.news("presence", *(["carets"] if gone else []))
            elif self._rooms.get(worksheet) is room:
                del self._rooms[worksheet]

    def people(self, worksheet: WorksheetId) -> tuple[Person, ...]:
        """Who is here, by name."""
        room = self._rooms.get(worksheet)
        return self._elsewhere.get(worksheet, Here()).people if room is None else room.people()

    def here(self) -> dict[WorksheetId, Here]:
        """Who has which worksheet open at this server."""
        return {worksheet: room.here() for worksheet, room in self._rooms.items()}

    def show_elsewhere(self, others: Iterable[Mapping[WorksheetId, Here]]) -> None:
        """Who has which worksheet open at each other server. Windows are told what has changed."""
        before, after = self._elsewhere, dict[WorksheetId, Here]()
        for other in others:
            for worksheet, here in other.items():
                known = after.get(worksheet, Here())
                after[worksheet] = Here(people=known.people + here.people, carets=known.carets + here.carets)
        self._elsewhere = after
        for worksheet, room in self._rooms.items():
            old, new = before.get(worksheet, Here()), after.get(worksheet, Here())
            room.elsewhere = new
            if old.people != new.people:
                room.news("presence")
            if old.carets != new.carets:
                room.news("carets")
