"""The web servers of this database: one, or several that share a PostgreSQL.

A server has a row while it lives. Whoever finds no row of a server takes it for dead: what it had begun
is then for the others to end.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from .tables import servers


def enter(connection: Connection, id: str, *, alone: bool) -> None:
    """The server lives from now on; ``alone``: no other one can, so what rows there are, are of dead ones."""
    if alone:
        connection.execute(servers.delete())
    connection.execute(servers.insert().values(id=id, beats=0, here=""))


def beat(connection: Connection, id: str, here: str) -> None:
    """Say that the server lives, and who is at it. One that was taken for dead is there again."""
    row = servers.update().where(servers.c.id == id)
    if connection.execute(row.values(beats=servers.c.beats + 1, here=here)).rowcount == 0:
        connection.execute(servers.insert().values(id=id, beats=0, here=here))


def others(connection: Connection, id: str) -> dict[str, tuple[int, str]]:
    """All servers but this one: how often they have said that they live, and who is at them."""
    rows = connection.execute(select(servers).where(servers.c.id != id))
    return {row.id: (row.beats, row.here) for row in rows}


def leave(connection: Connection, id: str) -> None:
    """The server is dead, or about to end."""
    connection.execute(servers.delete().where(servers.c.id == id))
