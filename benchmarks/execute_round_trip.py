"""Execute ``pass``, request to reply, beside a bare ping-pong of pyzmq over the same kind of socket.

    python benchmarks/execute_round_trip.py [--transport ipc|tcp] [--count 1000] [--ipykernel]

The ratio is what to trust: both sides run in turns, in the same minute, on the same machine.
``--ipykernel`` runs ipykernel through jupyter_client as well, where they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from antiphon_kernel import KernelClient, read_connection
from antiphon_kernel.transports.zeromq import ZeroMQTransport

ROUNDS = 5
ECHO = """
import sys, zmq
socket = zmq.Context().socket(zmq.ROUTER)
socket.bind(sys.argv[1])
print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
while True:
    socket.send_multipart(socket.recv_multipart())
"""


@contextmanager
def daemon(directory: Path, transport: str) -> Iterator[Path]:
    process = subprocess.Popen(
        [sys.executable, "-m", "antiphon_kernel", "--runtime-dir", directory, "--transport", transport],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (directory / "kernel.json").exists():
            if process.poll() is not None:
                raise SystemExit("the kernel did not start")
            time.sleep(0.01)
        yield directory / "kernel.json"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def echo(address: str) -> Iterator[zmq.Socket[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", ECHO, address], stdout=subprocess.PIPE, text=True)
    context = zmq.Context()
    try:
        assert process.stdout is not None
        socket = context.socket(zmq.DEALER)
        socket.connect(process.stdout.readline().strip())
        yield socket
    finally:
        process.kill()
        process.wait()
        context.destroy(linger=0)


def ping_pong(socket: zmq.Socket[bytes], count: int) -> list[float]:
    """Seconds of each round trip of seven frames."""
    frames = [b"antiphon/1 json", bytes(32), bytes(150), b"{}", b"{}", bytes(120), b""]
    times = []
    for _ in range(count):
        start = time.perf_counter()
        socket.send_multipart(frames)
        socket.recv_multipart()
        times.append(time.perf_counter() - start)
    return times


async def executions(kernel: KernelClient, count: int) -> list[float]:
    """Seconds of each execution, in a new session."""
    uid = await kernel.create_session()
    await kernel.execute(uid, "pass")
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await kernel.execute(uid, "pass")
        times.append(time.perf_counter() - start)
    await kernel.close_session(uid)
    return times


def ipykernel_executions(count: int) -> list[float]:
    """The same through jupyter_client's blocking client, its fastest."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            client.execute("pass", reply=True, timeout=30)
            times.append(time.perf_counter() - start)
        return times
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def quantiles(times: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--transport", choices=("ipc", "tcp"), default="ipc")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--ipykernel", action="store_true")
    options = parser.parse_args()
    times: dict[str, list[float]] = {"pyzmq": [], "antiphon": [], "ipykernel": []}
    with tempfile.TemporaryDirectory(prefix="antiphon-") as name:
        raw = f"ipc://{name}/echo" if options.transport == "ipc" else "tcp://127.0.0.1:*"
        with daemon(Path(name), options.transport) as file, echo(raw) as socket:
            async with KernelClient(ZeroMQTransport.to(read_connection(file))) as kernel:
                for _ in range(ROUNDS):
                    times["pyzmq"] += ping_pong(socket, options.count // ROUNDS)
                    times["antiphon"] += await executions(kernel, options.count // ROUNDS)
                    if options.ipykernel:
                        times["ipykernel"] += ipykernel_executions(options.count // ROUNDS)
    bare = quantiles(times["pyzmq"])
    print(f"{options.transport}, {os.cpu_count()} cores, {options.count} executions of pass")
    for label, values in times.items():
        if values:
            p50, p99 = quantiles(values)
            print(f"{label:10} p50 {p50:7.3f} ms ({p50 / bare[0]:5.1f} ×)   p99 {p99:7.3f} ms")


asyncio.run(main())
