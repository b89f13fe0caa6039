"""Cells have metadata of their own; what a file said of an imported cell moves there, in table and log."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    for name in ("cells", "deleted"):
        op.add_column(name, sa.Column("metadata", sa.Text(), nullable=False, server_default="{}"))
    originals = sa.table("originals", *map(sa.column, ("worksheet", "cell", "original")))
    entries = sa.table("entries", *map(sa.column, ("worksheet", "number", "entry")))
    connection = op.get_bind()
    rows = connection.execute(sa.select(originals).where(originals.c.cell != "")).all()
    said: dict[str, dict[str, object]] = {}
    for worksheet, cell, text in rows:
        original = json.loads(text)
        metadata = original.pop("metadata", {})
        if not metadata:
            continue
        said.setdefault(worksheet, {})[cell] = metadata
        connection.execute(
            originals.update()
            .where(originals.c.worksheet == worksheet, originals.c.cell == cell)
            .values(original=json.dumps(original))
        )
        for name in ("cells", "deleted"):
            table = sa.table(name, *map(sa.column, ("worksheet", "id", "metadata")))
            connection.execute(
                table.update()
                .where(table.c.worksheet == worksheet, table.c.id == cell)
                .values(metadata=json.dumps(metadata))
            )
    for worksheet, cells in said.items():
        log = connection.execute(
            sa.select(entries.c.number, entries.c.entry).where(entries.c.worksheet == worksheet)
        ).all()
        for number, text in log:
            entry = json.loads(text)
            if entry["kind"] != "cell_created" or entry["cell"]["id"] not in cells:
                continue
            entry["cell"]["metadata"] = cells[entry["cell"]["id"]]
            connection.execute(
                entries.update()
                .where(entries.c.worksheet == worksheet, entries.c.number == number)
                .values(entry=json.dumps(entry))
            )
