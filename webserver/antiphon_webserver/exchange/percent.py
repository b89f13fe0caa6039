"""Python scripts in the percent format: ``# %%`` begins a cell.

Outputs have no place there. A line of code that begins with ``# %%`` begins a cell when it is read again.
"""

from __future__ import annotations

import re

from .document import Document, DocumentCell

MARK = re.compile(r"# ?%%(?P<title>.*?)(?:\[(?P<kind>markdown|md|raw)\].*)?")


def read(text: str) -> Document:
    """Every script can be read: without a mark it is one cell."""
    cells: list[tuple[str, list[str]]] = [("code", [])]
    for line in text.splitlines():
        mark = MARK.fullmatch(line)
        if mark:
            cells.append((mark["kind"] or "code", []))
        else:
            cells[-1][1].append(line)
    if not "".join(cells[0][1]).strip():
        del cells[0]
    return Document(title="", cells=tuple(_cell(kind, lines) for kind, lines in cells))


def write(document: Document) -> str:
    return "\n".join(map(_write_cell, document.cells))


def _cell(kind: str, lines: list[str]) -> DocumentCell:
    if kind == "code":
        return DocumentCell(type="code", source="\n".join(lines).strip("\n"))
    source = "\n".join(re.sub("^# ?", "", line) for line in lines).strip("\n")
    original = {"cell_type": "raw"} if kind == "raw" else {}
    return DocumentCell(type="markdown", source=source, original=original)


def _write_cell(cell: DocumentCell) -> str:
    if cell.type == "code":
        return f"# %%\n{cell.source}\n"
    kind = "raw" if cell.raw else "markdown"
    lines = (f"# {line}".rstrip() for line in cell.source.split("\n"))
    return "\n".join([f"# %% [{kind}]", *lines, ""])
