"""Earlier inputs of a session, from IPython's memory of them.

There is no database: it would need a thread, and a kernel keeps nothing on disk.
"""

from __future__ import annotations

import fnmatch
import threading
from typing import Any

from IPython.core.history import HistoryManager

from ..message import HistoryReply, HistoryRequest
from .streams import well_formed

TAIL = 10
"""Lines that a tail without ``n`` has, as in IPython."""

OUTPUT_CHARACTERS = 10_000
"""Of each output's text that is remembered: enough to recognise it by."""


class Memory(HistoryManager):
    """IPython's, in which each input stands at its own number whichever of two cells begins first.

    The four latest inputs are plain attributes here. Nobody watches them, and as traits they take longer than
    all else that is done to remember an input.
    """

    _i00 = _i = _ii = _iii = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._storing = threading.RLock()
        super().__init__(*args, **options)

    def store_inputs(self, line_num: int, source: str, source_raw: str | None = None) -> None:
        with self._storing:
            inputs = self.input_hist_parsed, self.input_hist_raw
            rests = [lines[line_num:] for lines in inputs]
            for lines in inputs:
                del lines[line_num:]
                lines += [""] * (line_num - len(lines))
            super().store_inputs(line_num, source, source_raw)
            for lines, rest in zip(inputs, rests, strict=True):
                lines += rest[len(lines) - line_num :]  # of exit() IPython keeps nothing
            self.db_input_cache.clear()  # for a database, which there is not

    def forget(self) -> None:
        """Be as at the beginning."""
        self.reset(new_session=False)
        for lines in (self.input_hist_parsed, self.input_hist_raw):
            lines[:] = [""]
        self.output_hist_reprs.clear()
        self._i = self._ii = self._iii = self._i00 = ""


def recall(manager: HistoryManager, request: HistoryRequest) -> HistoryReply:
    """The lines that the request asks for, oldest first. A session other than 0, this one, has none."""
    raw = manager.input_hist_raw
    lines = range(1, len(raw))
    match request.hist_access_type:
        case "tail":
            numbers = _last(list(lines), TAIL if request.n is None else request.n)
        case "range":
            stop = len(raw) if request.stop is None else request.stop
            numbers = [line for line in lines if request.start <= line < stop and request.session == 0]
        case "search":
            pattern = "*" if request.pattern is None else request.pattern
            numbers = [line for line in lines if fnmatch.fnmatchcase(raw[line], pattern)]
            if request.unique:
                latest = {raw[line]: line for line in numbers}
                numbers = [line for line in numbers if latest[raw[line]] == line]
            if request.n is not None:
                numbers = _last(numbers, request.n)
    inputs = raw if request.raw else manager.input_hist_parsed
    if request.output:
        outputs = manager.output_hist_reprs
        return HistoryReply(
            history=tuple((0, line, (well_formed(inputs[line]), outputs.get(line))) for line in numbers)
        )
    return HistoryReply(history=tuple((0, line, well_formed(inputs[line])) for line in numbers))


def _last(numbers: list[int], count: int) -> list[int]:
    return numbers[-count:] if count > 0 else []
