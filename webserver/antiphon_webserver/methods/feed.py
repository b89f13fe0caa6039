"""feed.*: what a session publishes."""

from __future__ import annotations

from ..context import Context, Handler
from ..model import Publications
from .worksheet import Cursor, Limit, Wait


async def since(
    context: Context, *, session: str, cursor: Cursor, limit: Limit = 1000, wait: Wait = 0
) -> Publications:
    """Return what was published after the cursor; wait that many seconds while that is nothing."""
    return await context.relay.publications_since(session, cursor, limit=limit, wait=wait)


async def subscribe(context: Context, *, session: str, cursor: Cursor) -> None:
    """Follow the session's publications from the cursor on, by notifications."""
    assert context.subscriber is not None
    context.subscriber.subscribe_feed(session, cursor)


async def unsubscribe(context: Context, *, session: str) -> None:
    """Stop following the session."""
    assert context.subscriber is not None
    context.subscriber.unsubscribe_feed(session)


METHODS: dict[str, Handler] = {
    "feed.since": since,
    "feed.subscribe": subscribe,
    "feed.unsubscribe": unsubscribe,
}
