"""Sessions that are being made, noted before the kernel is asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "creations",
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kernel", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("lasts", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("session", sa.Text()),
        sa.PrimaryKeyConstraint("request", name="pk_creations"),
        sa.ForeignKeyConstraint(["owner"], ["accounts.name"], name="fk_creations_owner", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["session"], ["sessions.uid"], name="fk_creations_session", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_creations_owner", "creations", ["owner"])
    op.create_index("ix_creations_session", "creations", ["session"])
