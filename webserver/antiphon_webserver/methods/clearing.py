"""worksheet.clear: making room."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..context import Context, Handler
from ..limits import LIMITS
from ..model import CellId, WorksheetId
from ..storage import room

Cells = Annotated[tuple[CellId, ...], Meta(max_length=LIMITS["worksheet_cells"])]


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of output that the worksheet has now, and that were deleted."""

    kept: int
    freed: int


async def clear(
    context: Context,
    *,
    worksheet: WorksheetId,
    cells: Cells | None = None,
    which: Literal["all", "earlier"] = "all",
) -> Cleared:
    """Delete the stored outputs of runs that are over: of some cells, or of the whole worksheet; "earlier"
    keeps what stands under the cells. The runs stay, with their code and how they ended."""
    earlier = which == "earlier"
    freed, after = 0, 0
    while True:
        more, last = await context.database.write(room.clear, worksheet, cells, earlier=earlier, after=after)
        freed += more
        if last is None:
            break
        after = last
    entries = await context.database.write(
        room.note,
        worksheet,
        cells,
        earlier=earlier,
        freed=freed,
        author=context.account.name,
        now=context.now,
    )
    context.relay.announce(worksheet, entries)
    return Cleared(kept=await context.database.read(room.kept_of, worksheet), freed=freed)


METHODS: dict[str, Handler] = {"worksheet.clear": clear}
