"""Widgets: the newest states, out of what their session published."""

from __future__ import annotations

from sqlalchemy import Connection

from ..model import Widgets
from ..widgets import CAPTURED, Fold
from . import publications


def of_session(connection: Connection, session: str) -> Widgets:
    """The widgets of a session as of its newest stored publication."""
    fold = Fold()
    fold.take(publications.of_comms(connection, session, CAPTURED))
    return fold.widgets
