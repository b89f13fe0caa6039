"""``python -m antiphon_kernel``: arguments to settings, refusals to exit codes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .daemon import OUTLIVE_SECONDS, Refused, Settings, run
from .message import SessionLimits
from .service import INTERRUPT_SECONDS, MAX_SESSIONS
from .version import __version__

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)(?:i?B)?", re.IGNORECASE)


def size(text: str) -> int:
    """Bytes of "0", "500M", "2G", "1.5 GiB"; a unit is a power of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M or 2G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *([smhd]?)")


def duration(text: str) -> int:
    """Seconds of "0", "90", "15m", "2h", "1.5d"."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90, 15m or 2h")
    return math.ceil(float(match[1]) * _SECONDS[match[2]])


def count(text: str) -> int:
    """A number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return int(text)


MAX_PROCESSES = 1000
"""Of one session, unless the operator says otherwise: far more than work needs, and few enough that a
fork bomb ends before the machine does."""


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container around us, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def default_runtime_dir() -> Path:
    """A directory of this user's that goes with the login, or one in the place for temporary files."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "antiphon"
    return Path(tempfile.gettempdir()) / f"antiphon-{os.getuid()}"


def settings_of(arguments: Sequence[str]) -> Settings:
    """The settings that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m antiphon_kernel", description="The Antiphon kernel: sessions that compute."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--runtime-dir",
        type=Path,
        metavar="DIR",
        help="directory of the sockets, mode 0700; default: that of the connection file, or the user's",
    )
    parser.add_argument(
        "--connection-file",
        type=Path,
        metavar="FILE",
        help="where clients find the kernel; default: DIR/kernel.json",
    )
    parser.add_argument("--transport", choices=("ipc", "tcp"), default="ipc", help="default: ipc")
    parser.add_argument("--ip", default="127.0.0.1", help="address for tcp; loopback only")
    parser.add_argument(
        "--memory-limit",
        type=size,
        metavar="BYTES",
        help="the most memory of one session, such as 2G; 0 for none; default: half of the machine's",
    )
    parser.add_argument(
        "--cpu-limit",
        type=duration,
        default=0,
        metavar="TIME",
        help="the most CPU time of one session, such as 90, 15m or 2h; default: 0, no limit",
    )
    parser.add_argument(
        "--run-limit",
        type=duration,
        default=0,
        metavar="TIME",
        help="the longest time of one run, such as 15m; default: 0, no limit",
    )
    parser.add_argument(
        "--process-limit",
        type=count,
        default=MAX_PROCESSES,
        metavar="N",
        help=f"the most processes of one session; 0 for no limit; default: {MAX_PROCESSES}",
    )
    parser.add_argument(
        "--output-limit",
        type=size,
        default=0,
        metavar="BYTES",
        help="the most output of one run, such as 100M; default: 0, no limit",
    )
    parser.add_argument(
        "--idle-limit",
        type=duration,
        default=0,
        metavar="TIME",
        help="close a session that had nothing to do for so long, such as 2h; default: 0, never",
    )
    parser.add_argument(
        "--interrupt-wait",
        type=duration,
        default=INTERRUPT_SECONDS,
        metavar="TIME",
        help="how long interrupted code may take to stop before its session tells that it does not; "
        f"default: {INTERRUPT_SECONDS:g} s",
    )
    parser.add_argument("--max-sessions", type=int, default=MAX_SESSIONS, metavar="N")
    parser.add_argument(
        "--preload", metavar="MODULES", help="modules that each session has already imported, by commas"
    )
    parser.add_argument(
        "--ready", type=count, default=1, metavar="N", help="workers that wait ready-made; default: 1"
    )
    parser.add_argument(
        "--outlive",
        type=duration,
        default=OUTLIVE_SECONDS,
        metavar="TIME",
        help="how long sessions wait for another kernel if this one is killed; 0: they end with it; "
        f"default: {OUTLIVE_SECONDS:g} s",
    )
    parser.add_argument(
        "--started-by", default="kernel", help="who ends this kernel; kept for others to read"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    values = parser.parse_args(arguments)
    logging.getLogger().setLevel(logging.DEBUG if values.verbose else logging.INFO)
    file: Path | None = values.connection_file
    directory: Path = values.runtime_dir or (file.parent if file else default_runtime_dir())
    return Settings(
        runtime_dir=directory.absolute(),
        connection_file=(file or directory / "kernel.json").absolute(),
        transport=values.transport,
        ip=values.ip,
        session_limits=SessionLimits(
            memory_bytes=machine_memory() // 2 if values.memory_limit is None else values.memory_limit,
            cpu_seconds=values.cpu_limit,
            run_seconds=values.run_limit,
            processes=values.process_limit,
            output_bytes=values.output_limit,
            idle_seconds=values.idle_limit,
        ),
        interrupt_seconds=values.interrupt_wait,
        max_sessions=values.max_sessions,
        preload=None if values.preload is None else tuple(name for name in values.preload.split(",") if name),
        ready=values.ready,
        started_by=values.started_by,
        outlive_seconds=values.outlive,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; its exit code."""
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO
    )
    settings = settings_of(sys.argv[1:] if arguments is None else arguments)
    try:
        asyncio.run(run(settings))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
