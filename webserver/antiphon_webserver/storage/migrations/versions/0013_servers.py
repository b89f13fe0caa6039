"""The web servers of a database, and which of them hands over a run or made a session for one call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "servers",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("here", sa.Text(), nullable=False),
    )
    op.add_column("runs", sa.Column("server", sa.Text(), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("server", sa.Text(), nullable=False, server_default=""))
