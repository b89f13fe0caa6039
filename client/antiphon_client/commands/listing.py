"""What commands share: a list for people or for programs, times, and worksheets by their names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from antiphon_client.client import Client
from antiphon_client.errors import ClientError
from antiphon_client.model import Worksheet
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


def find_worksheet(client: Client, wanted: str) -> Worksheet:
    """The worksheet with this id, or the only one with this title.

    Raises:
        ClientError: there is none, or several have the title.
    """
    worksheets = client.worksheet_list()
    by_id = [worksheet for worksheet in worksheets if worksheet.id == wanted]
    found = by_id or [worksheet for worksheet in worksheets if worksheet.title == wanted]
    if not found:
        raise ClientError(
            f"There is no worksheet {wanted!r} that you may see. List them: antiphon worksheets"
        )
    if len(found) > 1:
        ids = ", ".join(worksheet.id for worksheet in found)
        raise ClientError(f"{len(found)} worksheets have the title {wanted!r}. Give an id: {ids}")
    return found[0]
