"""What one session may use, and what follows when it uses more.

What belongs here: the rules, in an object that is asked (``Guard``). What must never come here: a clock,
a task, a worker; the service looks at the time and at the worker, and does what it is told.

The operating system holds what it can hold of one process: see ``executors.rlimits``. What it cannot is
the sum over a process tree, the time of a run, and whether a session is idle. Those are looked at.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from .errors import MalformedMessage
from .executors import Usage
from .message import ExecuteRequest, SessionLimits
from .session import Session
from .session.bounds import bytes_text

GRACE_SECONDS = 5.0
"""Between the error that names a limit and the end of the worker: for the code to stop, or to save what
it has. Of CPU time for the limit of CPU time, of time for the others."""

RUNAWAY = 2
"""So many times the processes allowed are a runaway: the worker ends at once."""

IDLE_SHARE = 0.01
"""CPU seconds per second that a session with nothing to do may take. Above it, a thread or a process
that it started is at work."""


class Tell(NamedTuple):
    """Raise ``LimitReached`` in the running code: of the line named, or of all that run some."""

    reason: str
    line: str | None = None


class End(NamedTuple):
    """End the worker."""

    reason: str


class Cull(NamedTuple):
    """Close the session."""

    reason: str


Verdict: TypeAlias = Tell | End | Cull


def lowered(limits: SessionLimits, wanted: SessionLimits) -> SessionLimits:
    """The limits of a session whose client wants some of them lower.

    Args:
        limits: those of the kernel.
        wanted: those of the client; 0 leaves one as it is.

    Raises:
        MalformedMessage: the client wants more than the kernel gives.
    """
    result = {}
    for name, own in msgspec.structs.asdict(limits).items():
        value = getattr(wanted, name) or own
        if own and value > own:
            raise MalformedMessage(
                f"{value} is more than the kernel's limit {own}", field=f"content.limits.{name}"
            )
        result[name] = value
    return SessionLimits(**result)


class Guard:
    """The watch over one session, by its limits. Times are those of one monotonic clock, in seconds.

    Args:
        limits: of this session.
        now: the time at which it was made.
    """

    def __init__(self, limits: SessionLimits, now: float) -> None:
        self.limits = limits
        self._begun: dict[str, tuple[str, float]] = {}  # by msg_id: the line of a run, and since when
        self._told: dict[str, float] = {}
        self._idle_since = now
        self._activity = ""
        self._looked = now
        self._cpu_seconds = 0.0

    def renew(self) -> None:
        """There is a new worker: what the old one used is forgotten."""
        self._told.clear()
        self._cpu_seconds = 0.0

    def idle_seconds(self, session: Session, now: float) -> float:
        """For how long nobody asked the session for anything, and it did nothing of its own accord."""
        return 0.0 if session.is_busy or session.last_activity != self._activity else now - self._idle_since

    def look(self, session: Session, usage: Usage, now: float) -> Verdict | None:
        """What is to be done about a session.

        Args:
            session: as it is.
            usage: what its worker and all that this started use.
            now: the time.
        """
        self._note(session, usage, now)
        limits = self.limits
        if 0 < limits.memory_bytes < usage.memory_bytes:
            used, limit = bytes_text(usage.memory_bytes), bytes_text(limits.memory_bytes)
            return End(f"out of memory: used {used}, limit {limit}")
        return (
            self._processes(usage.processes, now)
            or self._cpu_time(usage.cpu_seconds)
            or self._run(now)
            or self._idle(session, now)
        )

    def _note(self, session: Session, usage: Usage, now: float) -> None:
        runs = {
            line.running.header.msg_id: name
            for name, line in session.lines.items()
            if line.running is not None and isinstance(line.running.content, ExecuteRequest)
        }
        for gone in self._begun.keys() - runs.keys():
            del self._begun[gone]
            self._told.pop(gone, None)
        for run, line in runs.items():
            self._begun.setdefault(run, (line, now))
        works = usage.cpu_seconds - self._cpu_seconds > IDLE_SHARE * (now - self._looked)
        if session.is_busy or session.last_activity != self._activity or works:
            self._idle_since = now
        self._activity, self._looked, self._cpu_seconds = session.last_activity, now, usage.cpu_seconds

    def _once(self, name: str, reason: str, over: float, line: str | None = None) -> Verdict | None:
        """Tell at first; end when the grace is over. ``over``: seconds beyond the limit."""
        if name not in self._told:
            self._told[name] = over
            return Tell(reason, line)
        return End(f"{reason}; it did not stop") if over - self._told[name] >= GRACE_SECONDS else None

    def _processes(self, count: int, now: float) -> Verdict | None:
        limit = self.limits.processes
        if not 0 < limit < count:
            self._told.pop("processes", None)
            return None
        reason = f"too many processes: {count}, limit {limit}"
        return End(reason) if count > RUNAWAY * limit else self._once("processes", reason, now)

    def _cpu_time(self, used: float) -> Verdict | None:
        limit = self.limits.cpu_seconds
        if not 0 < limit <= used:
            return None
        return self._once("cpu_seconds", cpu_text(used, limit), used)

    def _run(self, now: float) -> Verdict | None:
        limit = self.limits.run_seconds
        for run, (line, begun) in self._begun.items():
            if 0 < limit <= now - begun:
                reason = f"out of time: this run took {now - begun:.0f} s, limit {limit} s"
                if (verdict := self._once(run, reason, now, line)) is not None:
                    return verdict
        return None

    def _idle(self, session: Session, now: float) -> Verdict | None:
        if 0 < self.limits.idle_seconds <= now - self._idle_since:
            return Cull(f"idle for {duration_text(now - self._idle_since)}")
        return None


def cpu_text(used: float, limit: float) -> str:
    return f"out of CPU time: used {used:.0f} s, limit {limit:.0f} s"


def duration_text(seconds: float) -> str:
    """In the largest unit that leaves at least one: of 90 s, "1.5 min"."""
    for name, unit in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= unit:
            return f"{seconds / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds:.0f} s"
