"""How a zygote whose daemon was killed finds the next one, and gives it all that it kept.

The zygote listens on a socket in the kernel's runtime directory. The code of sessions runs as the same
user and may connect to it, or put its own socket in its place. So each side proves to the other that it
knows a secret, made from the key in the connection file of the daemon that was killed. The zygote has
it in a file in memory that it opens to no worker and reads only when it has no daemon; with each
handover it gets another one. Whoever descends from the zygote is not even listened to.

What belongs here: the two sides of that conversation. What must never come here: what is made of the
descriptors (``zygote``, ``executors.forked``).
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..message import Preloaded
from ..version import __version__
from . import process
from .control import (
    KEPT_DESCRIPTORS,
    PACKET_BYTES,
    Challenge,
    Claim,
    End,
    Handed,
    Handover,
    Kept,
    Proof,
    decode_handover,
    encode,
)

SECRET_BYTES = 32
NONCE_BYTES = 16

STEP_SECONDS = 5.0
"""For one step of the conversation: the other side has nothing else to do."""

CLAIM_SECONDS = 45.0
"""For the whole of it, on the daemon's side. A zygote in the midst of its imports answers after them."""

END_SECONDS = 5.0
"""For the zygote to end. Then its parent is told to end it."""

BACKLOG = 64

_CREDENTIALS = struct.Struct("3i")


class NotHandedOver(Exception):
    """There is no zygote to take over, or it cannot be. The text is a sentence."""


def secret_of(key: bytes) -> bytes:
    """What daemon and zygote know, from the key of a connection file."""
    return hmac.digest(key, b"antiphon handover", "sha256")


def keep_secret(secret: bytes) -> int:
    """The secret as a file in memory; its descriptor."""
    descriptor = os.memfd_create("antiphon-secret")
    os.write(descriptor, secret)
    return descriptor


def _proof(secret: bytes, side: bytes, nonce: bytes, other: bytes) -> bytes:
    return hmac.digest(secret, side + nonce + other, "sha256")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for a socket whose path may be longer than a socket's address can be."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path) -> socket.socket:
    """The socket that a zygote waits on. Its file, if there is one already, is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with _short(path) as name:
        listener.bind(name)
    os.chmod(path, 0o600)
    listener.listen(BACKLOG)
    return listener


def _send(connection: socket.socket, packet: Handover, descriptors: Sequence[int] = ()) -> None:
    socket.send_fds(connection, [encode(packet)], descriptors)


def _receive(connection: socket.socket) -> tuple[Handover, list[int]]:
    data, descriptors, _, _ = socket.recv_fds(connection, PACKET_BYTES, KEPT_DESCRIPTORS)
    try:
        if not data:
            raise NotHandedOver("the other side closed the connection")
        return decode_handover(data), descriptors
    except (msgspec.DecodeError, NotHandedOver) as error:
        _close(descriptors)
        raise NotHandedOver(str(error)) from error


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


# --- The zygote's side ------------------------------------------------------------------------


class Holding(NamedTuple):
    """What a zygote has of one worker. All as in ``Kept``."""

    pid: int
    status: int | None
    descriptors: Sequence[int]
    is_program: bool = False


def hand_over(
    connection: socket.socket, secret: bytes, preloaded: tuple[Preloaded, ...], held: Sequence[Holding]
) -> int:
    """Give everything to the daemon on this connection, if it is one.

    Returns: the descriptor of the next secret. The connection is the control socket from now on.

    Raises:
        NotHandedOver, OSError: it is none, or went away.
    """
    connection.settimeout(STEP_SECONDS)
    pid, uid, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    if uid != os.getuid() or pid in process.tree_of(os.getpid()):
        raise NotHandedOver(f"process {pid} of user {uid} is no daemon")
    challenge = Challenge(secrets.token_bytes(NONCE_BYTES))
    _send(connection, challenge)
    claim, descriptors = _receive(connection)
    try:
        if not isinstance(claim, Claim) or len(descriptors) != 1:
            raise NotHandedOver("no claim came")
        expected = _proof(secret, b"daemon", challenge.nonce, claim.nonce)
        if not hmac.compare_digest(claim.proof, expected):
            raise NotHandedOver("the proof is wrong")
        proof = _proof(secret, b"zygote", claim.nonce, challenge.nonce)
        refusal = "" if claim.version == __version__ else f"it is of version {__version__}"
        pidfd = os.pidfd_open(os.getppid())  # of the reaper, which ends last
        try:
            _send(connection, Proof(proof, os.getpid(), preloaded, refusal), [pidfd])
        finally:
            os.close(pidfd)
        for worker in () if refusal else held:
            _send(connection, Kept(worker.pid, worker.status, worker.is_program), worker.descriptors)
        _send(connection, Handed())
    except BaseException:
        _close(descriptors)
        raise
    connection.settimeout(None)
    return descriptors[0]


# --- The daemon's side ------------------------------------------------------------------------


class Inheritance(NamedTuple):
    """What a daemon got. ``control`` is the connection to the zygote."""

    control: socket.socket
    pidfd: int
    preloaded: tuple[Preloaded, ...]
    workers: Sequence[Holding]


def claim(path: Path, secret: bytes, next_secret: bytes) -> Inheritance:
    """Take over the zygote that waits at ``path``. Blocks for ``CLAIM_SECONDS`` at most.

    Raises:
        NotHandedOver: there is none, it is not what it seems, or it is of another version.
    """
    deadline = time.monotonic() + CLAIM_SECONDS
    with contextlib.ExitStack() as on_failure:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        on_failure.callback(connection.close)
        connection.settimeout(CLAIM_SECONDS)
        try:
            with _short(path) as name:
                while True:
                    try:
                        connection.connect(name)
                        break
                    except BlockingIOError:
                        # Others wait there. It refuses them once it has noticed that its daemon is gone.
                        if time.monotonic() > deadline:
                            raise
                        time.sleep(0.02)
            inheritance = _claim(connection, secret, next_secret)
        except OSError as error:
            raise NotHandedOver(str(error)) from error
        on_failure.pop_all()
        return inheritance


def end_left(path: Path, key: bytes) -> int:
    """End the sessions that wait at ``path``; how many there were. Blocks as ``claim`` does.

    Args:
        key: of the connection file of the daemon that was killed.

    Raises:
        NotHandedOver: as ``claim``.
    """
    inherited = claim(path, secret_of(key), secrets.token_bytes(SECRET_BYTES))
    with inherited.control as control:
        for worker in inherited.workers:
            _close(worker.descriptors)
        try:
            control.send(encode(End()))
            if not select.select([inherited.pidfd], [], [], END_SECONDS)[0]:
                signal.pidfd_send_signal(inherited.pidfd, signal.SIGTERM)
                select.select([inherited.pidfd], [], [], END_SECONDS)
        finally:
            os.close(inherited.pidfd)
    path.unlink(missing_ok=True)
    return sum(not worker.is_program for worker in inherited.workers)


def _claim(connection: socket.socket, secret: bytes, next_secret: bytes) -> Inheritance:
    challenge, rest = _receive(connection)
    _close(rest)
    if not isinstance(challenge, Challenge):
        raise NotHandedOver("no challenge came")
    nonce = secrets.token_bytes(NONCE_BYTES)
    kept = keep_secret(next_secret)
    try:
        proof = _proof(secret, b"daemon", challenge.nonce, nonce)
        _send(connection, Claim(nonce, proof, __version__), [kept])
    finally:
        os.close(kept)
    received: list[int] = []
    try:
        answer, descriptors = _receive(connection)
        received += descriptors
        if not isinstance(answer, Proof) or len(descriptors) != 1:
            raise NotHandedOver("no proof came")
        if not hmac.compare_digest(answer.proof, _proof(secret, b"zygote", nonce, challenge.nonce)):
            raise NotHandedOver("whoever listens there is not the zygote")
        if answer.refusal:
            raise NotHandedOver(answer.refusal)
        workers = []
        while True:
            packet, descriptors = _receive(connection)
            received += descriptors
            if not isinstance(packet, Kept):
                break
            workers.append(Holding(packet.pid, packet.status, descriptors, packet.is_program))
        if not isinstance(packet, Handed):
            raise NotHandedOver("the handover was not finished")
    except BaseException:
        _close(received)
        raise
    return Inheritance(connection, received[0], answer.preloaded, workers)
