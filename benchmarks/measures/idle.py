"""What 500 sessions that do nothing cost the daemon."""

from __future__ import annotations

import time

import psutil

from ..result import Bench, Quantity, Result
from ..system import Session
from ..systems.antiphon import Antiphon
from .memory import SETTLED, grown

SESSIONS = 500
SECONDS = 20

BEACONS = 31
"""Seconds for which the feed of a session that did something is still announced (``service``)."""


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(bench: Bench) -> Result:
    count = bench.count(SESSIONS)
    used = Quantity(f"CPU of the daemon, {count} idle sessions", "% of a core", is_plotted=False)
    with bench.running("Antiphon") as systems:
        system = systems["Antiphon"]
        assert isinstance(system, Antiphon)
        sessions: list[Session] = []
        for _ in grown(system, sessions, count):
            pass
        time.sleep(bench.seconds(SETTLED + BEACONS))
        daemon = psutil.Process(system.daemon.pid)
        window = bench.seconds(SECONDS)
        before = cpu(daemon)
        time.sleep(window)
        used.add("Antiphon", 100 * (cpu(daemon) - before) / window)
    result = Result([used])
    result.most(f"{count} idle sessions: under 1 % of a core", used, 1)
    return result
