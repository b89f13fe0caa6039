"""Who has a worksheet open now: counted, never stored.

What belongs here: the counts and the word to those who watch. What must never come here: sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .jsonrpc import encode_notification
from .model import Account, Person, WorksheetId

Notify = Callable[[bytes], None]
"""Takes a notification for one window; never blocks."""


class Presence:
    """The open windows of every worksheet."""

    def __init__(self) -> None:
        self._windows: dict[WorksheetId, dict[Notify, Account]] = {}

    @contextmanager
    def enter(self, worksheet: WorksheetId, account: Account, notify: Notify) -> Iterator[None]:
        """One window is open; every window of the worksheet, this one too, is told who is here."""
        windows = self._windows.setdefault(worksheet, {})
        windows[notify] = account
        self._tell(worksheet)
        try:
            yield
        finally:
            del windows[notify]
            if windows:
                self._tell(worksheet)
            else:
                self._windows.pop(worksheet, None)

    def people(self, worksheet: WorksheetId) -> tuple[Person, ...]:
        """Who is here, by name."""
        accounts = self._windows.get(worksheet, {}).values()
        windows = Counter(account.name for account in accounts)
        shown = {account.name: account.display_name for account in accounts}
        return tuple(
            Person(account=name, display_name=shown[name], windows=windows[name]) for name in sorted(windows)
        )

    def _tell(self, worksheet: WorksheetId) -> None:
        params = {"worksheet": worksheet, "people": self.people(worksheet)}
        notification = encode_notification("worksheet.presence", params)
        for notify in self._windows[worksheet]:
            notify(notification)
