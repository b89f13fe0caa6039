"""Runs of code that one person tries beside the cells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("runs", sa.Column("scratch", sa.Boolean(), nullable=False, server_default=sa.false()))
