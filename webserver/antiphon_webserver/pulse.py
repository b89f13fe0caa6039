"""The pulse of the event loop: whatever holds it keeps everybody waiting, so it is measured and named.

What belongs here: measuring. What must never come here: what to do about it; that is for whoever reads
the log.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Self

BEAT_SECONDS = 0.025
"""How often the loop is asked to answer. A hold is measured short by up to this much."""

HELD_SECONDS = 0.05
"""The loop must never be held for longer."""

LOG_SECONDS = 10.0
"""At most one line in so long: a server in trouble must not be kept busy by saying so."""

FRAMES = 8
"""Of the stack, the innermost ones are shown."""

_log = logging.getLogger(__name__)


class Pulse:
    """Watches the running event loop: ``async with``.

    The loop beats; a thread listens. When a beat stays out, the thread looks at what the loop is doing.

    Args:
        beat: called with the lag of every beat in seconds; must not block.
    """

    def __init__(self, beat: Callable[[float], None] = lambda lag: None) -> None:
        self._beat = beat
        self._stop = threading.Event()
        self._due = 0.0
        self._stack = ""
        self._logged = -LOG_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._listener = threading.Thread(target=self._listen, name="pulse", daemon=True)
        self.worst = 0.0
        self.held: list[tuple[float, str]] = []

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._again()
        self._listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._stop.set()
        await asyncio.to_thread(self._listener.join)

    def _again(self) -> None:
        self._due = time.monotonic() + BEAT_SECONDS
        self._timer = self._loop.call_later(BEAT_SECONDS, self._answer)

    def _answer(self) -> None:
        lag = max(0.0, time.monotonic() - self._due)
        stack, self._stack = self._stack, ""
        self._again()
        self._beat(lag)
        self.worst = max(self.worst, lag)
        if lag > HELD_SECONDS:
            self._tell(lag, stack)

    def _tell(self, lag: float, stack: str) -> None:
        self.held = [*self.held[-99:], (lag, stack)]
        if self._due - self._logged >= LOG_SECONDS:
            self._logged = self._due
            where = f", in:\n{stack.rstrip()}" if stack else ""
            _log.warning("the event loop was held for %.0f ms%s", lag * 1000, where)

    def _listen(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            if not self._stack and time.monotonic() > self._due + HELD_SECONDS:
                frame = sys._current_frames().get(self._thread)
                self._stack = _stack(frame) if frame else ""


def _stack(frame: FrameType) -> str:
    """The innermost frames, outermost first: files, lines and names, never a value."""
    return "".join(traceback.format_list(traceback.extract_stack(frame)[-FRAMES:]))
