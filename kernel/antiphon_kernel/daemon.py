"""The kernel daemon: settings, signals, files and exit codes around a ``Service``.

What belongs here: what only an entry point may do. ``run`` is the whole life of a daemon:

    lock the runtime directory → warm the executor → bind → write the connection file → serve
    until SIGTERM or SIGINT → remove the file → close the sessions → unbind
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import ipaddress
import logging
import os
import resource
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .client import KernelClient
from .connection import (
    Connection,
    UnsafePath,
    new_key,
    private_directory,
    read_connection,
    remove_connection,
    write_connection,
)
from .errors import ConnectionLost, WorkerFailed
from .executors.foreign import ForeignExecutor
from .executors.forked import DEFAULT_PRELOAD, ForkedExecutor, Outliving
from .jupyter.exports import Exports
from .message import NO_LIMITS, SessionLimits
from .service import INTERRUPT_SECONDS, MAX_SESSIONS, Service
from .transports.door import SUFFIX_BYTES
from .transports.inprocess import InProcessTransport
from .transports.zeromq import ZeroMQServer
from .worker import handover

log = logging.getLogger(__name__)

SOCKET_PATH_BYTES = 107
"""The longest path of a Unix socket: ``sun_path`` has 108 bytes on Linux, the last one is zero."""

SOCKETS = ("requests.sock", "feed.sock")

HANDOVER_SOCKET = "handover.sock"
"""Where the sessions of a daemon that was killed wait for the next one (``worker.handover``)."""

OUTLIVE_SECONDS = 300.0
"""How long they wait, if not told otherwise: time for a supervisor that starts a daemon again, or for a
person who does. Nobody can end them by name meanwhile, so it is bounded."""

OPEN_FILES = 65536
"""Wanted limit of open files: a session takes some, and 1024, the usual limit, is soon reached."""


class Refused(Exception):
    """The daemon does not start. The text is one sentence for the person who started it."""


class AlreadyRunning(Refused):
    """Another daemon has this place, or is about to."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a daemon is told.

    ``runtime_dir`` holds the lock and, by ipc, the sockets. ``preload`` None leaves it to the
    executor; ``ready`` workers wait ready-made. ``interrupt_seconds`` is how long interrupted code may
    take to stop before that is told. ``outlive_seconds`` is how long sessions wait for another daemon
    when this one is killed, 0 for not at all.
    """

    runtime_dir: Path
    connection_file: Path
    transport: Literal["ipc", "tcp"] = "ipc"
    ip: str = "127.0.0.1"
    session_limits: SessionLimits = NO_LIMITS
    interrupt_seconds: float = INTERRUPT_SECONDS
    max_sessions: int = MAX_SESSIONS
    preload: Sequence[str] | None = None
    ready: int = 1
    started_by: str = "kernel"
    outlive_seconds: float = OUTLIVE_SECONDS


async def run(settings: Settings) -> None:
    """Run a daemon until SIGTERM or SIGINT.

    Raises:
        Refused: it cannot or must not start; the reason is for a person.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _raise_open_files()
    try:
        with _locked(settings) as earlier, _endpoints(settings) as (requests, feed):
            await _serve(settings, earlier.key if earlier else "", requests, feed, stop)
    except UnsafePath as error:
        raise Refused(str(error)) from error
    except WorkerFailed as error:
        raise Refused(f"No worker can be made: {error.reason}") from error


def end_left(settings: Settings) -> int:
    """End at once the sessions that a killed daemon left, which wait for another one; how many there were.

    Raises:
        Refused: a daemon is running; it is for that one to end them.
    """
    try:
        with _locked(settings) as earlier:
            if earlier is None:
                return 0
            return handover.end_left(settings.runtime_dir.absolute() / HANDOVER_SOCKET, earlier.key.encode())
    except UnsafePath as error:
        raise Refused(str(error)) from error
    except handover.NotHandedOver as error:
        log.info("no sessions are left of the kernel that ended: %s", error)
        return 0


async def _serve(settings: Settings, earlier_key: str, requests: str, feed: str, stop: asyncio.Event) -> None:
    key = new_key()
    executor = _executor(settings, key, earlier_key)
    service = Service(
        executor,
        foreign=ForeignExecutor(executor),
        session_limits=settings.session_limits,
        interrupt_seconds=settings.interrupt_seconds,
        max_sessions=settings.max_sessions,
    )
    server = ZeroMQServer(service, key=key.encode(), requests=requests, feed=feed)
    try:
        server.open()
    except OSError as error:
        raise Refused(f"{requests} and {feed} cannot be bound: {error}") from error
    try:
        # The sockets outlive the service: the feeds' last news is that their sessions are closed.
        async with service, _exported(service):
            connection = Connection(
                transport=settings.transport,
                ip=settings.ip if settings.transport == "tcp" else os.path.dirname(requests[len("ipc://") :]),
                key=key,
                requests=server.requests,
                feed=server.feed,
                pid=os.getpid(),
                started_by=settings.started_by,
            )
            _announce(settings.connection_file, connection)
            gc.freeze()  # what is there now stays: no need to look through it again and again
            try:
                log.info("ready: %s", settings.connection_file)
                await stop.wait()
                log.info("ending")
            finally:
                remove_connection(settings.connection_file, os.getpid())
    finally:
        server.close()


@contextlib.asynccontextmanager
async def _exported(service: Service) -> AsyncIterator[None]:
    """Let the service open sessions to Jupyter's clients."""
    async with KernelClient(InProcessTransport(service), username="jupyter") as client:
        service.export_by(exports := Exports(client))
        try:
            yield
        finally:
            service.export_by(None)
            await exports.close()


def _executor(settings: Settings, key: str, earlier_key: str) -> ForkedExecutor:
    outliving = None
    if settings.outlive_seconds > 0:
        outliving = Outliving(
            settings.runtime_dir.absolute() / HANDOVER_SOCKET,
            key.encode(),
            earlier_key.encode(),
            settings.outlive_seconds,
        )
    preload = DEFAULT_PRELOAD if settings.preload is None else settings.preload
    return ForkedExecutor(preload=preload, spares=settings.ready, outliving=outliving)


def _announce(path: Path, connection: Connection) -> None:
    try:
        write_connection(path, connection)
    except FileExistsError:
        raise Refused(f"{path} was written by somebody else just now.") from None


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[Connection | None]:
    """Hold the runtime directory, and see to it that the place of the connection file is free.

    Gives the connection of a daemon that was killed, if there was one.
    """
    try:
        lock = private_directory(settings.runtime_dir) / "kernel.lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Refused(f"{settings.runtime_dir} cannot be used: {error.strerror}.") from error
    try:
        try:
            # A lock, not a pid in a file: it ends with its process, however that ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"A kernel is already running in {settings.runtime_dir}.") from None
        yield _clear(settings.connection_file)
    finally:
        os.close(descriptor)


def _clear(path: Path) -> Connection | None:
    """Remove the connection file that a killed daemon left, and its sockets; refuse a living one's.

    Gives what stood in it.
    """
    if not os.path.lexists(path):
        return None
    try:
        old = read_connection(path)
    except ConnectionLost:
        raise Refused(f"{path} is in the way and is not a connection file.") from None
    if _is_alive(old.pid):
        raise Refused(f"The kernel of {path} is still running (process {old.pid}).")
    log.warning("removing %s of a kernel that ended without doing so", path)
    path.unlink()
    if old.transport == "ipc":
        for address in (old.requests, old.feed):
            socket = Path(address.removeprefix("ipc://"))
            with contextlib.suppress(OSError):
                if socket.is_socket():
                    socket.unlink()
                if socket.parent.name.startswith(_SHORT_PREFIX):
                    socket.parent.rmdir()  # goes only if nothing else is in it
    return old


def _is_alive(pid: int) -> bool:
    """Whether it is a running kernel: the pid alone may be anybody's by now."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return False
    except OSError:
        return True
    else:
        return any(b"antiphon" in word for word in words)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


_SHORT_PREFIX = "antiphon-"


def _short_parent() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime if os.path.isdir(runtime) and len(runtime) < 60 else tempfile.gettempdir())


@contextlib.contextmanager
def _endpoints(settings: Settings) -> Iterator[tuple[str, str]]:
    """The two addresses to bind; their files are gone afterwards."""
    if settings.transport == "tcp":
        if not _is_loopback(settings.ip):
            raise Refused(
                f"{settings.ip} is not a loopback address: over the network a kernel needs encryption, "
                "which this version does not have."
            )
        host = f"[{settings.ip}]" if ":" in settings.ip else settings.ip
        yield f"tcp://{host}:*", f"tcp://{host}:*"
        return
    directory = settings.runtime_dir.absolute()
    short = None
    longest = max(len(os.fsencode(directory / name)) for name in SOCKETS)
    if longest + SUFFIX_BYTES > SOCKET_PATH_BYTES:
        # mkdtemp makes it 0700, under a name that nobody else has.
        directory = short = Path(tempfile.mkdtemp(prefix=_SHORT_PREFIX, dir=_short_parent()))
    paths = [directory / name for name in SOCKETS]
    try:
        for path in paths:
            path.unlink(missing_ok=True)  # ours by the lock: left by a daemon that was killed
        requests, feed = (f"ipc://{path}" for path in paths)
        yield requests, feed
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
        if short is not None:
            with contextlib.suppress(OSError):
                short.rmdir()


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
