"""The connection file: how a client finds a kernel daemon and proves that it may use it.

What belongs here: the file's form and its safety. Who can read it can run code as the daemon's user,
so it is written for this user alone and not read if somebody else could have written or read it.
Source: spec, section *Connection file*.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Literal

import msgspec

from .errors import ConnectionLost
from .message import Struct


class UnsafePath(Exception):
    """A file or directory that others can use is not used for secrets. The text is one sentence."""


class Connection(Struct, frozen=True, kw_only=True):
    """The content of a connection file.

    ``key`` is ASCII text; its bytes are the signing key. ``requests`` and ``feed`` are ZeroMQ
    addresses; ``ip`` is their host by tcp, their directory by ipc. ``pid`` is the daemon's process;
    ``started_by`` says who is to end it.
    """

    transport: Literal["ipc", "tcp"]
    ip: str = ""
    key: str
    signature_scheme: Literal["hmac-sha256-blake3"] = "hmac-sha256-blake3"
    kernel_name: str = "antiphon"
    wire_version: int = 1
    requests: str
    feed: str
    pid: int
    started_by: str = "kernel"


def new_key() -> str:
    """A signing key: 256 random bits as text."""
    return secrets.token_hex(32)


def private_directory(path: Path) -> Path:
    """Make ``path`` if it is missing, mode 0700, and return it.

    Raises:
        UnsafePath: it is there and belongs to, or is open to, somebody else.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = path.stat()
    if state.st_uid != os.getuid():
        raise UnsafePath(f"{path} belongs to another user.")
    if state.st_mode & 0o077:
        raise UnsafePath(f"{path} can be reached by other users. Repair it with: chmod 700 {path}")
    return path


def write_connection(path: Path, connection: Connection) -> None:
    """Write a new connection file, mode 0600, whole or not at all.

    Raises:
        FileExistsError: there is one.
        UnsafePath: its directory is open to others.
    """
    private_directory(path.parent)
    # Written aside and linked: a reader never finds half a file, and an existing one is never replaced.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(connection), indent=2) + b"\n")
        os.link(aside, path)
    finally:
        os.unlink(aside)


def read_connection(path: Path) -> Connection:
    """Read a connection file of this user.

    Raises:
        ConnectionLost: there is none, or it is not one: no kernel runs there.
        UnsafePath: somebody else owns it or can read or write it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ConnectionLost(f"{path} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        # Of the open file: between a check by name and the open it could be changed.
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise UnsafePath(f"{path} is not a regular file.")
        if state.st_uid != os.getuid():
            raise UnsafePath(f"{path} belongs to another user.")
        if state.st_mode & 0o077:
            raise UnsafePath(f"{path} can be reached by other users. Repair it with: chmod 600 {path}")
        try:
            return msgspec.json.decode(file.read(), type=Connection)
        except msgspec.DecodeError as error:
            raise ConnectionLost(f"{path} is not a connection file: {error}") from error


def remove_connection(path: Path, pid: int) -> None:
    """Remove the connection file, if it is that of the process ``pid``."""
    with contextlib.suppress(ConnectionLost, UnsafePath, FileNotFoundError):
        if read_connection(path).pid == pid:
            path.unlink()
