"""How long 100 MiB of binary buffers take from a cell to a subscriber, 1 MiB a message."""

from __future__ import annotations

from ..limits import zmq_transfer
from ..result import LIMIT, Bench, Quantity, Result
from ..system import MEBIBYTE, timed

SIZE = 100

PREPARE = f"import comm, os; bench = comm.create_comm(target_name='bench'); block = os.urandom({MEBIBYTE})"


def measure(bench: Bench) -> Result:
    size = bench.count(SIZE)
    time = Quantity(f"{size} MiB of display buffers", "s")
    lost = Quantity(f"lost of {size} MiB", "MiB", is_plotted=False)
    code = f"for _ in range({size}): bench.send({{}}, buffers=[block])"
    with bench.running() as systems:
        sessions = {name: system.create() for name, system in systems.items()}
        for session in sessions.values():
            session.run(PREPARE)
            session.run(code)
        for _ in range(bench.count(8)):
            for name, session in sessions.items():
                taken, heard = timed(session.run, code)
                time.add(name, taken)
                lost.add(name, size - heard.buffer_bytes / MEBIBYTE)
            time.add(LIMIT, *zmq_transfer(size, 1))
    result = Result([time, lost])
    result.ratio(f"{time.title}: twice a bare zmq transfer", time, LIMIT, 2)
    result.most(f"{time.title}: none lost", lost, 0)
    return result
