"""How much output of a run is kept: a pure rule, applied to what is heard before anybody gets it.

What is beyond the allowance is cut, and in its place stands a line on stderr that says how much was cut and
by which setting. Each cut publication writes that line anew, over the one before, so the last one counts.
Numbers stay, and the run goes on.
"""

from __future__ import annotations

import msgspec

from .blobs import Bytes
from .model import Publication

SETTING = "run-output-bytes"

OUTPUT = frozenset({"stream", "display_data", "execute_result", "update_display_data"})
"""What counts. An error is kept in any case: it says how the run ended."""

REMEMBERED = 1_000
"""Runs whose sizes are remembered; the oldest are forgotten first."""


class Allowance:
    """Of one session.

    Args:
        most_bytes: of one run; 0 is no limit.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._heard: dict[str, tuple[int, int]] = {}

    def take(self, said: Publication, data: Bytes) -> tuple[Publication, Bytes]:
        """What is kept of a publication and its blobs."""
        if not self._most or said.msg_type not in OUTPUT:
            return said, data
        kept, cut = self._heard.pop(said.parent, (0, 0))
        size = _size(said) + sum(map(len, data.values()))
        if not cut and kept + size <= self._most:
            self._remember(said.parent, kept + size, 0)
            return said, data
        self._remember(said.parent, kept, cut + size)
        begin = "\r" if cut else "\n"
        text = f"{begin}[{cut + size:,} bytes of output were cut: {SETTING} is {self._most:,}.]"
        content = {"name": "stderr", "text": text}
        return msgspec.structs.replace(said, msg_type="stream", content=content, blobs={}, buffers=()), {}

    def _remember(self, run: str, kept: int, cut: int) -> None:
        if len(self._heard) >= REMEMBERED:
            del self._heard[next(iter(self._heard))]
        self._heard[run] = (kept, cut)


def _size(said: Publication) -> int:
    if said.msg_type == "stream":
        return len(said.content["text"].encode("utf-8", "replace"))
    return len(msgspec.json.encode(said.content["data"]))
