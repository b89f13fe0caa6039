"""Cells remember whether what they read has changed since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("cells", sa.Column("outdated", sa.Boolean(), nullable=False, server_default=sa.false()))
