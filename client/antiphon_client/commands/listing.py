"""What commands share: a list for people or for programs, and times."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from antiphon_client.terminal import table


def show(
    items: Sequence[msgspec.Struct],
    titles: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    as_json: bool,
    empty: str,
) -> None:
    """Print ``items`` as one JSON array, or ``rows`` as a table; ``empty`` is said when there are none."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(items)).decode())
    elif rows:
        print(table(titles, rows))
    else:
        print(empty, file=sys.stderr)


def in_days(days: float | None) -> str | None:
    """The moment that many days from now, as the server wants it; None is none."""
    return None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat()
