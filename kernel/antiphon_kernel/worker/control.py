"""What the daemon and its zygote say to each other: one packet each, descriptors beside it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ..message import Preloaded

PACKET_BYTES = 64 * 1024
"""The largest packet on the control socket."""

FORK_DESCRIPTORS = 8
"""With ``Fork``: the worker's link, then the ends of two pipes: write stdout, write stderr, read
stdout, read stderr; then that of ``make_turn``, the daemon's end of the link and the ledger, of which
the worker has the first one only."""

KEPT_DESCRIPTORS = 6
"""With ``Kept`` of a worker that lives, or ended while there was no daemon: the daemon's end of the
link, read stdout, read stderr, turn, pidfd, ledger. Of one that ended before, or is still to be made: the
ledger."""


class _Packet(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Fork(_Packet, frozen=True):
    """Make a worker. ``key`` names it in the answer."""

    key: int


class Spawn(_Packet, frozen=True):
    """Start a program: a kernel that is none of ours. ``key`` names it in the answer, as with ``Fork``. With
    the packet comes a file that holds a ``Program``."""

    key: int


class Program(_Packet, frozen=True):
    """What to start. ``directory``: where, if not where the zygote is."""

    argv: list[str]
    environment: dict[str, str]
    directory: str


class Keep(_Packet, frozen=True):
    """Keep the ledger that comes with the packet: of a session whose worker is still to be made. It waits
    in the socket while the zygote imports, also when the daemon is killed meanwhile."""


class End(_Packet, frozen=True):
    """End, with all workers. Without it, the end of the control socket is that of a killed daemon."""


class Ready(_Packet, frozen=True):
    """The zygote has imported what it shares. ``warnings``: sentences for the operator."""

    preloaded: tuple[Preloaded, ...]
    warnings: tuple[str, ...]


class Changed(_Packet, frozen=True):
    """Preloaded modules, by name, of which a file on disk is no longer the one that was imported."""

    names: tuple[str, ...]


class Forked(_Packet, frozen=True):
    """The worker, or program, exists; its pidfd comes with the packet."""

    key: int
    pid: int


class Refused(_Packet, frozen=True):
    """No worker could be made."""

    key: int
    reason: str


class Exited(_Packet, frozen=True):
    """A worker or program ended. ``status`` is that of ``waitpid``."""

    pid: int
    status: int


Command: TypeAlias = Fork | Spawn | Keep | End
Report: TypeAlias = Ready | Changed | Forked | Refused | Exited


# --- A zygote without a daemon, and a daemon that wants it (``handover``), in this order ---------


class Challenge(_Packet, frozen=True):
    """The zygote's: whoever comes must know the secret."""

    nonce: bytes


class Claim(_Packet, frozen=True):
    """The daemon's: ``proof`` that it knows it, and its own challenge. With the next secret."""

    nonce: bytes
    proof: bytes
    version: str


class Proof(_Packet, frozen=True):
    """The zygote's. Comes with a pidfd of it. ``refusal``: why it gives nothing, and ends."""

    proof: bytes
    pid: int
    preloaded: tuple[Preloaded, ...]
    refusal: str = ""


class Kept(_Packet, frozen=True):
    """A worker of a session; what belongs to it comes with the packet. ``status``: if it has ended. ``pid``
    is 0 if it is still to be made. Of a program (``Spawn``) it is the pidfd that comes."""

    pid: int
    status: int | None
    is_program: bool = False


class Handed(_Packet, frozen=True):
    """That was all."""


Handover: TypeAlias = Challenge | Claim | Proof | Kept | Handed

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_program = msgspec.msgpack.Decoder(Program).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
decode_handover = msgspec.msgpack.Decoder(Handover).decode
