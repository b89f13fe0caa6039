"""How long until a new session answers."""

from __future__ import annotations

import time

from ..limits import forks
from ..result import LIMIT, Bench, Quantity, Result
from ..system import Session, System, timed

REFILLED = 0.5
"""Seconds after which the daemon has a ready worker again."""

BURST = 4
"""Sessions created one after another, faster than the daemon makes workers ready: only the first one gets
a ready worker, and the refilling has not begun when the last one has answered."""

SCIENCE = "import numpy, pandas, matplotlib.pyplot"


def ready(system: System, code: str = "pass") -> float:
    """Milliseconds to the first reply of a new session."""

    def first() -> Session:
        session = system.create()
        session.execute(code)
        return session

    taken, session = timed(first)
    session.close()
    return taken * 1e3


def measure(bench: Bench) -> Result:
    # Antiphon's sessions have numpy, pandas and matplotlib in memory in all of these, which is its default.
    cold = Quantity("session ready: create to first reply", "ms")
    science = Quantity("session ready and numpy, pandas and matplotlib imported", "ms")
    forked = Quantity("session ready by fork, no worker being ready", "ms")
    with bench.running() as systems:
        for _ in range(bench.count(10)):
            for name, system in systems.items():
                time.sleep(bench.seconds(REFILLED))
                cold.add(name, ready(system))
                if name == "Antiphon":
                    time.sleep(bench.seconds(REFILLED))
                    forked.add(name, *[ready(system) for _ in range(BURST)][1:])
                else:
                    forked.add(name, cold.values[name][-1])
        for _ in range(bench.count(4)):
            for name, system in systems.items():
                time.sleep(bench.seconds(REFILLED))
                science.add(name, ready(system, SCIENCE))
    forked.add(LIMIT, *(second * 1e3 for second in forks(bench.count(30))))
    result = Result([cold, forked, science])
    promise = (
        "a session is ready, numpy, pandas and matplotlib preloaded, 40 times faster than a bare ipykernel"
    )
    result.ratio(promise, cold, "ipykernel", 1 / 40)
    result.ratio("… also by fork, no worker being ready", forked, "ipykernel", 1 / 40)
    result.ratio("… and than an ipykernel that imports them", science, "ipykernel", 1 / 40)
    return result
