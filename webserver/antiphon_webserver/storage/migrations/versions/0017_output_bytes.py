"""How many bytes of output are stored of each session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_COUNT = """
UPDATE sessions SET output_bytes =
    coalesce((
        SELECT sum(length(publications.content)) FROM publications
        WHERE publications.session = sessions.uid AND publications.msg_type IN {types}
    ), 0)
    + coalesce((
        SELECT sum(length(blobs.data)) FROM publications
        JOIN blob_uses ON blob_uses.session = publications.session AND blob_uses.number = publications.number
        JOIN blobs ON blobs.digest = blob_uses.digest
        WHERE publications.session = sessions.uid AND publications.msg_type IN {types}
    ), 0)
""".format(types="('stream', 'display_data', 'execute_result', 'update_display_data', 'error')")


def upgrade() -> None:
    column = sa.Column("output_bytes", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("sessions", column)
    op.execute(_COUNT)
