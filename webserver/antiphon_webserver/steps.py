"""Steps: what can be done to the cells of a worksheet in one request, ``worksheet.change``. Pure types.

An edit of a text is none of them: it may meet another one, and has a version and a way of its own to
be merged (``cell.edit``).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from .model import CellId, CellType


class CreateStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag="create"):
    """Add a cell after another one, or at the top; ``cell`` is an id made by the client."""

    cell: CellId
    after: CellId | None
    type: CellType = "code"
    source: str = ""
    metadata: dict[str, Any] = {}


class DeleteStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag="delete"):
    """Put a cell into the bin."""

    cell: CellId


class RestoreStep(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag="restore"
):
    """Bring a deleted cell back to where it stood."""

    cell: CellId


class MoveStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag="move"):
    """Put a cell after another one, or at the top."""

    cell: CellId
    after: CellId | None


class ConvertStep(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag="convert"
):
    """Make a cell code or Markdown."""

    cell: CellId
    type: CellType


class AnnotateStep(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag="annotate"
):
    """Change what is said about a cell, by a merge patch."""

    cell: CellId
    patch: dict[str, Any]


AnyStep: TypeAlias = CreateStep | DeleteStep | RestoreStep | MoveStep | ConvertStep | AnnotateStep


def patched(value: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of a value: null takes a member out. Source: RFC 7396, section 2."""
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), change) if isinstance(change, dict) else change
    return result
