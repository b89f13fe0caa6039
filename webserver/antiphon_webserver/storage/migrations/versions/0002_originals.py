"""What notebook files said beside what a worksheet has words for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "originals",
        sa.Column("worksheet", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("original", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["worksheet"], ["worksheets.id"], name=op.f("fk_originals_worksheet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("worksheet", "cell", name=op.f("pk_originals")),
    )
