"""What an idle session takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil

from ..result import Bench, Quantity, Result
from ..system import Session, System, memory

AT_ONCE = 4
"""Kernels that start at the same time; more would only wait for each other."""

SETTLED = 1.0
"""Seconds after the last start."""

SIZES = (30, 100)


def grown(system: System, sessions: list[Session], size: int) -> Iterator[None]:
    """Create sessions until there are so many; each has run something."""
    while len(sessions) < size:
        new = [system.create() for _ in range(min(AT_ONCE, size - len(sessions)))]
        for session in new:
            session.execute("pass")
        sessions += new
        yield


def measure(bench: Bench) -> Result:
    result = Result()
    sizes = [bench.count(size) for size in SIZES]
    one = [Quantity(f"memory (PSS) of an idle session, {size} sessions", "MiB") for size in sizes]
    whole = [Quantity(f"all processes of the system / {size} sessions", "MiB") for size in sizes]
    with bench.running("Antiphon", "ipykernel", "xeus-python") as systems:
        for name, system in systems.items():
            sessions: list[Session] = []
            for size, of_one, of_all in zip(sizes, one, whole, strict=True):
                for _ in grown(system, sessions, size):
                    pass
                time.sleep(bench.seconds(SETTLED))
                of_one.add(name, *(memory([psutil.Process(each.pid)]) / 2**20 for each in sessions))
                of_all.add(name, memory(system.processes()) / 2**20 / size)
            for session in sessions:
                session.close()
    for quantity in one:
        promise = f"{quantity.title}: a sixth of ipykernel's"
        result.ratio(promise, quantity, "ipykernel", 1 / 6)
    for of_one, of_all in zip(one, whole, strict=True):
        result.quantities += [of_one, of_all]
    return result
