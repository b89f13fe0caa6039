"""Notebook files: nbformat 4 both ways, nbformat 3 and older on the way in.

``nbformat`` reads, upgrades and validates: it is the definition of the format. It is imported with
the first notebook, for its schemas cost a tenth of a second.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec

from ..errors import InvalidParams
from .document import Document, DocumentCell

NEW = {
    "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}
"""Of a notebook that was not one before."""

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
"""Under *widgets* in a notebook's metadata. Source: ipywidgets, *Embedding Widgets*."""

OURS = "antiphon"
"""The member of a cell's metadata that tells in ``remark`` what to know of its outputs; not read again."""


def read(text: str) -> Document:
    """Read a notebook. Its minor version stays as it is; ids of cells that should have one are added.

    Raises:
        InvalidParams: it is no notebook; the sentence says where and why.
    """
    import nbformat

    content = _json(text)
    major = content.get("nbformat")
    if not isinstance(major, int) or isinstance(major, bool) or not 1 <= major <= 4:
        raise _refused(f"nbformat is {major!r}, and should be a version up to 4")
    try:
        if major < 4:
            content = nbformat.convert(nbformat.reader.reads(text), 4)
        _name_cells(content)
        nbformat.validate(content)
        notebook = nbformat.reader.reads(msgspec.json.encode(content).decode())  # joins the lines of texts
    except nbformat.ValidationError as error:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        raise _refused(f"{where.lstrip('.') or 'the whole'}: {error.message[:300]}") from error
    except Exception as error:
        # The upgrade of old formats trusts what it reads: whatever is missing shows as one of many errors.
        raise _refused(f"{type(error).__name__}: {error}"[:300]) from error
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(notebook))
    cells = tuple(map(_read_cell, plain.pop("cells")))
    return Document(title=_title(plain["metadata"].get("title")), cells=cells, original=plain)


def write(document: Document) -> str:
    """The document as a notebook file, with what the file it came from said beside."""
    import nbformat

    notebook = {**NEW, **document.original}
    if not document.original:
        notebook["metadata"] = {**NEW["metadata"], "title": document.title}  # type: ignore[dict-item]
    if document.widgets:
        notebook["metadata"] = {**notebook["metadata"], "widgets": {WIDGET_STATE: document.widgets}}
    with_ids = (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5)
    notebook["cells"] = [_write_cell(cell, with_ids) for cell in document.cells]
    return f"{nbformat.v4.writes_json(nbformat.from_dict(notebook))}\n"


def _json(text: str) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise _refused(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise _refused("the whole is not an object")
    return content


def _name_cells(notebook: dict[str, Any]) -> None:
    """Give an id to each cell that should have one and has none, or that of another.

    nbformat would do so with random words and a warning; the same file shall give the same document.
    """
    if (notebook["nbformat"], notebook["nbformat_minor"]) < (4, 5):
        return
    cells = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    taken = {str(cell.get("id")) for cell in cells}
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if "id" not in cell or cell["id"] in seen:
            cell["id"] = next(id for n in count(number) if (id := f"cell-{n}") not in taken)
            taken.add(cell["id"])
        seen.add(str(cell["id"]))


def _title(value: object) -> str:
    return value if isinstance(value, str) else ""


def _refused(why: str) -> InvalidParams:
    return InvalidParams(f"text: this is no notebook: {why}.", field="text")


def _read_cell(cell: dict[str, Any]) -> DocumentCell:
    source = cell.pop("source")
    code = cell["cell_type"] == "code"
    metadata = {name: value for name, value in cell.pop("metadata", {}).items() if name != OURS}
    return DocumentCell(
        type="code" if code else "markdown",
        source=source,
        metadata=metadata,
        outputs=tuple(cell.get("outputs", ())) if code else (),
        execution_count=cell.get("execution_count") if code else None,
        original=cell,
    )


def _write_cell(cell: DocumentCell, with_ids: bool) -> dict[str, Any]:
    original = dict(cell.original)
    was = original.pop("cell_type", "")
    remark = {OURS: {"remark": cell.remark}} if cell.remark else {}
    written = {**original, "metadata": {**cell.metadata, **remark}, "source": cell.source}
    if with_ids:
        written.setdefault("id", cell.id)
    if cell.type == "code":
        written.pop("attachments", None)
        outputs = list(cell.outputs)
        return {
            **written,
            "cell_type": "code",
            "outputs": outputs,
            "execution_count": cell.execution_count,
        }
    written.pop("outputs", None)
    written.pop("execution_count", None)
    return {**written, "cell_type": was if was == "raw" else "markdown"}
