"""Times as the database and the wire have them: ISO 8601 in UTC, of one length, so that they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """A time such as ``2026-01-31T12:00:00.000Z``.

    Args:
        seconds: since the epoch, as ``time.time()`` has it.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
