"""The data directory and the files by which programs of one user find each other.

    DATA/                 0700
    ├── server.json       0600  the running web server: url, pid, token, account (the server writes it)
    ├── serve.lock        0600  held by ``antiphon serve`` while it runs; its pid
    ├── kernel.json       0600  the running kernel daemon's connection file (the daemon writes it)
    ├── kernel.log        0600  what the daemon says
    └── server.log        0600  what the web server says

A file with a secret is read only if it belongs to this user and nobody else may touch it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from antiphon_client.errors import NoServer, UnsafeFile

T = TypeVar("T")


class ServerFile(msgspec.Struct, frozen=True, kw_only=True):
    """The running web server of a data directory. ``token`` is good for this user alone."""

    url: str
    pid: int
    token: str
    account: str = ""


class KernelFile(msgspec.Struct, frozen=True, kw_only=True):
    """What this client needs of a kernel's connection file: whose it is, never its key."""

    pid: int
    started_by: str = "kernel"


def data_directory(flag: str | os.PathLike[str] | None = None) -> Path:
    """Where the server keeps its data: the flag, ``ANTIPHON_DATA``, or the platform's place for it."""
    chosen = flag or os.environ.get("ANTIPHON_DATA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("antiphon", appauthor=False))


def config_directory() -> Path:
    """Where tokens of other servers are kept: ``ANTIPHON_CONFIG``, or the platform's place for it."""
    chosen = os.environ.get("ANTIPHON_CONFIG")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_config_dir("antiphon", appauthor=False))


def read_server(data: Path) -> ServerFile:
    """The running server of ``data``.

    Raises:
        NoServer: there is no file, or it cannot be understood.
        UnsafeFile: somebody else could have written or read it.
    """
    found = read_secret(data / "server.json", ServerFile)
    if found is None:
        raise NoServer("No Antiphon server is running for this user. Start one with: antiphon serve")
    return found


def read_kernel(data: Path) -> KernelFile | None:
    """The kernel daemon of ``data``, or None when no file tells of one. Raises ``UnsafeFile``."""
    return read_secret(kernel_file(data), KernelFile)


def kernel_file(data: Path) -> Path:
    """Where the kernel daemon of ``data`` writes its connection file."""
    return data / "kernel.json"


def read_secret(path: Path, kind: type[T]) -> T | None:
    """Decode a JSON file of this user, mode 0600 or stricter. None when it is missing or half written.

    Raises:
        UnsafeFile: it belongs to another user, others have a right to it, or it is no regular file.
    """
    try:
        # The checks are made on the open file: between a check by name and the open it could be changed.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnsafeFile(f"{path} cannot be read: {error.strerror}.") from error
    with open(fd, "rb") as file:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            raise UnsafeFile(f"{path} is not a regular file.")
        if state.st_uid != os.getuid():
            raise UnsafeFile(f"{path} belongs to another user. It is not used.")
        if state.st_mode & 0o077:
            raise UnsafeFile(f"{path} can be reached by other users. Repair it with: chmod 600 {path}")
        try:
            return msgspec.json.decode(file.read(), type=kind)
        except msgspec.DecodeError:
            return None


def write_secret(path: Path, value: object) -> None:
    """Write JSON for this user alone (0600), whole or not at all. The directory is made, 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            os.fchmod(fd, 0o600)
            file.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
