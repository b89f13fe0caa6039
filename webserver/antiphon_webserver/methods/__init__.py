"""The JSON-RPC methods: one file for each noun, one function for each method.

A handler is ``async def name(context, *, …)``; its keyword parameters are the method's, in the order
in which they may be given by position, and its docstring's first line is the method's summary in
``rpc.discover``. Rights are checked before it is called (``access``); it may rely on them.
"""

from __future__ import annotations

from ..method import table
from . import (
    account,
    admin,
    cell,
    clearing,
    comment,
    exchange,
    feed,
    file,
    history,
    link,
    member,
    rpc,
    run,
    series,
    server,
    session,
    signin,
    token,
    widget,
    worksheet,
)

TABLE = table(
    {
        **rpc.METHODS,
        **server.METHODS,
        **account.METHODS,
        **signin.METHODS,
        **admin.METHODS,
        **token.METHODS,
        **worksheet.METHODS,
        **series.METHODS,
        **history.METHODS,
        **clearing.METHODS,
        **exchange.METHODS,
        **member.METHODS,
        **link.METHODS,
        **cell.METHODS,
        **comment.METHODS,
        **session.METHODS,
        **run.METHODS,
        **feed.METHODS,
        **file.METHODS,
        **widget.METHODS,
    }
)
"""Every method by its name."""
