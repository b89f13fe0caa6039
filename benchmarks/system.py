"""What is measured, behind one interface: start, create, execute, follow the feed, stop.

Everything here blocks: a benchmark is one program that waits for one answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

import psutil

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE = 120.0
"""Seconds for anything that is waited for. What is not there by then is lost."""

SILENCE = 5.0
"""Seconds without a message, after which a subscriber that was told of no end takes it for the end."""


MEBIBYTE = 1 << 20


class Unavailable(Exception):
    """This system cannot be had here. The text says why."""


@dataclass
class Heard:
    """What a subscriber heard of one run."""

    lines: int = 0
    displays: int = 0
    buffer_bytes: int = 0
    lags: list[float] = field(default_factory=list)
    """Seconds from the printing of a line to its arrival, for the oldest line of each message, where the
    lines are times."""

    def hear(self, text: str) -> None:
        """Count lines each of which is the time at which it was printed."""
        self.lines += text.count("\n")
        # Some kernels send the end of a line apart from it.
        with suppress(ValueError):
            self.lags.append(time.time() - float(text.partition("\n")[0]))


class Address(Protocol):
    """How another process reaches the feed of a session. Can be pickled."""

    def hear(self, readers: int, ready: Callable[[], None]) -> Sequence[Heard]:
        """Subscribe so many times, call ``ready``, and tell what each heard of the next run."""


class WebSession(Protocol):
    """A namespace in which code runs."""

    @property
    def address(self) -> Address:
        """Where its feed is heard."""

    def execute(self, code: str) -> None:
        """Run code; returns with its reply."""

    def close(self) -> None:
        """End it, whatever it does."""


class Session(WebSession, Protocol):
    """One that is reached without a web server."""

    @property
    def pid(self) -> int:
        """The process in which the code runs."""

    def run(self, code: str) -> Heard:
        """Run code and follow its output to its end."""

    def send(self, code: str) -> None:
        """Have code run, and wait for nothing. The session is of no other use afterwards."""


class WebSystem(Protocol):
    """A server. ``start`` is what it needs before the first session, if anything."""

    name: str

    def start(self) -> None:
        """Raises ``Unavailable``."""

    def create(self) -> WebSession:
        """A session, made over HTTP where it is a web server. It may not be ready yet: what is sent waits."""

    def processes(self) -> list[psutil.Process]:
        """All that run now, those of the sessions included."""

    def stop(self) -> None:
        """End everything."""


class System(WebSystem, Protocol):
    """A kernel."""

    def create(self) -> Session: ...


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def kill(pid: int) -> None:
    """End a process and all below it. Some may end by themselves when they see the others gone."""
    for process in reversed(tree(pid)):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def memory(processes: Sequence[psutil.Process]) -> int:
    """Bytes of memory: each page is shared out among those that share it (PSS)."""
    return sum(int(process.memory_full_info().pss) for process in processes)


def timed(action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> tuple[float, T]:
    """How many seconds a call takes, and what it returns."""
    begin = time.perf_counter()
    returned = action(*arguments, **options)
    return time.perf_counter() - begin, returned


def seconds(action: Callable[P, object], *arguments: P.args, **options: P.kwargs) -> float:
    """How many seconds a call takes."""
    return timed(action, *arguments, **options)[0]
