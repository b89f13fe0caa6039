"""Many subscribers of one session: how long until all have heard everything, and what they lose."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from ..limits import RawSession, TornadoSession, zmq_crowd
from ..result import LIMIT, Bench, Quantity, Result
from ..system import DEADLINE, Address, Heard, WebSession

READERS = 100
EVENTS = 10_000
PROCESSES = 4

PREPARE = "from IPython.display import display"
DISPLAYS = "for number in range({}): display({{'text/plain': str(number)}}, raw=True)"


def hear(address: Address, readers: int, pipe: Connection) -> None:
    """What one process of subscribers does."""
    pipe.send(address.hear(readers, lambda: pipe.send(None)))


def crowd(
    session: WebSession | RawSession | TornadoSession, readers: int, code: str, processes: int = PROCESSES
) -> tuple[float, list[Heard]]:
    """Run code. Seconds until the last reader has heard the end, and what each has heard.

    Args:
        processes: in how many the readers are.
    """
    spawn = multiprocessing.get_context("spawn")
    pipes = []
    shares = [len(range(place, readers, processes)) for place in range(min(processes, readers))]
    for share in shares:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=hear, args=(session.address, share, theirs), daemon=True)
        process.start()
        pipes.append((process, ours))
    for _, pipe in pipes:
        _receive(pipe)
    begin = time.perf_counter()
    session.execute(code)
    heard = [one for _, pipe in pipes for one in _receive(pipe)]
    taken = time.perf_counter() - begin
    for process, _ in pipes:
        process.join(DEADLINE)
    return taken, heard


def _receive(pipe: Connection) -> Sequence[Heard]:
    if not pipe.poll(DEADLINE):
        raise TimeoutError("the subscribers say nothing")
    received: Sequence[Heard] = pipe.recv()
    return received


def measure(bench: Bench) -> Result:
    readers, events = bench.count(READERS), bench.count(EVENTS)
    taken = Quantity(f"{readers} subscribers × {events:,} events", "s")
    lost = Quantity(f"lost of {readers} × {events:,} events", "%", is_plotted=False)
    with bench.running("Antiphon", "ipykernel", "xeus-python") as systems:
        sessions = {name: system.create() for name, system in systems.items()}
        for session in sessions.values():
            session.execute(PREPARE)
        for _ in range(bench.count(2)):
            for name, session in sessions.items():
                time_, heard = crowd(session, readers, DISPLAYS.format(events))
                taken.add(name, time_)
                total = readers * events
                lost.add(name, 100 * (total - sum(one.displays for one in heard)) / total)
            with zmq_crowd(readers, events) as raw:
                taken.add(LIMIT, crowd(raw, readers, "")[0])
    result = Result([taken, lost])
    result.ratio(f"{taken.title}: half of a bare socket's rate", taken, LIMIT, 2)
    result.most(f"{taken.title}: nothing lost", lost, 0)
    return result
