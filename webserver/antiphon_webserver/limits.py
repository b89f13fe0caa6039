"""Every limit on what callers may send, in one list: its name, its value, its reason.

The name is what a refusal names; the unit is the name's last word.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

from .clock import iso
from .errors import InvalidParams, LimitExceeded

LIMITS: dict[str, int] = {
    "title_chars": 200,  # one line of a list
    "label_chars": 100,
    "query_chars": 200,  # what worksheets are searched for
    "name_chars": 64,  # an account's name
    "password_chars": 1024,  # argon2 reads it whole
    "source_bytes": 1_000_000,  # one cell; sent whole with each edit
    "metadata_bytes": 65_536,  # of one cell, as JSON; sent whole with each change
    "code_bytes": 1_000_000,  # one execution
    "widget_bytes": 3_500_000,  # one message to a widget, its buffers as base64; a file that is uploaded
    "filename_chars": 1_000,
    "import_bytes": 3_500_000,  # one file; it travels as a string in a request of at most 4 MiB
    "worksheet_cells": 2_000,  # a snapshot carries them all
    "change_steps": 4_000,  # in one request: everything that a worksheet may hold, there and back
    "open_runs": 4_000,  # of one session, when many cells are run at once
    "comment_chars": 4_000,
    "quote_chars": 2_000,  # of a cell's text that a comment is about
    "worksheet_comments": 5_000,  # deleted ones too; a snapshot carries them all
    "worksheet_members": 1_000,
    "worksheet_links": 100,
    "account_worksheets": 10_000,
    "account_tokens": 100,
    "oidc_begun": 10_000,  # sign-ins at the OpenID provider that have not come back
    "invitations": 1_000,  # that wait to be used
    "account_links": 20,  # unused login links of one account
    "account_sessions": 200,  # open, without a worksheet
    "since_items": 1_000,  # entries or publications in one answer
    "page_items": 100,  # spans, runs or deleted cells in one answer
    "page_bytes": 4 * 2**20,  # of texts in such an answer; one text is always in it
    "run_seconds": 600,  # one session.run; what takes longer is followed by its feed
    "run_output_bytes": 8 * 2**20,  # in the answer of session.run
    "search_items": 100,  # worksheets that a search finds
    "search_worksheets": 1_000,  # that it looks through, those changed last
    "wait_seconds": 30,  # proxies close connections that are silent for 60
}

ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
"""An id that a client made: URL-safe, 128 bits need 22 characters."""

ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
"""Names stand in addresses, in logs and beside cells: nothing that looks like another one there."""


NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Controls, line ends and what overrides the direction of text: with it "nimda" reads "admin". Marks
that only help right-to-left names (U+200E, U+200F, U+061C) are fine."""


def check(name: str, value: float, what: str) -> None:
    """Refuse what is beyond the limit.

    Args:
        name: one of ``LIMITS``.
        value: what was given, in the limit's unit.
        what: what it is, for the sentence, such as "The title".

    Raises:
        LimitExceeded: ``value`` is greater than the limit.
    """
    limit = LIMITS[name]
    if value > limit:
        unit = name.rsplit("_", 1)[1]
        raise LimitExceeded(
            f"{what} has {value:g} {unit}; at most {limit} are allowed.", limit=name, value=limit
        )


def check_chars(name: str, text: str, what: str) -> None:
    check(name, len(text), what)


def check_line(name: str, text: str, field: str, what: str) -> None:
    """Refuse what is too long for a line, or would change the lines and words around it.

    Raises:
        LimitExceeded: ``text`` has more characters than the limit ``name``.
        InvalidParams: it holds a control character; it names ``field``.
    """
    check_chars(name, text, what)
    if found := NOT_IN_A_LINE.search(text):
        raise InvalidParams(
            f"{what} holds the character U+{ord(found[0]):04X}, which is not text of a line.", field=field
        )


Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A time that a caller gives: ISO 8601 with its offset."""


def ends(moment: datetime | None, now: float) -> str | None:
    """The end that a caller gave to something, as it is stored; None is no end.

    Raises:
        InvalidParams: the time has passed; it names ``expires``.
    """
    if moment is None:
        return None
    if moment.timestamp() <= now:
        raise InvalidParams("expires: this time has passed.", field="expires")
    return iso(moment.timestamp())


def check_bytes(name: str, text: str, what: str) -> None:
    check(name, len(text.encode()), what)


def check_id(value: str, field: str) -> None:
    """Refuse what is not an id as clients make them.

    Raises:
        InvalidParams: it names ``field``.
    """
    if not ID.fullmatch(value):
        raise InvalidParams(
            f"{field}: an id is 16 to 64 letters, digits, '-' and '_', made from 128 random bits.",
            field=field,
        )


def check_account_name(value: str, field: str = "name") -> None:
    """Refuse what cannot be the name of an account.

    Raises:
        InvalidParams: it names ``field``.
        LimitExceeded: it is too long.
    """
    check_chars("name_chars", value, "The name")
    if not ACCOUNT_NAME.fullmatch(value):
        raise InvalidParams(
            f"{field}: a name begins with a letter or digit and goes on with those and . _ @ + -", field=field
        )
