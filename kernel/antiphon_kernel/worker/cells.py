"""Cells as files, which is how a debugger knows code: a name that a client can compute from the text.

Without a debugger a cell has IPython's name for it and no file.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from pathlib import Path

from .streams import well_formed

HASH_METHOD = "Murmur2"
HASH_SEED = 0xC70F6907
"""As of Jupyter's other kernels. Clients read both from ``debugInfo``."""

SUFFIX = ".py"

_FACTOR = 0x5BD1E995
_WORD = 0xFFFFFFFF


def murmur2(data: bytes, seed: int) -> int:
    """MurmurHash2 of 32 bits (Austin Appleby, public domain)."""
    value = seed ^ len(data)
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        word = word * _FACTOR & _WORD
        word = (word ^ word >> 24) * _FACTOR & _WORD
        value = value * _FACTOR & _WORD ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * _FACTOR & _WORD
    value = (value ^ value >> 13) * _FACTOR & _WORD
    return value ^ value >> 15


class CellFiles:
    """The files of this process's cells, in a directory of its own, which nobody else can read."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix=_directory_prefix(os.getpid())))
        self.prefix = f"{self._directory}{os.sep}"

    def name_of(self, code: str) -> str:
        """Where the code would be written."""
        return f"{self.prefix}{murmur2(well_formed(code).encode(), HASH_SEED)}{SUFFIX}"

    def write(self, code: str) -> str:
        """Write the code, for debugpy, which wants to see a file; its name."""
        name = self.name_of(code)
        with open(name, "w", encoding="utf-8", newline="") as file:
            file.write(well_formed(code))
        return name

    def close(self) -> None:
        """Remove them."""
        shutil.rmtree(self._directory, ignore_errors=True)


def _directory_prefix(pid: int) -> str:
    return f"antiphon-{pid}-"


def remove_files_of(pid: int) -> None:
    """Remove what a process that has ended left here."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_directory_prefix(pid)}*"):
        shutil.rmtree(directory, ignore_errors=True)
