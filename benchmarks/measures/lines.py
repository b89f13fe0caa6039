"""How long printed lines take to a subscriber, and whether all of them arrive."""

from __future__ import annotations

from ..result import Bench, Quantity, Result
from ..system import seconds, timed

LINES = 100_000
FLUSHED = 10_000


def measure(bench: Bench) -> Result:
    lines, flushed = bench.count(LINES), bench.count(FLUSHED)
    printed = Quantity(f"{lines:,} printed lines", "s")
    each = Quantity(f"{flushed:,} flushed lines", "s")
    lost = Quantity(f"lost of {lines:,} printed lines", "", is_plotted=False)
    with bench.running() as systems:
        sessions = {name: system.create() for name, system in systems.items()}
        for session in sessions.values():
            session.run("print(1)")
        for _ in range(bench.count(6)):
            for name, session in sessions.items():
                taken, heard = timed(session.run, f"for number in range({lines}): print(number)")
                printed.add(name, taken)
                lost.add(name, lines - heard.lines)
                code = f"for number in range({flushed}): print(number, flush=True)"
                each.add(name, seconds(session.run, code))
    result = Result([printed, lost, each])
    result.ratio(f"{printed.title}: a third of ipykernel's time", printed, "ipykernel", 1 / 3)
    result.most(f"{printed.title}: none lost", lost, 0)
    result.ratio(f"{each.title}: faster than xeus-python", each, "xeus-python", 1)
    return result
