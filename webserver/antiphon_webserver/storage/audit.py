"""The audit: entries are added and, by one rule, the oldest given up; none is ever changed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, func, select

from ..model import AuditEntry
from . import dialect
from .tables import audit

MOST_ENTRIES = 100_000
"""Some weeks of a busy server; 20 MB or so."""


def add(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Write entries, and give up the oldest beyond ``MOST_ENTRIES``."""
    connection.execute(
        audit.insert(),
        [
            {
                "date": entry.date,
                "account": dialect.text(entry.account),
                "address": entry.address,
                "act": entry.act,
                "subject": msgspec.json.encode(entry.subject).decode(),
                "outcome": entry.outcome,
                "count": entry.count,
            }
            for entry in entries
        ],
    )
    newest = connection.execute(select(func.max(audit.c.number))).scalar_one()
    connection.execute(audit.delete().where(audit.c.number <= newest - MOST_ENTRIES))


def list_all(
    connection: Connection, *, before: int | None, limit: int, account: str | None, act: str | None
) -> tuple[AuditEntry, ...]:
    """Newest first, older than number ``before``; of one account, of acts that begin with ``act``."""
    query = select(audit).order_by(audit.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.number < before)
    if account is not None:
        query = query.where(audit.c.account == account)
    if act is not None:
        query = query.where(audit.c.act.startswith(act, autoescape=True))
    return tuple(
        AuditEntry(**{**row, "subject": msgspec.json.decode(row["subject"], type=dict[str, str])})
        for row in connection.execute(query).mappings()
    )
