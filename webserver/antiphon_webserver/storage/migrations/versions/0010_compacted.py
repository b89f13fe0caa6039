"""Each worksheet knows up to which entry its log is compacted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("worksheets", sa.Column("compacted", sa.Integer(), nullable=False, server_default="0"))
