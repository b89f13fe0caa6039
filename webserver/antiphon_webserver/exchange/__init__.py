"""Worksheets to files and back: pure functions, one module for each format.

What belongs here: text in, ``Document`` out, and the other way. What must never come here: SQL, rights.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Literal, NamedTuple, TypeAlias

from . import html, ipynb, markdown, percent
from .document import Document, DocumentCell

__all__ = ["READ", "WRITE", "Document", "DocumentCell", "ReadFormat", "WriteFormat", "filename", "stem"]

ReadFormat: TypeAlias = Literal["ipynb", "py"]
WriteFormat: TypeAlias = Literal["ipynb", "py", "md", "html"]


class Writer(NamedTuple):
    media_type: str
    write: Callable[[Document], str]


READ: dict[ReadFormat, Callable[[str], Document]] = {"ipynb": ipynb.read, "py": percent.read}
"""Raise ``InvalidParams`` for a text that is not of the format."""

WRITE: dict[WriteFormat, Writer] = {
    "ipynb": Writer("application/x-ipynb+json", ipynb.write),
    "py": Writer("text/x-python", percent.write),
    "md": Writer("text/markdown", markdown.write),
    "html": Writer("text/html", html.write),
}


def filename(title: str, format: WriteFormat) -> str:
    """A name that every file system takes."""
    name = re.sub(r"[\x00-\x1f\x7f<>:\"/\\|?*]+", " ", title).strip(" .")[:100].strip()
    return f"{name or 'Untitled'}.{format}"


def stem(name: str) -> str:
    """The file's name without its folders and its ending."""
    return PurePath(name.replace("\\", "/")).stem
