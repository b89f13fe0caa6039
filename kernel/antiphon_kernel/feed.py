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

    def __len__(self) -> int:
        return len(self._held) - self._start

    def append(self, publication: Message, size: int) -> None:
        """Add the next publication.

        Args:
            publication: its ``header.number`` is ``latest + 1``.
            size: its bytes on the wire; the caller has encoded it anyway.
        """
        if publication.header.number != self._latest + 1:
            raise ValueError(f"number {publication.header.number} does not follow {self._latest}")
        self._held.append((publication, size))
        self._latest += 1
        self._bytes += size
        while len(self) > 1 and (self._bytes > self._max_bytes or len(self) > self._max_count):
            self._drop_oldest()

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

    def _drop_oldest(self) -> None:
        entry = self._held[self._start]
        assert entry is not None
        self._bytes -= entry[1]
        self._held[self._start] = None
        self._start += 1
        # Moving the rest forward once it is the smaller half costs a constant per publication.
        if self._start > len(self._held) // 2:
            del self._held[: self._start]
            self._start = 0
