"""The data directory and the web server: prepared, held, started in this process, ended.

The one module of this client that imports the web server, and only to start it. The kernel, which is a
process of its own, is started by ``keeper``.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from antiphon_client import keeper, processes, runtime
from antiphon_client.errors import ClientError, NoServer
from antiphon_client.settings import Told

if TYPE_CHECKING:
    import logging

    from antiphon_webserver.settings import Settings

SERVER_STOP_SECONDS = 15.0
LOG_BYTES = 4 * 2**20


# --- the data directory -----------------------------------------------------------------------


def prepare(data: Path) -> None:
    """Make the data directory, for this user alone.

    Raises:
        ClientError: it cannot be made or written, belongs to somebody else, or others may enter it.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = data.stat()
        if state.st_uid == os.getuid() and state.st_mode & 0o077 and not any(data.iterdir()):
            data.chmod(0o700)
            state = data.stat()
    except FileExistsError:
        raise ClientError(f"The data directory {data} is a file. Choose another with --data DIR.") from None
    except OSError as error:
        raise ClientError(
            f"The data directory {data} cannot be made: {error.strerror}. Choose another with --data DIR."
        ) from error
    if state.st_uid != os.getuid():
        raise ClientError(
            f"The data directory {data} belongs to another user. Choose another with --data DIR."
        )
    if state.st_mode & 0o077:
        raise ClientError(
            f"The data directory {data} can be reached by other users. Repair it with: chmod 700 {data}"
        )
    if not os.access(data, os.W_OK | os.X_OK):
        raise ClientError(f"The data directory {data} is not writable. Choose another with --data DIR.")


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Hold the data directory: one web server at a time. The system lets go when this process ends.

    Raises:
        ClientError: another process holds it; says where that one answers.
    """
    try:
        fd = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ClientError(f"The data directory {data} is not writable: {error.strerror}.") from error
    with open(fd, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClientError(_already(data, file.read())) from None
        file.truncate(0)
        file.write(b"%d\n" % os.getpid())
        file.flush()
        yield


def _already(data: Path, holder: bytes) -> str:
    server = None
    with suppress(ClientError):
        server = runtime.read_server(data)
    where = f" at {server.url}" if server else ""
    pid = holder.decode(errors="replace").strip()
    return (
        f"Antiphon is already running on {data}{where} (process {pid}). "
        "A login link: antiphon login --link   End it: antiphon stop"
    )


# --- the web server ---------------------------------------------------------------------------


def find_server(data: Path) -> processes.Process | None:
    """The running web server of ``data``. The caller closes the process. Raises ``UnsafeFile``."""
    try:
        return processes.find(runtime.read_server(data).pid, "antiphon")
    except NoServer:
        return None


def stop_all(data: Path) -> list[str]:
    """End the web server and the kernel daemon of ``data``, or what is left of one that was killed; what
    was ended, in words."""
    # Both are looked up first: a web server in order ends the kernel that it started.
    server, found = find_server(data), keeper.find(data)
    ended = []
    if server:
        with server:
            server.stop(SERVER_STOP_SECONDS)
        ended.append("the web server")
    if found:
        with found[0] as kernel:
            kernel.stop(keeper.STOP_SECONDS)
        ended.append("the kernel")
    elif left := keeper.end_left(data):
        ended.append(f"{left} session{'s' * (left > 1)} that a killed kernel had left")
    return ended


def local_account() -> str:
    """The name of this user's account on this user's own server: the login name, as far as it may be one."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return re.sub(r"[^A-Za-z0-9._@+-]", "-", name)[:64].lstrip("._@+-") or "owner"


def check(data: Path, told: Told) -> Settings:
    """The web server's settings, as far as they can be checked before it starts.

    Raises:
        ClientError: they are unsafe; a sentence says why.
    """
    from antiphon_webserver.settings import Settings, SettingsRefused

    settings = Settings.of(told.server, data=data, account=local_account())
    try:
        settings.check()
    except SettingsRefused as error:
        raise ClientError(str(error)) from error
    return settings


def backup(data: Path, told: Told, file: Path) -> int:
    """Write the database of ``data`` to a new file, whoever uses it meanwhile; returns its bytes.

    Raises:
        ClientError: it cannot be done; a sentence says why.
    """
    from antiphon_webserver.errors import ServerError
    from antiphon_webserver.storage.backup import save

    try:
        return save(check(data, told).database_url, file)
    except ServerError as error:
        raise ClientError(str(error)) from error


def restore(data: Path, told: Told, file: Path) -> None:
    """Make the database of ``data`` of a backup; no server may run on it, and no database be there.

    Raises:
        ClientError: it cannot be done; a sentence says why.
    """
    from antiphon_webserver.errors import ServerError
    from antiphon_webserver.storage import backup

    prepare(data)
    with held(data):
        try:
            backup.restore(file, check(data, told).database_url)
        except ServerError as error:
            raise ClientError(str(error)) from error


class Server:
    """A web server in this process, with a kernel daemon beside it, unless the settings name another.

    Args:
        data: the data directory, prepared and held.

    Raises:
        ClientError: the settings are unsafe.
    """

    def __init__(self, data: Path, told: Told) -> None:
        self._data = data
        self._told = told
        self._settings = check(data, told)

    def run(self, ready: Callable[[], None], say: Callable[[str], None]) -> bool:
        """Serve until SIGINT or SIGTERM; then end the kernel, unless it is somebody else's.

        Args:
            ready: called in a thread, once the server answers and the kernel is there.
            say: called with a sentence for the person at the terminal, from a thread.

        Returns:
            Whether nothing is left running.

        Raises:
            ClientError: it could not start; a sentence says why.
        """
        named = self._told.server["kernel"]
        kernel = None if named else keeper.Keeper(self._data, self._told.kernel_words, say)
        failures: list[ClientError] = []

        def when_ready() -> None:
            try:
                if kernel:
                    kernel.ready()
                for warning in self._settings.warnings():
                    say(warning)
                ready()
            except ClientError as error:
                failures.append(error)
                os.kill(os.getpid(), signal.SIGTERM)

        # Until the web server handles it, SIGTERM must not skip what follows below.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            if kernel:
                # Both start at the same time: the web server waits for the connection file by itself.
                kernel.open()
            self._serve(lambda: threading.Thread(target=when_ready, daemon=True).start())
        finally:
            all_ended = kernel.close() if kernel else False
        if failures:
            raise failures[0]
        return all_ended

    def _serve(self, ready: Callable[[], None]) -> None:
        import asyncio

        from antiphon_webserver import logs
        from antiphon_webserver.errors import ServerError
        from antiphon_webserver.server import serve

        told = self._told.server
        logs.start(told["log_format"], told["log_level"], _log_file(self._data / "server.log"))
        try:
            asyncio.run(serve(self._settings, ready=ready))
        except ServerError as error:
            raise ClientError(str(error)) from error


def _log_file(path: Path) -> logging.Handler:
    """The web server's log goes to a file of bounded size: the terminal shows the login link."""
    from logging.handlers import RotatingFileHandler

    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    return RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=2)
