"""Tokens that may do less than their account: up to a role, in one worksheet, until a date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # In a new table, because SQLite adds no foreign key to an old one. Nothing refers to tokens.
    with op.batch_alter_table("tokens") as tokens:
        tokens.add_column(sa.Column("scope", sa.Text(), nullable=False, server_default="own"))
        tokens.add_column(sa.Column("worksheet", sa.Text(), nullable=True))
        tokens.add_column(sa.Column("expires", sa.Text(), nullable=True))
        tokens.create_foreign_key(
            op.f("fk_tokens_worksheet"), "worksheets", ["worksheet"], ["id"], ondelete="CASCADE"
        )
    with op.batch_alter_table("tokens") as tokens:
        tokens.alter_column("scope", server_default=None)
