"""How long a request that does nothing takes: ``pass``, request to reply, over tcp."""

from __future__ import annotations

from ..limits import unix_echo, unix_round_trip, zmq_echo, zmq_round_trip
from ..result import LIMIT, Bench, Quantity, Result
from ..system import seconds

ROUNDS = 10
UNIX = "Unix socket"


def measure(bench: Bench) -> Result:
    trip = Quantity("execute `pass`: request to reply, p50", "ms")
    count = bench.count(100, least=3)
    with bench.running() as systems, zmq_echo() as dealer, unix_echo() as unix:
        sessions = {name: system.create() for name, system in systems.items()}
        for session in sessions.values():
            for _ in range(bench.count(50)):
                session.execute("pass")
        for _ in range(bench.count(ROUNDS)):
            for name, session in sessions.items():
                trip.add(name, *(seconds(session.execute, "pass") * 1e3 for _ in range(count)))
            trip.add(LIMIT, *(zmq_round_trip(dealer) * 1e3 for _ in range(count)))
            trip.add(UNIX, *(unix_round_trip(unix) * 1e3 for _ in range(count)))
    slow = trip.at(0.99)
    result = Result([trip, slow])
    for name in ("Antiphon", "Antiphon, Jupyter's sockets"):
        for quantity in (trip, slow):
            p = quantity.title.rpartition(" ")[2]
            result.ratio(
                f"{name}: round trip, {p}: a quarter of ipykernel's", quantity, "ipykernel", 1 / 4, name
            )
            result.ratio(
                f"{name}: round trip, {p}: half of xeus-python's", quantity, "xeus-python", 1 / 2, name
            )
    return result
