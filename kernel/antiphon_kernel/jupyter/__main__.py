"""``python -m antiphon_kernel.jupyter``: a kernel for Jupyter, its kernelspec, and a way to a session.

-f FILE                        be the kernel of this connection file (Jupyter starts us so)
install                        write the kernelspec
connect SESSION                let Jupyter's clients use a session of a running daemon
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from ..connection import UnsafePath, new_key, read_connection
from ..errors import KernelError
from ..executors.forked import ForkedExecutor
from ..message import ConnectionFile, SessionUID
from . import kernelspec

log = logging.getLogger(__name__)


class Refused(Exception):
    """It does not start. The text is one sentence for a person."""


# --- A kernel of its own ----------------------------------------------------------------------


async def serve(file: ConnectionFile) -> int:
    """Be a Jupyter kernel until somebody ends it; the exit code.

    Raises:
        OSError: an address is taken.
    """
    # Nothing is preloaded: one session would pay for it, and no second one would gain.
    executor = ForkedExecutor(preload=(), spares=0, warm=False)
    await executor.open()
    # Imported while the zygote imports IPython: the start of a kernel is what people wait for.
    from ..client import KernelClient
    from ..service import Service
    from ..transports.inprocess import InProcessTransport
    from .front import JupyterFront

    async with Service(executor) as service, KernelClient(InProcessTransport(service)) as client:
        uid = await client.create_session("jupyter")
        async with JupyterFront(client, uid, file, owner=True) as front:
            stop = partial(front.end, "shutdown")
            with _signals(front.interrupt, stop), _parent_gone(stop):
                ending = await front.ended()
    return 1 if ending in ("dead", "lost") else 0


@contextlib.contextmanager
def _signals(interrupt: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: stop, signal.SIGHUP: stop}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _parent_gone(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` when the Jupyter program that started us is gone: nobody could ask any more."""
    parent = os.environ.get("JPY_PARENT_PID", "")
    if parent != str(os.getppid()):
        yield  # started through something else, or in another pid namespace
        return
    descriptor = os.pidfd_open(int(parent))
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, stop)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


# --- A session of a daemon --------------------------------------------------------------------


async def connect(kernel: Path, uid: SessionUID, path: Path) -> int:
    """Serve a session of a running daemon to Jupyter's clients; the exit code.

    Args:
        kernel: the daemon's connection file.
        path: where the Jupyter connection file is written, for as long as this runs.
    """
    from ..client import KernelClient
    from ..transports.zeromq import ZeroMQTransport
    from .front import JupyterFront

    async with KernelClient(ZeroMQTransport.to(read_connection(kernel))) as client:
        info = await client.session_info(uid)
        file = ConnectionFile(key=new_key(), kernel_name=kernelspec.NAME)
        async with JupyterFront(client, uid, file, owner=False) as front:
            stop = partial(front.end, "lost")
            with _written(path, front.connection), _signals(stop, stop):
                label = f" ({info.name})" if info.name else ""
                print(f"The session{label} is open to Jupyter: jupyter console --existing {path}", flush=True)
                print("Ctrl-C closes this door; the session goes on.", flush=True)
                ending = await front.ended()
    if ending in ("closed", "shutdown"):
        print("The session was closed.")
    return 0


@contextlib.contextmanager
def _written(path: Path, file: ConnectionFile) -> Iterator[None]:
    """The file is there, for this user alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as target:
        target.write(msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


# --- The command line -------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m antiphon_kernel.jupyter", description="Antiphon for Jupyter's clients."
    )
    parser.add_argument("-f", dest="file", type=Path, metavar="FILE", help="be the kernel of this file")
    commands = parser.add_subparsers(dest="command")

    install = commands.add_parser("install", prog="antiphon kernel install", help="write the kernelspec")
    where = install.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user (the default)")
    where.add_argument("--prefix", metavar="DIR", help="in DIR/share/jupyter")
    where.add_argument("--sys-prefix", action="store_true", help="in this Python's environment")
    install.add_argument(
        "--shared",
        action="store_true",
        help="kernels are sessions of the running kernel, not processes; Jupyter must be installed beside us",
    )
    install.add_argument("--kernel", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    install.add_argument("--name", help="default: antiphon, or antiphon-shared")
    install.add_argument("--display-name", help="what people see; default: Antiphon, or Antiphon (shared)")

    to = commands.add_parser(
        "connect", prog="antiphon kernel connect", help="let Jupyter use a session of a running kernel"
    )
    to.add_argument("session", metavar="SESSION", help="UID of the session")
    to.add_argument("--kernel", type=Path, required=True, metavar="FILE", help=argparse.SUPPRESS)
    to.add_argument("--file", type=Path, metavar="FILE", help="default: where Jupyter looks for such files")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    logging.basicConfig(stream=sys.stderr, format="[antiphon] %(levelname)s: %(message)s")
    parser = _parser()
    values = parser.parse_args(arguments)
    try:
        if values.command == "install":
            return _install(values)
        if values.command == "connect":
            path = values.file or kernelspec.runtime_directory() / f"kernel-antiphon-{os.getpid()}.json"
            return asyncio.run(connect(values.kernel, SessionUID(values.session), path.absolute()))
        if values.file is None:
            parser.error("one of -f FILE, install and connect is needed")
        return asyncio.run(serve(_read(values.file)))
    except (Refused, UnsafePath, OSError, ValueError) as error:
        print(f"antiphon: {error}", file=sys.stderr)
    except KernelError as error:
        print(f"antiphon: {error.reason}", file=sys.stderr)
    return 1


def _install(values: argparse.Namespace) -> int:
    if values.shared and values.kernel is None:
        raise Refused("--shared needs the connection file of the kernel: --kernel FILE")
    usual = (kernelspec.SHARED_NAME, "Antiphon (shared)") if values.shared else (kernelspec.NAME, "Antiphon")
    name = usual[0] if values.name is None else values.name
    directory = kernelspec.install(
        prefix=sys.prefix if values.sys_prefix else values.prefix,
        name=name,
        display_name=values.display_name or usual[1],
        daemon=values.kernel.absolute() if values.shared else None,
    )
    print(f"Jupyter finds the kernel {name!r} in {directory}")
    return 0


def _read(path: Path) -> ConnectionFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ConnectionFile)
    except msgspec.DecodeError as error:
        raise Refused(f"{path} is not a connection file: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
