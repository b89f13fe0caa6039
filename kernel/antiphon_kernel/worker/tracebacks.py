"""Tracebacks as the session's user should see them: their own code and that of libraries, not ours."""

from __future__ import annotations

import asyncio
from types import FrameType, TracebackType
from typing import Any

_OURS = (
    *(f"{__name__.partition('.')[0]}.{name}" for name in ("worker", "executors", "link")),
    *("pydevd", "_pydevd"),  # debugpy, under code that is interrupted at a breakpoint
)
"""What a session's code calls without knowing. Code that uses the package by itself keeps its frames."""


def hide_our_frames(error: BaseException | None) -> None:
    """Take our frames out of an exception's traceback, and of those it was raised from or consists of."""
    waiting = [error]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = without_our_frames(error.__traceback__)
        waiting += (error.__cause__, error.__context__)
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions


def report_from_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's handler of exceptions that nobody catches."""
    hide_our_frames(context.get("exception"))
    loop.default_exception_handler(context)


def without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames that are ours. What is left is changed in place."""
    first: TracebackType | None = None
    last: TracebackType | None = None
    while traceback is not None:
        if not _is_ours(traceback.tb_frame):
            if last is None:
                first = traceback
            elif last.tb_next is not traceback:  # an assignment walks the rest of the chain
                last.tb_next = traceback
            last = traceback
        traceback = traceback.tb_next
    if last is not None and last.tb_next is not None:
        last.tb_next = None
    return first


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_OURS)
