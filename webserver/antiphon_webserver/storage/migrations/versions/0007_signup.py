"""Invitations to sign up, accounts that are switched off, and sign-ins that can be named."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("expires", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_invitations")),
    )
    op.add_column("accounts", sa.Column("disabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("signins") as signins:
        signins.add_column(sa.Column("id", sa.Text(), nullable=False, server_default=""))
    # A part of a hash names what was there before, and tells nothing of the secret.
    op.execute("UPDATE signins SET id = substr(hash, 1, 22)")
    with op.batch_alter_table("signins") as signins:
        signins.create_unique_constraint(op.f("uq_signins_id"), ["id"])
