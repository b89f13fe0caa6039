"""What two kernels made of one notebook, without what cannot be the same twice.

Nothing else is taken away; what differs by design is marked in the notebook, in the cell's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from nbformat import NotebookNode

RULES = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        # Where objects lie.
        (r"\b0x[0-9a-f]{6,}", "0x"),
        # Names of cells as files: ours are IPython's, ipykernel's are those of a debugger.
        (
            rf"<ipython-input-\d+-[0-9a-f]+>|({re.escape(gettempdir())}/ipykernel_\d+/)?\b\d{{5,}}\.py",
            "<cell>",
        ),
        # How long it took: %time, tqdm.
        (r"(CPU times|Wall time): .*", r"\1"),
        (r"\d\d:\d\d(<|&lt;)\d\d:\d\d,\s+[\d.?]+[kMG]?(s/)?[a-zA-Z]+(/s)?", "rate"),
        # The part of a table's id that pandas draws.
        (r"\bT_[0-9a-f]{5}", "T_"),
    )
)

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_FRAME = re.compile(r"^(?:File )?(\S.*?)(?::\d+|, line \d+)(?:, in (.*?)(?:\(.*)?)?$")


class Normaliser:
    """Of one notebook of one kernel.

    Args:
        directory: in which it ran.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._ids: dict[str, str] = {}

    def cell(self, cell: NotebookNode) -> dict[str, Any]:
        """Number and outputs of a code cell."""
        return {
            "source": cell.source,
            "count": cell.execution_count,
            "outputs": [self._plain(output) for output in _outputs(cell.outputs)],
        }

    def widgets(self, notebook: NotebookNode) -> list[Any]:
        """The states of the widgets, in the order in which they were made."""
        states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
        return [self._plain(item) for item in states.get("state", {}).items()]

    def _plain(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case dict():
                return {key: self._plain(item) for key, item in value.items()}
            case list() | tuple():
                return [self._plain(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        text = text.replace(self._directory, "<here>")
        for pattern, replacement in RULES:
            text = pattern.sub(replacement, text)
        # Of widgets and comms: the first that is met is 1, and so on.
        return _ID.sub(lambda match: self._ids.setdefault(match[0], f"id {len(self._ids) + 1}"), text)


def _outputs(outputs: list[NotebookNode]) -> Iterator[dict[str, Any]]:
    """How a stream is cut into pieces is chance, and in ipykernel so is what of stdout was before what of
    stderr; both come before what is displayed after them."""
    for is_stream, group in groupby(outputs, lambda output: output.output_type == "stream"):
        if is_stream:
            pieces = list(group)
            for name in ("stdout", "stderr"):
                if text := "".join(piece.text for piece in pieces if piece.name == name):
                    yield {"output_type": "stream", "name": name, "text": text}
        else:
            yield from map(_without_lines_of_code, group)


def _without_lines_of_code(output: NotebookNode) -> dict[str, Any]:
    """Of a traceback: the frames and the error.

    The cells of ipykernel are files that are not there. So IPython does not mark in them what failed, tells
    the line wrongly below an exception that was caught, and repeats a recursion a thousand times.
    """
    if output.output_type != "error":
        return dict(output)
    lines = _COLOUR.sub("", "\n".join(output.traceback)).splitlines()
    frames = [match.groups("") for line in lines if (match := _FRAME.match(line))]
    return {**output, "traceback": [*(frame for frame, _ in groupby(frames)), *lines[-1:]]}
