"""What a session costs: its start, its memory while idle, its output.

    python benchmarks/session_start.py [--sessions 30] [--preload numpy,pandas,matplotlib.pyplot]

Drives the forked executor alone, without service and transport. Times in milliseconds, memory as
proportional set size. Ratios between rows of one run say more than the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

from antiphon_kernel.executors.forked import DEFAULT_PRELOAD, ForkedExecutor
from antiphon_kernel.executors.worker_process import WorkerProcess
from antiphon_kernel.link import Published, Replied, Started, WorkerEvent
from antiphon_kernel.message import ExecuteRequest, Header, Message, SessionUID, Stream
from antiphon_kernel.worker.process import private_bytes, proportional_bytes


class Session:
    """A worker, the time of its start and the characters it printed."""

    def __init__(self) -> None:
        self.worker: WorkerProcess
        self.started = asyncio.Event()
        self.replied = asyncio.Event()
        self.characters = 0

    def hear(self, events: Sequence[WorkerEvent]) -> None:
        for event in events:
            match event:
                case Started():
                    self.started.set()
                case Replied():
                    self.replied.set()
                case Published(content=Stream(text=text)):
                    self.characters += len(text)

    async def run(self, code: str) -> float:
        """Seconds from request to reply."""
        self.replied.clear()
        begin = time.perf_counter()
        content = ExecuteRequest(code=code)
        self.worker.send(Message(header=Header(msg_id=code, msg_type=content.msg_type), content=content))
        await self.replied.wait()
        return time.perf_counter() - begin


async def start(executor: ForkedExecutor) -> tuple[Session, float, float]:
    """A session, the seconds to ``Started`` and those to the first reply."""
    session = Session()
    begin = time.perf_counter()
    session.worker = await executor.start(SessionUID("benchmark"), session.hear)
    await session.started.wait()
    started = time.perf_counter() - begin
    await session.run("1 + 1")
    return session, started, time.perf_counter() - begin


def show(what: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    print(
        f"{what:42} p50 {statistics.median(ordered) * 1e3:7.2f}  p95 "
        f"{ordered[int(len(ordered) * 0.95)] * 1e3:7.2f}  min {ordered[0] * 1e3:7.2f} ms"
    )


async def measure(count: int, preload: Sequence[str]) -> None:
    for spares in (0, 1):
        executor = ForkedExecutor(preload=preload, spares=spares)
        begin = time.perf_counter()
        await executor.open()
        await start(executor)
        print(f"{'zygote: open to first reply':42}     {(time.perf_counter() - begin) * 1e3:7.0f} ms")
        results = []
        for _ in range(count):
            # Sessions are not created back to back: the spare one is ready again.
            await asyncio.sleep(0.3 if spares else 0.02)
            results.append(await start(executor))
        kind = "ready-made" if spares else "forked"
        show(f"{kind}: start to Started", [started for _, started, _ in results])
        show(f"{kind}: start to first reply", [replied for _, _, replied in results])
        sessions = [session for session, _, _ in results]
        if not spares:
            for what, measure_bytes in (("PSS", proportional_bytes), ("USS", private_bytes)):
                sizes = [measure_bytes(session.worker.pid) for session in sessions]
                print(f"{f'{what} of an idle session':42} p50 {statistics.median(sizes) / 2**20:7.2f} MiB")
            show("usage()", [timed(session.worker.usage) for session in sessions])
            session = sessions[0]
            show("execute pass", [await session.run("pass") for _ in range(300)])
            seconds = await session.run("for i in range(100_000): print('line', i)")
            print(f"{'100,000 lines of two arguments':42}     {seconds * 1e3:7.0f} ms")
            seconds = await session.run("for i in range(100_000): print(i)")
            print(f"{'100,000 lines of one argument':42}     {seconds * 1e3:7.0f} ms")
            seconds = await session.run("for i in range(10_000): print(i, flush=True)")
            print(f"{'10,000 flushed lines':42}     {seconds * 1e3:7.0f} ms")
        await executor.close()


def timed(function: object) -> float:
    begin = time.perf_counter()
    function()  # type: ignore[operator]
    return time.perf_counter() - begin


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a session costs.")
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--preload", default=",".join(DEFAULT_PRELOAD))
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.sessions, [name for name in arguments.preload.split(",") if name]))
