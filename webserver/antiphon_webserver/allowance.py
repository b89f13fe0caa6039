"""How much output is kept of a run and of a worksheet: a pure rule, applied to what is heard before anybody
gets it.

What is beyond the allowance is cut, and in its place stands a line on stderr that says how much was cut and
by which setting. Each cut publication writes that line anew, over the one before, so the last one counts.
Numbers stay, and the run goes on. A run of which something was cut gets nothing more: it has no holes.
"""

from __future__ import annotations

import msgspec

from .blobs import Bytes
from .model import OUTPUT, Publication

RUN_SETTING = "run-output-bytes"
WORKSHEET_SETTING = "worksheet-output-bytes"

REMEMBERED = 1_000
"""Runs whose sizes are remembered; the oldest are forgotten first."""

NEAR_BYTES = 64 * 2**20
"""Nearer than this to a worksheet's limit nothing is guessed; more than a session says at once."""


class _Heard(msgspec.Struct, frozen=True):
    """Bytes of a run that are kept and cut, and the setting that cut them, with its value."""

    kept: int = 0
    cut: int = 0
    by: str = ""


class Allowance:
    """Of one session.

    Args:
        run_bytes: the most that is kept of one run; 0 is no limit.
        worksheet_bytes: the most that is kept of its worksheet; 0 is no limit.
    """

    def __init__(self, run_bytes: int, worksheet_bytes: int = 0) -> None:
        self._run_bytes = run_bytes
        self._worksheet_bytes = worksheet_bytes
        self._worksheet: int | None = None
        self._heard: dict[str, _Heard] = {}

    @property
    def near(self) -> bool:
        """Whether it must be ``told`` what the worksheet has before it can ``take`` more."""
        if not self._worksheet_bytes:
            return False
        return self._worksheet is None or self._worksheet + NEAR_BYTES > self._worksheet_bytes

    def told(self, worksheet: int) -> None:
        """So many bytes the worksheet has, with those that are on their way."""
        self._worksheet = worksheet

    def take(self, said: Publication, data: Bytes) -> tuple[Publication, Bytes, int]:
        """What is kept of a publication and its blobs, and how many bytes that counts."""
        if not (self._run_bytes or self._worksheet_bytes) or said.msg_type not in OUTPUT:
            return said, data, 0
        heard = self._heard.pop(said.parent, _Heard())
        size = _size(said) + sum(map(len, data.values()))
        by = heard.by or self._refused(heard.kept + size, size)
        if not by:
            self._remember(said.parent, _Heard(heard.kept + size))
            if self._worksheet is not None:
                self._worksheet += size
            return said, data, size
        cut = heard.cut + size
        self._remember(said.parent, _Heard(heard.kept, cut, by))
        begin = "\r" if heard.cut else "\n"
        text = f"{begin}[{cut:,} bytes of output were cut: {by}.]"
        content = {"name": "stderr", "text": text}
        return msgspec.structs.replace(said, msg_type="stream", content=content, blobs={}, buffers=()), {}, 0

    def _refused(self, run: int, size: int) -> str:
        """Which setting has no room for ``size`` more bytes, with which the run would have ``run``."""
        if self._run_bytes and run > self._run_bytes:
            return f"{RUN_SETTING} is {self._run_bytes:,}"
        if self._worksheet_bytes and (self._worksheet or 0) + size > self._worksheet_bytes:
            return f"{WORKSHEET_SETTING} is {self._worksheet_bytes:,}; clear outputs to make room"
        return ""

    def _remember(self, run: str, heard: _Heard) -> None:
        if len(self._heard) >= REMEMBERED:
            del self._heard[next(iter(self._heard))]
        self._heard[run] = heard


def _size(said: Publication) -> int:
    if said.msg_type == "stream":
        return len(said.content["text"].encode("utf-8", "replace"))
    return len(msgspec.json.encode(said.content["data"]))
