"""Kernels side by side, as a Jupyter client meets them: start, round trip, printed lines.

    python benchmarks/jupyter_kernels.py antiphon python3 [--rounds 8]

Takes the names of installed kernelspecs, one after the other in each round; needs jupyter_client. The
times of the client are in them. Medians; the ratios to the last kernel say more than the figures.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

DEADLINE = 60.0
LINES = 100_000
TRIPS = 50


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def execute(client: BlockingKernelClient, code: str) -> None:
    client.execute(code)
    client.get_shell_msg(timeout=DEADLINE)


def lines(client: BlockingKernelClient) -> int:
    """Lines that arrive of those that are printed."""
    msg_id = client.execute(f"for i in range({LINES}): print(i)")
    arrived = 0
    while True:
        message = client.get_iopub_msg(timeout=DEADLINE)
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "stream":
            arrived += message["content"]["text"].count("\n")
        if message["content"].get("execution_state") == "idle":
            return arrived


def measure(name: str) -> tuple[float, float, float, int]:
    """Seconds to the first reply of a new kernel, of a round trip, of the lines; lines that arrived."""
    manager = KernelManager(kernel_name=name)
    begin = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels(hb=False)
    try:
        execute(client, "1")
        start = time.perf_counter() - begin
        trip = statistics.median(seconds(lambda: execute(client, "pass")) for _ in range(TRIPS))
        begin = time.perf_counter()
        arrived = lines(client)
        return start, trip, time.perf_counter() - begin, arrived
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Jupyter kernels side by side.")
    parser.add_argument("kernels", nargs="+", help="names of kernelspecs")
    parser.add_argument("--rounds", type=int, default=8)
    values = parser.parse_args()
    found: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in values.kernels}
    for _ in range(values.rounds):
        for name in found:
            found[name].append(measure(name))
    rows = {
        name: [statistics.median(column) for column in zip(*runs, strict=True)]
        for name, runs in found.items()
    }
    last = rows[values.kernels[-1]]
    print(f"{'':16}{'start':>16}{'round trip':>18}{f'{LINES} lines':>18}{'arrived':>10}")
    for name, (start, trip, printed, arrived) in rows.items():
        to_start, to_trip, to_printed, _ = (one / other for one, other in zip(rows[name], last, strict=True))
        print(
            f"{name:16}{start * 1e3:7.0f} ms {to_start:4.2f}x {trip * 1e3:9.2f} ms {to_trip:4.2f}x"
            f"{printed:11.2f} s {to_printed:4.2f}x{arrived:10.0f}"
        )


if __name__ == "__main__":
    main()
