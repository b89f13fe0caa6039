"""The way through the web server: HTTP and WebSockets, beside the servers of Jupyter and a bare tornado.

Of all: a session made over HTTP until its first result; ``pass`` on a WebSocket until its reply is heard;
flushed lines with many readers. Of ``antiphon serve`` alone: a call with nothing behind it but the
database; a cell's run, written to disk before it is sent; a large worksheet opened; what a reader costs
that hears nothing.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import cast

import psutil

from ..limits import tornado
from ..result import LIMIT, Bench, Quantity, Result, quantile
from ..system import Heard, WebSession, WebSystem, memory, seconds, timed
from ..systems import WEB
from ..systems.antiphon_web import AntiphonWeb, AntiphonWebSession, Peer, take
from ..websocket import WebSocket
from .crowd import crowd

NAME = "Antiphon"
ROUNDS = 5
STARTS = 8
READERS = 200
LINES = 500
MANY_LINES = 20_000
CELLS = 1_000
PICTURE_BYTES = 2_000
IDLE = 1_000

REFILLED = 0.5
"""Seconds after which the daemon has a ready worker again."""

MOST_TO_OPEN = 300.0
"""Milliseconds."""

MOST_LAG = 2.0
"""Seconds."""

MOST_FOR_READER = 50.0
"""kB."""

CODE = "import time\nfor _ in range({}): print(time.time(), flush=True)"


def first_result(system: WebSystem) -> float:
    """Milliseconds from asking for a session to its first reply."""

    def first() -> WebSession:
        session = system.create()
        session.execute("1 + 1")
        return session

    taken, session = timed(first)
    session.close()
    return taken * 1e3


def starts(bench: Bench, systems: dict[str, WebSystem], result: Result) -> None:
    created = Quantity("session created over HTTP: to its first result", "ms", is_plotted=False)
    for _ in range(bench.count(STARTS)):
        for name, system in systems.items():
            time.sleep(bench.seconds(REFILLED))
            created.add(name, first_result(system))
    result.quantities.append(created)
    for peer in ("jupyter_server", "jupyverse"):
        result.ratio(f"{created.title}: a twentieth of {peer}'s", created, peer, 1 / 20)


def trips(bench: Bench, systems: dict[str, WebSystem], result: Result) -> None:
    trip = Quantity("execute `pass` on a WebSocket: until its reply is heard, p50", "ms", is_plotted=False)
    info = Quantity("`server.info`", "ms", is_plotted=False)
    run = Quantity("`cell.run` of `pass`, written to disk, until its reply is heard", "ms", is_plotted=False)
    count = bench.count(60, least=3)
    sessions = {name: system.create() for name, system in systems.items()}
    antiphon = cast(AntiphonWeb, systems[NAME])
    peer = antiphon.connect()
    run_cell = cell_run(peer)
    for session in sessions.values():
        for _ in range(bench.count(20)):
            session.execute("pass")
    with tornado([], take) as bare:
        for _ in range(bench.count(ROUNDS)):
            for name, session in sessions.items():
                trip.add(name, *(seconds(session.execute, "pass") * 1e3 for _ in range(count)))
            trip.add(LIMIT, *(seconds(bare.trip) * 1e3 for _ in range(count)))
            info.add(NAME, *(seconds(peer.call, "server.info") * 1e3 for _ in range(count)))
            run.add(NAME, *(seconds(run_cell) * 1e3 for _ in range(count)))
    peer.close()
    for session in sessions.values():
        session.close()
    slow = trip.at(0.99)
    result.quantities += [trip, slow, info, run]
    for quantity in (trip, slow):
        part = quantity.title.rpartition(" ")[2]
        result.ratio(
            f"execute on a WebSocket, {part}: a quarter of jupyverse's", quantity, "jupyverse", 1 / 4
        )


def cell_run(peer: Peer) -> Callable[[], None]:
    """Runs a cell of a new worksheet, with its text, until its reply is heard."""
    sheet = json.loads(peer.call("worksheet.create", title="Bench"))["id"]
    cell = json.loads(peer.call("worksheet.open", worksheet=sheet))["cells"][0]["id"]
    session = json.loads(peer.call("worksheet.session", worksheet=sheet))["uid"]
    peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
    peer.call("feed.subscribe", session=session, cursor=0)
    version = 0

    def run() -> None:
        nonlocal version
        made = peer.call("cell.run", worksheet=sheet, cell=cell, source="pass", version=version)
        version = 1  # the text is new once
        peer.await_reply(json.loads(made)["msg_id"])

    return run


def lost(heard: Sequence[Heard], readers: int, lines: int) -> int:
    return readers * lines - sum(one.lines for one in heard)


def crowds(bench: Bench, systems: dict[str, WebSystem], result: Result) -> None:
    readers, lines = bench.count(READERS), bench.count(LINES, least=10)
    taken = Quantity(f"{lines:,} flushed lines to {readers} readers on the web", "s", is_plotted=False)
    missing = Quantity(f"lost of {readers} × {lines:,} lines", "", is_plotted=False)
    lag = Quantity(f"{lines:,} flushed lines: from `print` to the reader, p99", "s", is_plotted=False)
    sessions = {name: system.create() for name, system in systems.items()}
    for session in sessions.values():
        session.execute("pass")
    for _ in range(bench.count(3)):
        for name, session in sessions.items():
            time_, heard = crowd(session, readers, CODE.format(lines), processes=1)
            taken.add(name, time_)
            missing.add(name, lost(heard, readers, lines))
            lag.add(name, quantile([each for one in heard for each in one.lags] or [0.0], 0.99))
    for session in sessions.values():
        session.close()
    result.quantities += [taken, missing, lag]
    result.ratio(f"{taken.title}: twice jupyverse's rate", taken, "jupyverse", 1 / 2)
    result.most(f"{taken.title}: none lost", missing, 0)
    result.most(f"{taken.title}: p99 of the lag", lag, MOST_LAG)


def many_lines(bench: Bench, antiphon: WebSystem, result: Result) -> None:
    readers, lines = bench.count(READERS), bench.count(MANY_LINES, least=100)
    taken = Quantity(f"{lines:,} flushed lines to {readers} readers on the web", "s", is_plotted=False)
    missing = Quantity(f"lost of {readers} × {lines:,} lines", "", is_plotted=False)
    lag = Quantity(f"{lines:,} flushed lines: from `print` to the reader, p99", "s", is_plotted=False)
    session = cast(AntiphonWebSession, antiphon.create())
    session.execute("pass")
    for _ in range(bench.count(ROUNDS)):
        time_, heard = crowd(session, readers, CODE.format(lines), processes=1)
        taken.add(NAME, time_)
        missing.add(NAME, lost(heard, readers, lines))
        lag.add(NAME, quantile([each for one in heard for each in one.lags], 0.99))
        with tornado(session.peer.texts, take) as bare:
            taken.add(LIMIT, crowd(bare, readers, "", processes=1)[0])
    session.close()
    result.quantities += [taken, missing, lag]
    result.ratio(f"{taken.title}: half of the rate of a bare broadcast of the same bytes", taken, LIMIT, 2)
    result.most(f"{taken.title}: none lost", missing, 0)
    result.most(f"{taken.title}: p99 of the lag", lag, MOST_LAG)


def notebook(cells: int) -> str:
    """A notebook in which each cell has lines, a picture of its own and a value."""
    made = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "source": f"show({number})",
            "execution_count": number + 1,
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": f"line {number}\n" * 20},
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {
                        "image/png": b64encode(number.to_bytes(4, "big") * (PICTURE_BYTES // 4)).decode()
                    },
                },
                {
                    "output_type": "execute_result",
                    "execution_count": number + 1,
                    "metadata": {},
                    "data": {"text/plain": str(number)},
                },
            ],
        }
        for number in range(cells)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made})


def openings(bench: Bench, antiphon: WebSystem, result: Result) -> None:
    cells = bench.count(CELLS)
    opened = Quantity(f"`worksheet.open` of {cells:,} cells with outputs", "ms", is_plotted=False)
    peer = cast(AntiphonWeb, antiphon).connect()
    made = peer.call("worksheet.import", filename="bench.ipynb", text=notebook(cells))
    sheet = json.loads(made)["id"]
    peer.call("worksheet.open", worksheet=sheet)
    for _ in range(bench.count(10)):
        taken, answer = timed(peer.call, "worksheet.open", worksheet=sheet)
        opened.add(NAME, taken * 1e3)
        found = json.loads(answer)
        assert len(found["cells"]) == len(found["outputs"]) == cells
    peer.close()
    result.quantities.append(opened)
    result.most(f"{opened.title}: under {MOST_TO_OPEN:g} ms", opened, MOST_TO_OPEN)


def idle_readers(bench: Bench, antiphon: WebSystem, result: Result) -> None:
    readers = bench.count(IDLE, least=5)
    taken = Quantity(f"memory of each of {readers:,} idle readers, in the server", "kB", is_plotted=False)
    session = cast(AntiphonWebSession, antiphon.create())
    session.execute("pass")
    server = [antiphon.processes()[0]]
    taken.add(NAME, of_each(readers, session.address.connect, server))
    with tornado([], take) as bare:
        taken.add(LIMIT, of_each(readers, bare.address.connect, [psutil.Process(bare.pid)]))
    session.close()
    result.quantities.append(taken)
    result.most(f"{taken.title}: under {MOST_FOR_READER:g} kB", taken, MOST_FOR_READER)


def of_each(readers: int, connect: Callable[[], WebSocket], server: list[psutil.Process]) -> float:
    """By how many kB each reader makes the server larger. One comes before, for what is loaded once."""
    sockets = [connect()]
    before = memory(server)
    sockets += [connect() for _ in range(readers)]
    grown = memory(server) - before
    for one in sockets:
        one.close()
    return grown / readers / 1e3


def measure(bench: Bench) -> Result:
    result = Result(systems=tuple(WEB))
    with bench.serving() as systems:
        starts(bench, systems, result)
        trips(bench, systems, result)
        crowds(bench, systems, result)
    with bench.serving(NAME) as systems:
        # A server that has not yet had a crowd: what it took for that is no idle reader's.
        idle_readers(bench, systems[NAME], result)
        many_lines(bench, systems[NAME], result)
        openings(bench, systems[NAME], result)
    return result
