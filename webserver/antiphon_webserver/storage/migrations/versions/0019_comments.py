"""Comments on cells, and who has read them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "comments",
        sa.Column("worksheet", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("edited", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worksheet"], ["worksheets.id"], name=op.f("fk_comments_worksheet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("worksheet", "id", name=op.f("pk_comments")),
    )
    op.create_index(op.f("ix_comments_worksheet_cell"), "comments", ["worksheet", "cell"])
    op.create_table(
        "comment_reads",
        sa.Column("worksheet", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worksheet"], ["worksheets.id"], name=op.f("fk_comment_reads_worksheet"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.name"], name=op.f("fk_comment_reads_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("worksheet", "account", "thread", name=op.f("pk_comment_reads")),
    )
    op.create_index(op.f("ix_comment_reads_account"), "comment_reads", ["account"])
    op.add_column("cells", sa.Column("commented", sa.Boolean(), nullable=False, server_default=sa.false()))
