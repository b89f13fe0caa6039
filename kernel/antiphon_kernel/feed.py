"""The bounded log of one session's publications, numbered 1, 2, 3, … without gaps.

What belongs here: what is held, what is gone. What must never come here: who reads it, and when.
The oldest publications go first when a bound is reached; a reader whose cursor is older is told
exactly which numbers it can no longer get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .message import Message

FEED_BYTES = 32 * 1024 * 1024
"""Bytes of publications held for a session, as they are on the wire. A recorder that reads at
1 MB/s may be away for half a minute of the fastest output, and any time of ordinary output."""

FEED_COUNT = 100_000
"""Publications held for a session: small ones cost more as objects than their bytes tell."""

ALL_FEEDS_BYTES = 1024 * 1024 * 1024
"""Memory that all feeds may take together: of 1000 sessions, each surely has 1 MiB of it."""

PUBLICATION_BYTES = 512
"""What a publication takes as an object, beside its bytes on the wire. Measured of short streams: 570
bytes, where the wire has 175."""

SLICE_BYTES = 4 * 1024 * 1024
"""Bytes that one slice may have (a single larger publication goes alone): a reader far behind
catches up in steps, and no reply holds up the others for long."""


class Slice(NamedTuple):
    """What a reader gets. ``gone``: first and last number after its cursor that are not held."""

    publications: Sequence[Message]
    latest: int
    gone: tuple[int, int] | None


class Feed:
    """One session's log.

    Args:
        max_bytes: bytes held; the newest publication stays, however large.
        max_count: publications held.
    """

    def __init__(self, *, max_bytes: int = FEED_BYTES, max_count: int = FEED_COUNT) -> None:
        self._max_bytes = max_bytes
        self._max_count = max_count
        # A list with a moving start, not a deque: readers ask for places in the middle.
        self._held: list[tuple[Message, int] | None] = []
        self._start = 0
        self._bytes = 0
        self._latest = 0

    @property
    def latest(self) -> int:
        """The number of the newest publication, 0 before the first."""
        return self._latest

    @property
    def first(self) -> int:
        """The number of the oldest publication held; ``latest + 1`` while there is none."""
        return self._latest - len(self) + 1

    @property
    def bytes(self) -> int:
        """Bytes held."""
        return self._bytes

    @property
    def memory(self) -> int:
        """Bytes of memory that the publications take, nearly."""
        return self._bytes + len(self) * PUBLICATION_BYTES

    def __len__(self) -> int:
        return len(self._held) - self._start

    def skip_to(self, latest: int) -> None:
        """Begin behind this number: those up to it are another kernel's, and gone. Only of an empty feed."""
        if self._held or self._latest:
            raise ValueError("a feed that has begun skips nothing")
        self._latest = latest

    def append(self, publication: Message, size: int) -> int:
        """Add the next publication; gives the bytes by which ``memory`` has grown.

        Args:
            publication: its ``header.number`` is ``latest + 1``.
            size: its bytes on the wire; the caller has encoded it anyway.
        """
        if publication.header.number != self._latest + 1:
            raise ValueError(f"number {publication.header.number} does not follow {self._latest}")
        self._held.append((publication, size))
        self._latest += 1
        self._bytes += size
        grown = size + PUBLICATION_BYTES
        while self._bytes > self._max_bytes or len(self._held) - self._start > self._max_count:
            if len(self) == 1:
                break
            grown -= self._drop_oldest()
        return grown

    def since(self, cursor: int, limit: int, max_bytes: int = SLICE_BYTES) -> Slice:
        """What came after the publication numbered ``cursor``, oldest first.

        Args:
            cursor: the last number the reader has; 0 for all.
            limit: at most so many publications.
            max_bytes: stop before this many bytes, but give at least one publication.
        """
        gone = (cursor + 1, self.first - 1) if cursor + 1 < self.first else None
        place = self._start + max(cursor + 1 - self.first, 0)
        publications: list[Message] = []
        total = 0
        for entry in self._held[place : place + limit]:
            assert entry is not None
            total += entry[1]
            if publications and total > max_bytes:
                break
            publications.append(entry[0])
        return Slice(publications, self._latest, gone)

    def shrink(self, memory: int) -> None:
        """Give up the oldest publications until they take no more than this; the newest one stays."""
        while len(self) > 1 and self.memory > memory:
            self._drop_oldest()

    def _drop_oldest(self) -> int:
        """Gives the bytes of memory that it took."""
        entry = self._held[self._start]
        assert entry is not None
        self._bytes -= entry[1]
        self._held[self._start] = None
        self._start += 1
        # Moving the rest forward once it is the smaller half costs a constant per publication.
        if self._start > len(self._held) // 2:
            del self._held[: self._start]
            self._start = 0
        return entry[1] + PUBLICATION_BYTES


class Feeds:
    """All feeds of a kernel, which share a bound.

    When it is reached, those that hold most give up their oldest publications, none more than what it
    has above an equal share. So output without end costs the history of the sessions that print it,
    and a feed that is no longer than its share loses nothing to the others.

    Args:
        max_memory: bytes that they take together, but for the newest publication of each.
        max_bytes, max_count: of each, as ``Feed``.
    """

    SLACK = 64
    """Room for this part of the bound is made at once, so that it is made seldom."""

    def __init__(
        self,
        *,
        max_memory: int = ALL_FEEDS_BYTES,
        max_bytes: int = FEED_BYTES,
        max_count: int = FEED_COUNT,
    ) -> None:
        self._max_memory = max_memory
        self._max_bytes = max_bytes
        self._max_count = max_count
        self._feeds: dict[int, Feed] = {}
        self._memory = 0

    @property
    def memory(self) -> int:
        """Bytes of memory that all take together, nearly."""
        return self._memory

    def new(self) -> Feed:
        """A feed that counts until it is forgotten."""
        feed = Feed(max_bytes=self._max_bytes, max_count=self._max_count)
        self._feeds[id(feed)] = feed
        return feed

    def forget(self, feed: Feed) -> None:
        """Count this feed no longer."""
        del self._feeds[id(feed)]
        self._memory -= feed.memory

    def append(self, feed: Feed, publication: Message, size: int) -> None:
        """``feed.append``, and make room for it."""
        self._memory += feed.append(publication, size)
        if self._memory > self._max_memory:
            self._make_room()

    def _make_room(self) -> None:
        room = self._max_memory - self._max_memory // self.SLACK
        share = room // len(self._feeds)
        for feed in sorted(self._feeds.values(), key=lambda feed: feed.memory, reverse=True):
            before = feed.memory
            if self._memory <= room or before <= share:
                break
            feed.shrink(max(share, before - (self._memory - room)))
            self._memory += feed.memory - before
