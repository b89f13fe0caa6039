"""Starts and stops the two programs that answer: the kernel daemon and the web server.

The one module of this client that imports them, and only when they are started. The kernel daemon is a
process of its own, in a session of its own: it outlives a web server that was killed, and the next one
finds it by its connection file.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from antiphon_client import processes, runtime
from antiphon_client.errors import ClientError, NoServer

KERNEL_START_SECONDS = 60.0
"""On a busy machine with cold disks the daemon's zygote imports for several seconds."""

START_POLL_SECONDS = 0.01
KERNEL_STOP_SECONDS = 10.0
SERVER_STOP_SECONDS = 15.0
SECRET_VARIABLES = ("ANTIPHON_TOKEN", "ANTIPHON_DATABASE")
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


# --- the kernel daemon ------------------------------------------------------------------------


def find_kernel(data: Path) -> tuple[processes.Process, runtime.KernelFile] | None:
    """The running kernel daemon of ``data``. The caller closes the process. Raises ``UnsafeFile``."""
    file = runtime.read_kernel(data)
    process = processes.find(file.pid, "antiphon_kernel") if file else None
    return (process, file) if process and file else None


def kernel_command(file: Path, started_by: str, options: Sequence[str]) -> list[str]:
    """The command line of a kernel daemon that writes its connection file to ``file``."""
    command = [sys.executable, "-m", "antiphon_kernel", "--connection-file", str(file)]
    return [*command, "--started-by", started_by, *options]


def kernel_environment() -> dict[str, str]:
    """This process's environment without its secrets: code in sessions reads what the kernel has."""
    return {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}


def start_kernel(data: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a kernel daemon for ``data``; follow with ``await_kernel``."""
    runtime.kernel_file(data).unlink(missing_ok=True)
    fd = os.open(_log(data), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "ab") as output:
        return subprocess.Popen(
            kernel_command(runtime.kernel_file(data), "serve", options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=kernel_environment(),
            start_new_session=True,
        )


def await_kernel(data: Path, child: subprocess.Popen[bytes]) -> None:
    """Return when the kernel that was started has written its connection file.

    Raises:
        ClientError: it ended or was not ready in time; names its log.
    """
    deadline = time.monotonic() + KERNEL_START_SECONDS
    while runtime.read_kernel(data) is None:
        if child.poll() is not None:
            raise ClientError(
                f"The kernel could not be started: {_last_line(_log(data))} The log is {_log(data)}"
            )
        if time.monotonic() >= deadline:
            raise ClientError(
                f"The kernel was not ready after {KERNEL_START_SECONDS:g} s. The log is {_log(data)}"
            )
        time.sleep(START_POLL_SECONDS)


def _log(data: Path) -> Path:
    return data / "kernel.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip().rstrip(".") + "." if lines else "it said nothing."


# --- the web server ---------------------------------------------------------------------------


def find_server(data: Path) -> processes.Process | None:
    """The running web server of ``data``. The caller closes the process. Raises ``UnsafeFile``."""
    try:
        return processes.find(runtime.read_server(data).pid, "antiphon")
    except NoServer:
        return None


def stop_all(data: Path) -> list[str]:
    """End the web server and the kernel daemon of ``data``; what was ended, in words."""
    # Both are looked up first: a web server in order ends the kernel that it started.
    server, found = find_server(data), find_kernel(data)
    ended = []
    if server:
        with server:
            server.stop(SERVER_STOP_SECONDS)
        ended.append("the web server")
    if found:
        with found[0] as kernel:
            kernel.stop(KERNEL_STOP_SECONDS)
        ended.append("the kernel")
    return ended


def local_account() -> str:
    """The name of this user's account on this user's own server: the login name, as far as it may be one."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return re.sub(r"[^A-Za-z0-9._@+-]", "-", name)[:64].lstrip("._@+-") or "owner"


class Server:
    """A web server in this process, with a kernel daemon beside it.

    Args:
        data: the data directory, prepared and held.
        kernel: the connection file of a kernel that somebody else looks after; None to use the one
            of the data directory, and to start it if it is not running.
        kernel_options: further arguments of a kernel that is started.

    The others are those of ``antiphon_webserver.settings.Settings``.
    """

    def __init__(
        self,
        data: Path,
        *,
        kernel: Path | None,
        kernel_options: Sequence[str],
        host: str,
        port: int,
        allow_remote: bool,
        url: str,
        database: str,
    ) -> None:
        self.kernel_left = False
        self._data = data
        self._kernel = kernel
        self._kernel_options = kernel_options
        self._host = host
        self._port = port
        self._allow_remote = allow_remote
        self._url = url
        self._database = database

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; then end the kernel, unless ``antiphon kernel`` started it.

        Args:
            ready: called in a thread, once the server answers and the kernel is there.

        Raises:
            ClientError: it could not start; a sentence says why.
        """
        child = None
        if self._kernel is None and not self._kernel_is_there():
            # Both start at the same time: the web server waits for the connection file by itself.
            child = start_kernel(self._data, self._kernel_options)
        failures: list[ClientError] = []

        def when_ready() -> None:
            try:
                if child:
                    await_kernel(self._data, child)
                ready()
            except ClientError as error:
                failures.append(error)
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            self._serve(lambda: threading.Thread(target=when_ready, daemon=True).start())
        finally:
            if child:
                _end(child)
            elif self._kernel is None:
                self._end_adopted()
            self.kernel_left = self._kernel is not None or self._kernel_is_there()
        if failures:
            raise failures[0]

    def _end_adopted(self) -> None:
        """End the kernel that an earlier ``serve`` started, but not one that ``antiphon kernel`` runs."""
        found = find_kernel(self._data)
        if found:
            with found[0] as process:
                if found[1].started_by == "serve":
                    process.stop(KERNEL_STOP_SECONDS)

    def _kernel_is_there(self) -> bool:
        found = find_kernel(self._data)
        if found is None:
            return False
        with found[0]:
            return True

    def _serve(self, ready: Callable[[], None]) -> None:
        import asyncio

        from antiphon_webserver.errors import ServerError
        from antiphon_webserver.server import serve
        from antiphon_webserver.settings import Settings

        _log_to(self._data / "server.log")
        settings = Settings(
            data=self._data,
            kernel=self._kernel or runtime.kernel_file(self._data),
            account=local_account(),
            host=self._host,
            port=self._port,
            allow_remote=self._allow_remote,
            url=self._url,
            database=self._database,
        )
        try:
            asyncio.run(serve(settings, ready=ready))
        except ServerError as error:
            raise ClientError(str(error)) from error


def _log_to(path: Path) -> None:
    """The web server's log goes to a file of bounded size: the terminal shows the login link."""
    import logging
    from logging.handlers import RotatingFileHandler

    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=2)
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process that this one started."""
    child.terminate()
    try:
        child.wait(KERNEL_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
