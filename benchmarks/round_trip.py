"""How long it takes through the web server: a request in, its outcome out, on one WebSocket.

    python benchmarks/round_trip.py [--rounds 300] [--readers 50]

Starts a real ``antiphon serve`` with its kernel daemon in a folder of its own, and measures

- ``server.info``: request and reply, nothing behind it but the database;
- ``session.execute`` of ``pass``: until its ``execute_reply`` is heard on the feed;
- ``cell.run`` of ``pass``: the same, with the run and the edit written to disk before it is sent;
- flushed lines with many readers: lines a second that every reader has got, and none lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import websockets

LINES = 2_000


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


async def timed(rounds: int, once: Callable[[], Awaitable[None]]) -> list[float]:
    """Milliseconds of each round, after some to warm up."""
    for _ in range(20):
        await once()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        await once()
        found.append((time.perf_counter() - start) * 1000)
    return found


def show(what: str, times: list[float]) -> None:
    cuts = statistics.quantiles(times, n=100)
    print(f"{what:<34} p50 {cuts[49]:7.2f} ms   p99 {cuts[98]:7.2f} ms   min {min(times):6.2f} ms")


async def measure(port: int, token: str, rounds: int, readers: int) -> None:
    url, headers = f"ws://127.0.0.1:{port}/rpc", {"Authorization": f"Bearer {token}"}

    async def connect() -> Peer:
        socket = await websockets.connect(
            url, additional_headers=headers, max_size=None, compression=None, max_queue=None
        )
        return Peer(socket)

    peer = await connect()
    session = (await peer.call("session.create"))["uid"]
    await peer.call("feed.subscribe", session=session, cursor=0)

    async def info() -> None:
        await peer.call("server.info")

    async def execute() -> None:
        await peer.reply((await peer.call("session.execute", session=session, code="pass"))["msg_id"])

    show("server.info", await timed(rounds, info))
    show("session.execute, until its reply", await timed(rounds, execute))

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

    show("cell.run, until its reply", await timed(rounds, run))
    await crowd(connect, session, readers)


async def crowd(connect: Callable[[], Awaitable[Peer]], session: str, readers: int) -> None:
    """Flushed lines to many readers at once."""
    peers = [await connect() for _ in range(readers)]
    latest = (await peers[0].call("session.info", session=session))["latest"]
    for peer in peers:
        await peer.call("feed.subscribe", session=session, cursor=latest)
    code = f"for number in range({LINES}): print(number, flush=True)"
    start = time.perf_counter()
    msg_id = (await peers[0].call("session.execute", session=session, code=code))["msg_id"]
    await asyncio.gather(*(peer.reply(msg_id) for peer in peers))
    seconds = time.perf_counter() - start
    assert all(peer.lines == LINES for peer in peers)
    assert all(peer.heard == list(range(latest + 1, latest + 1 + len(peer.heard))) for peer in peers), (
        "a reader missed something or got it twice"
    )
    total = LINES * readers / seconds
    print(f"{LINES} flushed lines to {readers} readers: {seconds:.2f} s, {total:,.0f} lines/s, none lost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--readers", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="antiphon-") as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "antiphon_client"]
        server = subprocess.Popen(
            [*command, "serve", "--no-browser", "--port", "0", "--data", str(data)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            assert "ready" in server.stdout.readline()
            runtime = json.loads((data / "server.json").read_text())
            port = int(runtime["url"].rsplit(":", 1)[1])
            asyncio.run(measure(port, runtime["token"], given.rounds, given.readers))
        finally:
            server.terminate()
            server.wait(30)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
