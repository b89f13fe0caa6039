"""The relay: what was published lately, encoded once, for any number of readers.

A *log* here is anything numbered: the feed of a session or the log of a worksheet. A *reader* is a
cursor into it and a wake-up, nothing more, so that a thousand readers cost a thousand integers.
What belongs here: the ring of recent items and the waiting. What must never come here: sockets,
SQL (the database stands behind ``Load``), rights.

Rules:
- Items are relayed as they arrive and may be stored later. The ring never drops what is not yet
  stored, so that whatever has left the ring is found in the database.
- A reader that was overtaken by the ring reads from the database until it is back in the ring.
- A number that neither holds is *gone*, and the reader is told so once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Generic, Literal, Protocol, TypeVar
from weakref import WeakValueDictionary

import msgspec

from .jsonrpc import encode_notification
from .model import AnyEntry, Entries, Publication, Publications, WorksheetId

RING_ITEMS = 10_000
"""Recent items held for each log: more than any reader that keeps up is ever behind."""

RING_BYTES = 8 * 2**20
"""Recent items held for each log, in bytes of their JSON. A larger ring only spares the database reads."""

BATCH_BYTES = 256 * 2**10
"""A batch for one reader ends after this many bytes (it holds at least one item), so that a reader
far behind shares the loop with the others and its share of memory stays small."""

BATCH_ITEMS = 1_000

SETTLE_SECONDS = 2.0
"""What is relayed is stored a fiftieth of a second later, unless the database is in trouble."""


class Numbered(Protocol):
    """Anything with a place in a log."""

    @property
    def number(self) -> int: ...


T = TypeVar("T", bound=Numbered)

Load = Callable[[int, int], Awaitable[tuple[Sequence[T], int]]]
"""``load(cursor, limit)`` reads from the database: the items after ``cursor``, oldest first, at most
``limit`` of them, and the number of the newest one stored."""


@dataclass(frozen=True)
class Batch(Generic[T]):
    """What a reader takes in one turn. Empty, and without ``gone``, when it is up to date.

    ``cursor`` is where to go on reading. ``gone`` comes before the items.
    """

    items: tuple[T, ...]
    encoded: bytes
    cursor: int
    latest: int
    gone: tuple[int, int] | None
    envelope: Callable[[Batch[T]], bytes]

    def __bool__(self) -> bool:
        return bool(self.items) or self.gone is not None

    @cached_property
    def notification(self) -> bytes:
        """The batch as a JSON-RPC notification; made once for all readers at the same cursor."""
        return self.envelope(self)


class Reader(Generic[T]):
    """A place in a log. ``log.reader`` makes one."""

    def __init__(self, log: Log[T], cursor: int) -> None:
        self._log = log
        self.cursor = cursor
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def next(self, limit: int = BATCH_ITEMS) -> Batch[T]:
        """Take what comes after the cursor and move it; wait while there is nothing.

        The result is empty only when the log has ended and everything was read.
        """
        while True:
            self._news.clear()
            batch = await self._log.read(self.cursor, limit)
            self.cursor = batch.cursor
            if batch or self._log.ended:
                return batch
            await self._news.wait()


class Log(Generic[T]):
    """The recent items of one log and the readers that wait for more."""

    def __init__(
        self,
        load: Load[T],
        envelope: Callable[[Batch[T]], bytes],
        *,
        latest: int = 0,
        ring_items: int = RING_ITEMS,
        ring_bytes: int = RING_BYTES,
    ) -> None:
        self._load = load
        self._envelope = envelope
        self._ring_items = ring_items
        self._ring_bytes = ring_bytes
        self._ring: deque[tuple[T, bytes]] = deque()
        self._bytes = 0
        self._stored = latest
        self._written: asyncio.Event | None = None
        self._readers: set[Reader[T]] = set()
        self._shared: tuple[int, int, Batch[T]] | None = None
        self.latest = latest
        self.ended = False
        self.reason = ""

    @property
    def idle(self) -> bool:
        """Nobody reads it."""
        return not self._readers

    @property
    def lags(self) -> list[int]:
        """By how many items each reader is behind."""
        return [max(0, self.latest - reader.cursor) for reader in self._readers]

    @contextmanager
    def reader(self, cursor: int) -> Iterator[Reader[T]]:
        """A reader that has seen everything up to ``cursor``."""
        reader = Reader(self, cursor)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def append(self, items: Sequence[T], *, stored: bool = False) -> list[int]:
        """Relay new items, in order. What is already known is ignored; a gap before them stays one.

        Args:
            stored: they are in the database already. Otherwise call ``mark_stored`` when they are.

        Returns: the bytes of each item's JSON, 0 for one that was known.
        """
        sizes: list[int] = []
        for item in items:
            if item.number <= self.latest:
                sizes.append(0)
                continue
            if item.number > self.latest + 1 and self._stored >= self.latest:
                # The database answers for the gap: two commits may be announced out of order.
                self._ring.clear()
                self._bytes = 0
            encoded = msgspec.json.encode(item)
            self._ring.append((item, encoded))
            self._bytes += len(encoded)
            sizes.append(len(encoded))
            self.latest = item.number
        if stored:
            self._stored = self.latest
        self._trim()
        self._wake()
        return sizes

    def mark_stored(self, number: int) -> None:
        """Everything up to ``number`` is in the database and may leave the ring."""
        self._stored = max(self._stored, number)
        if self._written is not None:
            self._written.set()
            self._written = None
        self._trim()

    async def settled(self) -> None:
        """Returns when all that was relayed until now is in the database, or never will be."""
        number = self.latest
        while self._stored < number and not self.ended:
            self._written = self._written or asyncio.Event()
            await self._written.wait()

    def end(self, reason: str = "") -> None:
        """Nothing will be appended any more. Readers take the rest and end.

        Args:
            reason: a sentence for those who read it.
        """
        self.ended = True
        self.reason = reason
        self.mark_stored(self._stored)
        self._wake()

    async def read(self, cursor: int, limit: int = BATCH_ITEMS) -> Batch[T]:
        """What comes after ``cursor``, without waiting: from the ring, or else from the database."""
        first = self._ring[0][0].number if self._ring else self.latest + 1
        if cursor >= self.latest > 0:
            return self._batch(cursor, [], None)
        if self._ring and cursor + 1 >= first:
            return self._from_ring(cursor, limit)
        rows, latest = await self._load(cursor, limit)
        if not self._ring:
            # Beside a ring, what the database has more is about to be announced: taken for known
            # now, it would never enter the ring, and those who wait at its end would never get it.
            self.latest = max(self.latest, latest)
        if not rows and self._ring and first > cursor + 1:
            # What left the ring was stored, so what is in neither never arrived.
            return self._from_ring(cursor, limit)
        return self._cut(cursor, ((row, msgspec.json.encode(row)) for row in rows))

    def _from_ring(self, cursor: int, limit: int) -> Batch[T]:
        """Readers that are up to date stand at the same cursor: they share one batch."""
        if self._shared and self._shared[:2] == (cursor, self.latest) and limit == BATCH_ITEMS:
            return self._shared[2]
        behind = self.latest - cursor
        if behind < len(self._ring) // 2:
            newer = list(islice(reversed(self._ring), behind))
            newer.reverse()
        else:
            newer = list(self._ring)
        batch = self._cut(cursor, islice((pair for pair in newer if pair[0].number > cursor), limit))
        if limit == BATCH_ITEMS:
            self._shared = (cursor, self.latest, batch)
        return batch

    def _cut(self, cursor: int, pairs: Iterator[tuple[T, bytes]]) -> Batch[T]:
        """The pairs up to the first gap, within the bound of bytes."""
        taken: list[tuple[T, bytes]] = []
        gone: tuple[int, int] | None = None
        size, last = 0, cursor
        for item, encoded in pairs:
            if item.number > last + 1:
                if taken:
                    break
                gone = (last + 1, item.number - 1)
            taken.append((item, encoded))
            last = item.number
            size += len(encoded)
            if size >= BATCH_BYTES:
                break
        return self._batch(last, taken, gone)

    def _batch(self, cursor: int, taken: list[tuple[T, bytes]], gone: tuple[int, int] | None) -> Batch[T]:
        return Batch(
            items=tuple(item for item, _ in taken),
            encoded=b"[" + b",".join(encoded for _, encoded in taken) + b"]",
            cursor=cursor,
            latest=max(self.latest, cursor),
            gone=gone,
            envelope=self._envelope,
        )

    def _trim(self) -> None:
        while self._ring and (len(self._ring) > self._ring_items or self._bytes > self._ring_bytes):
            item, encoded = self._ring[0]
            if item.number > self._stored:
                break
            self._ring.popleft()
            self._bytes -= len(encoded)

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake()


class Relay:
    """The logs that somebody follows or reads now. A log nobody holds is dropped with its ring.

    Args:
        publications: ``publications(session, cursor, limit)`` reads a stored feed, as ``Load`` does.
        entries: ``entries(worksheet, cursor, limit)`` reads the log of a worksheet, as ``Load`` does.
    """

    def __init__(
        self,
        publications: Callable[[str, int, int], Awaitable[tuple[Sequence[Publication], int]]],
        entries: Callable[[WorksheetId, int, int], Awaitable[tuple[Sequence[AnyEntry], int]]],
    ) -> None:
        self._load_publications = publications
        self._load_entries = entries
        self._feeds: WeakValueDictionary[str, Log[Publication]] = WeakValueDictionary()
        self._worksheets: WeakValueDictionary[WorksheetId, Log[AnyEntry]] = WeakValueDictionary()
        self.loads = 0

    def feed(self, session: str) -> Log[Publication]:
        """The feed of a session; the recorder appends to it."""
        log = self._feeds.get(session)
        if log is None:
            log = Log(
                self._counted(lambda cursor, limit: self._load_publications(session, cursor, limit)),
                lambda batch: _notification(
                    "feed.publications", "session", session, "publications", batch, gone=batch.gone
                ),
            )
            self._feeds[session] = log
        return log

    def worksheet(self, worksheet: WorksheetId) -> Log[AnyEntry]:
        """The log of a worksheet; ``announce`` appends to it."""
        log = self._worksheets.get(worksheet)
        if log is None:
            log = Log(
                self._counted(lambda cursor, limit: self._load_entries(worksheet, cursor, limit)),
                lambda batch: _notification("worksheet.entries", "worksheet", worksheet, "entries", batch),
            )
            self._worksheets[worksheet] = log
        return log

    def watched(self) -> dict[WorksheetId, int]:
        """The worksheets whose log somebody reads now, and up to which entry it is known here."""
        return {id: log.latest for id, log in self._worksheets.items() if not log.idle}

    def _counted(self, load: Load[T]) -> Load[T]:
        async def counted(cursor: int, limit: int) -> tuple[Sequence[T], int]:
            self.loads += 1
            return await load(cursor, limit)

        return counted

    def readers(self, kind: Literal["feed", "worksheet"]) -> list[int]:
        """By how many items each reader of the logs of this kind is behind."""
        logs = self._feeds if kind == "feed" else self._worksheets
        return [lag for log in logs.values() for lag in log.lags]

    def announce(self, worksheet: WorksheetId, entries: Sequence[AnyEntry]) -> None:
        """Relay entries that were committed. Without readers there is nothing to do."""
        log = self._worksheets.get(worksheet)
        if log is not None:
            log.append(entries, stored=True)

    def forget(self, worksheet: WorksheetId, reason: str) -> None:
        """The worksheet was deleted: whoever reads it is told, and its log has ended."""
        log = self._worksheets.pop(worksheet, None)
        if log is not None:
            log.end(reason)

    async def settled(self) -> None:
        """Returns when what was relayed until now is in the database, or after ``SETTLE_SECONDS``: who was
        told of a blob may ask for it before it is stored."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                for log in list(self._feeds.values()):
                    await log.settled()

    async def entries_since(self, worksheet: WorksheetId, cursor: int, *, limit: int, wait: float) -> Entries:
        """What the log has after ``cursor``; waits up to ``wait`` seconds while that is nothing."""
        batch = await self._next(self.worksheet(worksheet), cursor, limit, wait)
        return Entries(entries=batch.items, latest=batch.latest)

    async def publications_since(self, session: str, cursor: int, *, limit: int, wait: float) -> Publications:
        """What the feed has after ``cursor``; waits up to ``wait`` seconds while that is nothing."""
        batch = await self._next(self.feed(session), cursor, limit, wait)
        return Publications(publications=batch.items, latest=batch.latest, gone=batch.gone)

    async def _next(self, log: Log[T], cursor: int, limit: int, wait: float) -> Batch[T]:
        if wait <= 0:
            return await log.read(cursor, limit)
        with log.reader(cursor) as reader:
            try:
                async with asyncio.timeout(wait):
                    return await reader.next(limit)
            except TimeoutError:
                return await log.read(cursor, limit)


def _notification(method: str, noun: str, name: str, items: str, batch: Batch[T], **more: object) -> bytes:
    params = {noun: name, items: msgspec.Raw(batch.encoded), "latest": batch.latest, **more}
    return encode_notification(method, params)
