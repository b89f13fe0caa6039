"""Binary and large outputs are kept once, by their SHA-256, beside the publications."""

from __future__ import annotations

import json

import msgspec
import sqlalchemy as sa
from alembic import op

from antiphon_webserver.blobs import blob, take_out

revision = "0011"
down_revision = "0010"

BATCH = 200


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_table(
        "blob_uses",
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_blob_uses_digest")),
        sa.ForeignKeyConstraint(
            ["session", "number"],
            ["publications.session", "publications.number"],
            name=op.f("fk_blob_uses_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session", "number", "digest", "type", name=op.f("pk_blob_uses")),
    )
    op.create_index(op.f("ix_blob_uses_digest"), "blob_uses", ["digest"])
    op.add_column("publications", sa.Column("blobs", sa.Text()))
    op.execute("ALTER TABLE publications RENAME COLUMN buffers TO raw")
    op.add_column("publications", sa.Column("buffers", sa.Text()))
    _take_out(op.get_bind())
    op.execute("ALTER TABLE publications DROP COLUMN raw")


def _take_out(connection: sa.Connection) -> None:
    """The displays and buffers that are there already, a batch at a time."""
    after: tuple[str, int] = ("", 0)
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT session, number, msg_type, content, raw FROM publications "
                "WHERE (session > :session OR (session = :session AND number > :number)) "
                "AND (raw IS NOT NULL "
                "OR msg_type IN ('display_data', 'execute_result', 'update_display_data')) "
                "ORDER BY session, number LIMIT :limit"
            ),
            {"session": after[0], "number": after[1], "limit": BATCH},
        ).all()
        for row in rows:
            _take_out_of(connection, row)
        if len(rows) < BATCH:
            return
        after = (rows[-1].session, rows[-1].number)


def _take_out_of(connection: sa.Connection, row: sa.Row[tuple[str, int, str, str, bytes | None]]) -> None:
    content = json.loads(row.content)
    rest, blobs, data = take_out(content.get("data", {})) if "data" in content else ({}, {}, {})
    raw = [] if row.raw is None else msgspec.msgpack.decode(row.raw, type=list[bytes])
    buffers = [blob(each) for each in raw]
    data |= {each.digest: bytes_ for each, bytes_ in buffers}
    if not data:
        return
    values = {
        "session": row.session,
        "number": row.number,
        "content": json.dumps({**content, "data": rest}) if blobs else row.content,
        "blobs": msgspec.json.encode(blobs).decode() if blobs else None,
        "buffers": msgspec.json.encode([each for each, _ in buffers]).decode() if buffers else None,
    }
    connection.execute(
        sa.text(
            "UPDATE publications SET content = :content, blobs = :blobs, buffers = :buffers "
            "WHERE session = :session AND number = :number"
        ),
        values,
    )
    for digest, each in data.items():
        connection.execute(
            sa.text("INSERT INTO blobs (digest, data) VALUES (:digest, :data) ON CONFLICT DO NOTHING"),
            {"digest": digest, "data": each},
        )
    used = {(each.digest, each.type) for each in (*blobs.values(), *(each for each, _ in buffers))}
    for digest, type in used:
        connection.execute(
            sa.text("INSERT INTO blob_uses VALUES (:session, :number, :digest, :type)"),
            {"session": row.session, "number": row.number, "digest": digest, "type": type},
        )
