"""What an idle session takes: with numpy, pandas and matplotlib imported in all systems, and in none.

Antiphon's default has them in memory before there is a session; against kernels that have nothing in
memory it would be compared with something else."""

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


SCIENCE = "import numpy, pandas, matplotlib.pyplot"


def grown(system: System, sessions: list[Session], size: int, code: str = "pass") -> Iterator[None]:
    """Create sessions until there are so many; each has run the code."""
    while len(sessions) < size:
        new = [system.create() for _ in range(min(AT_ONCE, size - len(sessions)))]
        for session in new:
            session.execute(code)
        sessions += new
        yield


def compare(bench: Bench, result: Result, what: str, code: str, *, bare: bool) -> None:
    """Measure sessions that have the same in memory in all systems."""
    sizes = [bench.count(size) for size in SIZES]
    one = [Quantity(f"memory (PSS) of an idle session{what}, {size} sessions", "MiB") for size in sizes]
    whole = [Quantity(f"all processes of the system{what} / {size} sessions", "MiB") for size in sizes]
    with bench.running("Antiphon", "ipykernel", "xeus-python", bare=bare) as systems:
        for name, system in systems.items():
            sessions: list[Session] = []
            for size, of_one, of_all in zip(sizes, one, whole, strict=True):
                for _ in grown(system, sessions, size, code):
                    pass
                time.sleep(bench.seconds(SETTLED))
                of_one.add(name, *(memory([psutil.Process(each.pid)]) / 2**20 for each in sessions))
                of_all.add(name, memory(system.processes()) / 2**20 / size)
            for session in sessions:
                session.close()
    for of_one, of_all in zip(one, whole, strict=True):
        result.ratio(f"{of_one.title}: a sixth of ipykernel's", of_one, "ipykernel", 1 / 6)
        result.quantities += [of_one, of_all]


def measure(bench: Bench) -> Result:
    result = Result()
    compare(bench, result, ", numpy, pandas and matplotlib imported", SCIENCE, bare=False)
    compare(bench, result, ", nothing imported", "pass", bare=True)
    return result
