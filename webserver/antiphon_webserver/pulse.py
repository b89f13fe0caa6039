"""The pulse of the event loop: whatever holds it keeps everybody waiting, so it is measured and named.

What belongs here: measuring. What must never come here: what to do about it; that is for whoever reads
the log.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import thread as pool
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

KEPT = 99
"""Late beats that are kept."""

_log = logging.getLogger(__name__)


class Pulse:
    """Watches the running event loop: ``async with``.

    The loop beats; a thread listens. When a beat stays out, the thread looks at what the loop is doing.

    A beat is late because the loop's own thread was at work, which is what *held* means, or because it got
    no processor or not the interpreter: the thread's processor time tells one from the other.

    Args:
        beat: called with the lag of every beat, and for how much of it the loop was held; seconds. Must
            not block.
    """

    def __init__(self, beat: Callable[[float, float], None] = lambda lag, held: None) -> None:
        self._beat = beat
        self._stop = threading.Event()
        self._due = 0.0
        self._stack = ""
        self._logged = -LOG_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._listener = threading.Thread(target=self._listen, name="pulse", daemon=True)
        self.late: list[tuple[float, float, str]] = []

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._worked = time.thread_time()
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
        worked = time.thread_time()
        held, self._worked = min(lag, worked - self._worked), worked
        stack, self._stack = self._stack, ""
        self._again()
        self._beat(lag, held)
        if lag > HELD_SECONDS:
            self._tell(lag, held, stack)

    def _tell(self, lag: float, held: float, stack: str) -> None:
        self.late = [*self.late[-KEPT:], (lag, held, stack)]
        if self._due - self._logged >= LOG_SECONDS:
            self._logged = self._due
            where = f", in:\n{stack.rstrip()}" if stack else ""
            _log.warning(
                "the event loop was late by %.0f ms, at work for %.0f ms of it%s",
                lag * 1000,
                held * 1000,
                where,
            )

    def _listen(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            if not self._stack and time.monotonic() > self._due + HELD_SECONDS:
                self._stack = _stacks(sys._current_frames(), self._thread)


def _stacks(frames: Mapping[int, FrameType], loop: int) -> str:
    """What the loop is at: files, lines and names, never a value.

    A loop that is in its selector is ready to go on and waits for the interpreter: then the other threads
    are shown, but for those of pools that have nothing to do.
    """
    if loop not in frames:
        return ""
    if frames[loop].f_code.co_filename != selectors.__file__:
        return _stack(frames[loop])
    own = threading.get_ident()
    others = [frame for thread, frame in frames.items() if thread not in (loop, own)]
    return "another thread:\n".join(["", *(_stack(frame) for frame in others if not _is_idle(frame))])


def _is_idle(frame: FrameType) -> bool:
    return frame.f_code.co_filename in (pool.__file__, threading.__file__)


def _stack(frame: FrameType) -> str:
    """The innermost frames, outermost first."""
    return "".join(traceback.format_list(traceback.extract_stack(frame)[-FRAMES:]))
