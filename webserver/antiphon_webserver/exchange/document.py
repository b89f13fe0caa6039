"""A worksheet on its way into a file or out of one, whatever the file's format."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..model import CellType, Struct


class DocumentCell(Struct, frozen=True, kw_only=True):
    """A cell with what stands under it.

    ``outputs`` have the form of nbformat 4. ``original`` is what a notebook file said of the cell, its
    source aside: a worksheet has no word for all of it, and an export gives it back. ``remark``: what to know
    of the outputs, such as that the source was edited since.
    """

    type: CellType
    source: str
    id: str = ""
    metadata: dict[str, Any] = {}
    outputs: tuple[dict[str, Any], ...] = ()
    execution_count: int | None = None
    original: dict[str, Any] = {}
    remark: str = ""

    def without_outputs(self) -> DocumentCell:
        original = {
            name: value for name, value in self.original.items() if name not in ("outputs", "execution_count")
        }
        return replace(self, outputs=(), execution_count=None, original=original, remark="")

    @property
    def raw(self) -> bool:
        """A cell that is neither code nor Markdown; a worksheet shows it as Markdown."""
        return self.type == "markdown" and self.original.get("cell_type") == "raw"


class Document(Struct, frozen=True, kw_only=True):
    """``original`` is what a notebook file said of the whole, its cells aside. ``widgets``: the newest states
    of the widgets that its outputs show, as notebook files have them; empty when they show none."""

    title: str
    cells: tuple[DocumentCell, ...]
    original: dict[str, Any] = {}
    widgets: dict[str, Any] = {}

    def without_outputs(self) -> Document:
        """As if nothing had been run."""
        return replace(self, cells=tuple(cell.without_outputs() for cell in self.cells), widgets={})
