"""A mapping that remembers its latest entries, as a value: to add one gives another mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeVar, overload

_V = TypeVar("_V")
_T = TypeVar("_T")

PIECE = 32
"""Entries that are copied together. A session remembers hundreds, and each run adds some: to copy all of them
each time, they alone would be most of what the daemon does for a run."""


class Recent(Mapping[str, _V]):
    """Entries in the order in which they were added, each key once. Never changed.

    Args:
        entries: oldest first.
    """

    __slots__ = ("_pieces",)

    def __init__(self, entries: Iterable[tuple[str, _V]] = ()) -> None:
        listed = list(dict(entries).items())
        self._pieces = tuple(dict(listed[start : start + PIECE]) for start in range(0, len(listed), PIECE))

    def adding(self, key: str, value: _V, bound: int) -> Recent[_V]:
        """This with one more entry, or with another value of one that is there; without the oldest if it
        would be over its bound."""
        pieces = self._pieces
        for place, piece in enumerate(pieces):
            if key in piece:
                return _of((*pieces[:place], {**piece, key: value}, *pieces[place + 1 :]))
        if pieces and len(pieces[-1]) < PIECE:
            pieces = (*pieces[:-1], {**pieces[-1], key: value})
        else:
            pieces = (*pieces, {key: value})
        if sum(map(len, pieces)) > bound:
            oldest = dict(pieces[0])
            del oldest[next(iter(oldest))]
            pieces = (oldest, *pieces[1:]) if oldest else pieces[1:]
        return _of(pieces)

    def since(self, before: Mapping[str, _V]) -> list[tuple[str, _V]]:
        """What stands at the end of this and not in the other, oldest first."""
        added: list[tuple[str, _V]] = []
        if self is before:
            return added
        for piece in reversed(self._pieces):
            for key in reversed(piece):
                if key in before:
                    return added[::-1]
                added.append((key, piece[key]))
        return added[::-1]

    def __getitem__(self, key: str) -> _V:
        for piece in self._pieces:
            if key in piece:
                return piece[key]
        raise KeyError(key)

    @overload
    def get(self, key: str) -> _V | None: ...
    @overload
    def get(self, key: str, default: _V | _T) -> _V | _T: ...
    def get(self, key: str, default: _V | _T | None = None) -> _V | _T | None:
        for piece in self._pieces:  # the one that a mapping has makes an exception for each miss
            if key in piece:
                return piece[key]
        return default

    def __contains__(self, key: object) -> bool:
        for piece in self._pieces:  # noqa: SIM110  # a generator takes longer than all that it does here
            if key in piece:
                return True
        return False

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pieces)

    def __len__(self) -> int:
        return sum(map(len, self._pieces))


def _of(pieces: tuple[dict[str, _V], ...]) -> Recent[_V]:
    made: Recent[_V] = Recent.__new__(Recent)
    made._pieces = pieces
    return made
