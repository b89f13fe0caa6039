"""Deleted cells are kept in a bin; those that were deleted before come out of the log."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from antiphon_webserver.changes import apply

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    deleted = op.create_table(
        "deleted",
        sa.Column("worksheet", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("date", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worksheet"], ["worksheets.id"], name=op.f("fk_deleted_worksheet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("worksheet", "id", name=op.f("pk_deleted")),
    )
    entries = sa.table("entries", *(sa.column(name) for name in ("worksheet", "number", "entry")))
    connection = op.get_bind()
    for worksheet in connection.scalars(sa.text("SELECT id FROM worksheets")).all():
        log = connection.scalars(
            sa.select(entries.c.entry).where(entries.c.worksheet == worksheet).order_by(entries.c.number)
        )
        rows = [{"worksheet": worksheet, **row} for row in _bin(map(json.loads, log.all())).values()]
        if rows:
            connection.execute(deleted.insert(), rows)


def _bin(log: Any) -> dict[str, dict[str, Any]]:
    cells: dict[str, dict[str, Any]] = {}
    order: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for entry in log:
        match entry["kind"]:
            case "cell_created":
                cell = entry["cell"]
                cells[cell["id"]] = {**cell, "version": cell.get("version", 0)}
                found.pop(cell["id"], None)
                order.insert(_behind(order, entry["after"]), cell["id"])
            case "cell_edited":
                cell = cells[entry["cell"]]
                changes = tuple(part if isinstance(part, int) else tuple(part) for part in entry["changes"])
                cell.update(source=apply(changes, cell["source"]), version=entry["version"])
            case "cell_converted":
                cells[entry["cell"]]["type"] = entry["type"]
            case "cell_moved":
                order.remove(entry["cell"])
                order.insert(_behind(order, entry["after"]), entry["cell"])
            case "cell_deleted":
                id = entry["cell"]
                at = order.index(id)
                said = {name: entry[name] for name in ("number", "author", "date")}
                found[id] = {**cells.pop(id), "after": order[at - 1] if at else None, **said}
                order.remove(id)
    return found


def _behind(order: list[str], after: str | None) -> int:
    return 0 if after is None else order.index(after) + 1
