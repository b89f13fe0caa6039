"""One file for each question. ``MEASURES`` is the order of the report, and of the run."""

from __future__ import annotations

from ..result import Measure
from . import buffers, crowd, flood, idle, lines, memory, round_trip, start, web

MEASURES: dict[str, Measure] = {
    module.__name__.rpartition(".")[2]: module.measure
    for module in (start, memory, round_trip, lines, buffers, crowd, flood, idle, web)
}
