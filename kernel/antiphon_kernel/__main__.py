"""``python -m antiphon_kernel``: arguments to settings, refusals to exit codes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .daemon import AlreadyRunning, Refused, Settings, end_left, run
from .message import SessionLimits
from .settings import KERNEL, SettingRefused, add_flags, read, values
from .version import __version__


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
    return _settings_of(_parsed(arguments))


def _parsed(arguments: Sequence[str]) -> Namespace:
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
    add_flags(parser, KERNEL)
    parser.add_argument("--settings", type=Path, metavar="FILE", help="a TOML file; [kernel] is read of it")
    parser.add_argument(
        "--started-by", default="kernel", help="who ends this kernel; kept for others to read"
    )
    parser.add_argument(
        "--end-left",
        action="store_true",
        help="do not run: end the sessions that a killed kernel left here, say how many, and exit",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser.parse_args(arguments)


def _settings_of(given: Namespace) -> Settings:
    logging.getLogger().setLevel(logging.DEBUG if given.verbose else logging.INFO)
    file: Path | None = given.connection_file
    directory: Path = given.runtime_dir or (file.parent if file else default_runtime_dir())
    told = Namespace(**settings_values(vars(given), given.settings))
    return Settings(
        runtime_dir=directory.absolute(),
        connection_file=(file or directory / "kernel.json").absolute(),
        transport=given.transport,
        ip=given.ip,
        session_limits=SessionLimits(
            memory_bytes=machine_memory() // 2 if told.memory_limit is None else told.memory_limit,
            cpu_seconds=told.cpu_limit,
            run_seconds=told.run_limit,
            processes=told.process_limit,
            output_bytes=told.output_limit,
            idle_seconds=told.idle_limit,
        ),
        interrupt_seconds=told.interrupt_wait,
        max_sessions=told.max_sessions,
        preload=told.preload,
        ready=told.ready,
        started_by=given.started_by,
        outlive_seconds=told.outlive,
    )


def settings_values(flags: Mapping[str, str | None], file: Path | None) -> dict[str, Any]:
    """The values of ``KERNEL`` by flags, the environment and the file."""
    file = file or (Path(named) if (named := os.environ.get("ANTIPHON_SETTINGS")) else None)
    return values(read("kernel", KERNEL, flags=flags, environment=os.environ, file=file))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; its exit code: 75 (``EX_TEMPFAIL``) where another one runs or starts already."""
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO
    )
    try:
        given = _parsed(sys.argv[1:] if arguments is None else arguments)
        settings = _settings_of(given)
        if given.end_left:
            print(end_left(settings))
        else:
            asyncio.run(run(settings))
    except (Refused, SettingRefused) as refusal:
        print(refusal, file=sys.stderr)
        return os.EX_TEMPFAIL if isinstance(refusal, AlreadyRunning) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
