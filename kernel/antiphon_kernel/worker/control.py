"""What the daemon and its zygote say to each other: one packet each, descriptors beside it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ..message import Preloaded

PACKET_BYTES = 64 * 1024
"""The largest packet on the control socket."""

FORK_DESCRIPTORS = 6
"""With ``Fork``: the worker's link, then the ends of two pipes: write stdout, write stderr, read
stdout, read stderr; then that of ``make_turn``."""


class _Packet(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Fork(_Packet, frozen=True):
    """Make a worker. ``key`` names it in the answer."""

    key: int


class Ready(_Packet, frozen=True):
    """The zygote has imported what it shares. ``warnings``: sentences for the operator."""

    preloaded: tuple[Preloaded, ...]
    warnings: tuple[str, ...]


class Changed(_Packet, frozen=True):
    """Preloaded modules, by name, of which a file on disk is no longer the one that was imported."""

    names: tuple[str, ...]


class Forked(_Packet, frozen=True):
    """The worker exists; its pidfd comes with the packet."""

    key: int
    pid: int


class Refused(_Packet, frozen=True):
    """No worker could be made."""

    key: int
    reason: str


class Exited(_Packet, frozen=True):
    """A worker ended. ``status`` is that of ``waitpid``."""

    pid: int
    status: int


Report: TypeAlias = Ready | Changed | Forked | Refused | Exited

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Fork).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
