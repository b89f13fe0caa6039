"""Markdown: text as it is, code and outputs as fenced blocks."""

from __future__ import annotations

import re

from . import shown
from .document import Document, DocumentCell


def write(document: Document) -> str:
    parts = [
        f"# {' '.join(document.title.split())}",
        *(part for cell in document.cells for part in _cell(cell)),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(cell: DocumentCell) -> list[str]:
    if cell.type == "markdown":
        return [_fenced(cell.source, "")] if cell.raw else [cell.source]
    texts = (shown.text(output) for output in cell.outputs)
    remark = [f"*{cell.remark}*"] if cell.remark else []
    return [
        _fenced(cell.source, "python"),
        *remark,
        *(_fenced(text, "text") for text in texts if text.strip()),
    ]


def _fenced(text: str, language: str) -> str:
    """Between fences that are longer than any run of backticks inside."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}"
