"""Alembic runs this file; ``bring_up_to_date`` gives it the connection, with its transaction open."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
