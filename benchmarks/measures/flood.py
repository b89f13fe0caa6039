"""What one session that prints without end does to another one's round trip."""

from __future__ import annotations

from ..result import Bench, Budget, Quantity, Result
from ..system import seconds

FLOOD = "while True: print('x' * 100)"
ROUNDS = 5


def measure(bench: Bench) -> Result:
    quiet = Quantity("round trip while all is quiet, p95", "ms", 0.95)
    flooded = Quantity("round trip while a neighbour floods, p95", "ms", 0.95)
    count = bench.count(200, least=3)
    with bench.running("Antiphon", "ipykernel") as systems:
        sessions = {name: system.create() for name, system in systems.items()}
        for session in sessions.values():
            session.execute("pass")
        for _ in range(bench.count(ROUNDS)):
            for name, system in systems.items():
                session = sessions[name]
                quiet.add(name, *(seconds(session.execute, "pass") * 1e3 for _ in range(count)))
                neighbour = system.create()
                neighbour.execute("pass")
                neighbour.send(FLOOD)
                flooded.add(name, *(seconds(session.execute, "pass") * 1e3 for _ in range(count)))
                neighbour.close()
    result = Result([quiet, flooded])
    ratio = flooded["Antiphon"] / quiet["Antiphon"]
    result.budgets.append(Budget("a neighbour's flood: under 3 times the quiet p95", ratio, 3))
    return result
