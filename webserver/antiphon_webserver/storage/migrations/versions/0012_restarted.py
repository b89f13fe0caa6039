"""Sessions know when their namespace was last replaced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("restarted", sa.Text()))
