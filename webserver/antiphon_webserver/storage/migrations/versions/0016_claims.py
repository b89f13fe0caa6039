"""Since when a web server hands a run over, and in which namespace of its session it was to run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("runs", sa.Column("claimed", sa.Text()))
    for table in ("runs", "sessions"):
        op.add_column(table, sa.Column("namespace", sa.Integer(), nullable=False, server_default="0"))
    # Only the runs of series have a full stop in their ids; they went on waiting.
    op.execute("UPDATE runs SET claimed = created WHERE state IN ('queued', 'running') AND id NOT LIKE '%.%'")
