"""The log says of an edit what changed, and no longer the whole text."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from antiphon_webserver.changes import difference

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    edits = op.create_table(
        "edits",
        sa.Column("worksheet", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("edit", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worksheet"], ["worksheets.id"], name=op.f("fk_edits_worksheet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("worksheet", "cell", "version", name=op.f("pk_edits")),
    )
    entries = sa.table("entries", *(sa.column(name) for name in ("worksheet", "number", "entry")))
    connection = op.get_bind()
    for worksheet in connection.scalars(sa.text("SELECT id FROM worksheets")).all():
        texts: dict[str, str] = {}
        rows = connection.execute(
            sa.select(entries.c.number, entries.c.entry)
            .where(entries.c.worksheet == worksheet)
            .order_by(entries.c.number)
        )
        for number, text in rows.all():
            entry = json.loads(text)
            if entry["kind"] == "cell_created":
                texts[entry["cell"]["id"]] = entry["cell"]["source"]
            elif entry["kind"] == "cell_edited":
                cell, source = entry["cell"], entry.pop("source")
                entry["changes"] = difference(texts.get(cell, ""), source)
                texts[cell] = source
                connection.execute(
                    entries.update()
                    .where(entries.c.worksheet == worksheet, entries.c.number == number)
                    .values(entry=json.dumps(entry))
                )
                version = entry["version"]
                row = {"worksheet": worksheet, "cell": cell, "version": version, "number": number, "edit": ""}
                connection.execute(edits.insert().values(row))
