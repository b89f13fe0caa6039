"""How long it takes through the web server: a request in, its outcome out, on one WebSocket.

A real ``antiphon serve`` with its kernel daemon, in a folder of its own:

- ``server.info``: request and reply, nothing behind it but the database;
- ``session.execute`` of ``pass``: until its ``execute_reply`` is heard on the feed;
- ``cell.run`` of ``pass``: the same, with the run and the edit written to disk before it is sent;
- flushed lines with many readers, none lost;
- ``worksheet.open`` of a worksheet of 1,000 cells, each with a printed line, a picture and a value.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websockets

from ..result import Bench, Quantity, Result
from ..system import DEADLINE

NAME = "Antiphon"
TRIPS = 300
READERS = 50
LINES = 2_000
CELLS = 1_000
OPENINGS = 10
PICTURE_BYTES = 2_000

MOST_TO_OPEN = 300.0
"""Milliseconds."""


class Peer:
    """A client on a WebSocket; what it hears on feeds goes to ``heard``."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._replies: dict[str, asyncio.Future[None]] = {}
        self.heard: list[int] = []
        self.lines = 0
        self.news = asyncio.Event()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def close(self) -> None:
        await self._socket.close()
        await self._reading

    async def call(self, method: str, **params: object) -> Any:
        number = len(self._answers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        )
        return await self._answers[number]

    def reply(self, msg_id: str) -> asyncio.Future[None]:
        """Done when the ``execute_reply`` of this request is heard."""
        return self._replies.setdefault(msg_id, asyncio.get_running_loop().create_future())

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                answer = self._answers[message["id"]]
                if "error" in message:
                    answer.set_exception(RuntimeError(message["error"]["message"]))
                else:
                    answer.set_result(message["result"])
            elif message["method"] == "feed.publications":
                for publication in message["params"]["publications"]:
                    self.heard.append(publication["number"])
                    if publication["msg_type"] == "stream":
                        self.lines += publication["content"]["text"].count("\n")
                    if publication["msg_type"] == "execute_reply":
                        self.reply(publication["parent"]).set_result(None)
                self.news.set()


async def timed(count: int, once: Callable[[], Awaitable[None]]) -> list[float]:
    """Milliseconds of each, after some to warm up."""
    found = []
    for _ in range(count + min(count, 20)):
        start = time.perf_counter()
        await once()
        found.append((time.perf_counter() - start) * 1e3)
    return found[-count:]


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """A web server of its own; the address of its WebSocket, and a token."""
    with tempfile.TemporaryDirectory(prefix="antiphon-") as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "antiphon_client", "serve", "--no-browser", "--port", "0"]
        process = subprocess.Popen([*command, "--data", str(data)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            with process.stdout:
                assert "ready" in process.stdout.readline()
                runtime = json.loads((data / "server.json").read_text())
                yield f"ws{runtime['url'].removeprefix('http')}/rpc", runtime["token"]
        finally:
            process.terminate()
            process.wait(DEADLINE)


async def trips(peer: Peer, session: str, count: int) -> dict[str, list[float]]:
    """Milliseconds of three kinds of round trips, by what they are."""

    async def info() -> None:
        await peer.call("server.info")

    async def execute() -> None:
        await peer.reply((await peer.call("session.execute", session=session, code="pass"))["msg_id"])

    sheet = (await peer.call("worksheet.create", title="Bench"))["id"]
    cell = (await peer.call("worksheet.open", worksheet=sheet))["cells"][0]["id"]
    own = (await peer.call("worksheet.session", worksheet=sheet))["uid"]
    await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
    await peer.call("feed.subscribe", session=own, cursor=0)
    version = 0

    async def run() -> None:
        nonlocal version
        made = await peer.call("cell.run", worksheet=sheet, cell=cell, source="pass", version=version)
        version += version == 0
        await peer.reply(made["msg_id"])

    return {
        "`server.info`": await timed(count, info),
        "`session.execute` of `pass`, until its reply is heard": await timed(count, execute),
        "`cell.run` of `pass`, written to disk, until its reply is heard": await timed(count, run),
    }


async def crowd(peers: list[Peer], session: str, lines: int) -> tuple[float, int]:
    """Seconds for flushed lines to reach all readers, and how many lines were lost or came twice."""
    latest = (await peers[0].call("session.info", session=session))["latest"]
    for peer in peers:
        await peer.call("feed.subscribe", session=session, cursor=latest)
    code = f"for number in range({lines}): print(number, flush=True)"
    start = time.perf_counter()
    msg_id = (await peers[0].call("session.execute", session=session, code=code))["msg_id"]
    await asyncio.gather(*(peer.reply(msg_id) for peer in peers))
    return time.perf_counter() - start, sum(abs(lines - peer.lines) for peer in peers)


def notebook(cells: int) -> str:
    """A notebook in which each cell has a line, a picture of its own and a value."""
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


async def openings(peer: Peer, cells: int, count: int) -> list[float]:
    """Milliseconds from asking for a worksheet of so many cells to having read the answer."""
    sheet = (await peer.call("worksheet.import", filename="bench.ipynb", text=notebook(cells)))["id"]

    async def once() -> None:
        opened = await peer.call("worksheet.open", worksheet=sheet)
        assert len(opened["cells"]) == len(opened["outputs"]) == cells

    return await timed(count, once)


async def measured(bench: Bench, url: str, token: str) -> Result:
    peers: list[Peer] = []

    async def connect() -> Peer:
        headers = {"Authorization": f"Bearer {token}"}
        socket = await websockets.connect(
            url, additional_headers=headers, max_size=None, compression=None, max_queue=None
        )
        peers.append(Peer(socket))
        return peers[-1]

    readers, lines = bench.count(READERS), bench.count(LINES)
    taken = Quantity(f"{lines:,} flushed lines to {readers} readers on the web", "s", is_plotted=False)
    lost = Quantity(f"lost of {readers} × {lines:,} lines on the web", "", is_plotted=False)
    cells = bench.count(CELLS)
    opened = Quantity(f"`worksheet.open` of {cells:,} cells with outputs", "ms", is_plotted=False)
    result = Result()
    try:
        peer = await connect()
        session = (await peer.call("session.create"))["uid"]
        await peer.call("feed.subscribe", session=session, cursor=0)
        for title, times in (await trips(peer, session, bench.count(TRIPS, least=3))).items():
            result.quantities.append(Quantity(title, "ms", values={NAME: times}, is_plotted=False))
        times = await openings(peer, cells, bench.count(OPENINGS, least=2))
        opened.add(NAME, *times)
        seconds, missing = await crowd([await connect() for _ in range(readers)], session, lines)
        taken.add(NAME, seconds)
        lost.add(NAME, missing)
    finally:
        for one in peers:
            await one.close()
    result.quantities += [taken, lost, opened]
    result.most(f"{opened.title}: under {MOST_TO_OPEN:g} ms", opened, MOST_TO_OPEN)
    result.most(f"{taken.title}: none lost", lost, 0)
    return result


def measure(bench: Bench) -> Result:
    with server() as (url, token):
        return asyncio.run(measured(bench, url, token))
