"""Links by which people without an account come into a worksheet, and the visitors that came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "worksheet_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("worksheet", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("expires", sa.Text(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("most_uses", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["worksheet"], ["worksheets.id"], name=op.f("fk_worksheet_links_worksheet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worksheet_links")),
        sa.UniqueConstraint("hash", name=op.f("uq_worksheet_links_hash")),
    )
    op.create_index(op.f("ix_worksheet_links_worksheet"), "worksheet_links", ["worksheet"])
    op.create_index(op.f("ix_worksheet_links_expires"), "worksheet_links", ["expires"])
    # Its rows are copied to a new table, because SQLite adds no foreign key to an old one. Nothing refers
    # to members; of accounts that could not be said, so their column has a default and stays simple.
    with op.batch_alter_table("members") as members:
        members.add_column(sa.Column("link", sa.Text(), nullable=True))
        members.create_foreign_key(
            op.f("fk_members_link"), "worksheet_links", ["link"], ["id"], ondelete="CASCADE"
        )
        members.create_index(op.f("ix_members_link"), ["link"])
    op.add_column("accounts", sa.Column("visitor", sa.Boolean(), nullable=False, server_default=sa.false()))
