"""rpc.*: what this interface says of itself."""

from __future__ import annotations

from typing import Any

from ..context import Context, Handler
from ..openrpc import document


async def discover(context: Context) -> dict[str, Any]:
    """Return the OpenRPC document of every method."""
    # The table is made of this function among others, so it can be looked up only when it is there.
    from . import TABLE

    return document(TABLE, context.public_url)


METHODS: dict[str, Handler] = {"rpc.discover": discover}
