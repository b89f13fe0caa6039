"""Handing over: runs that are written go to the kernel, one by one or as a series.

What belongs here: which run is sent now, and what ends instead. What must never come here: which runs
people asked for (``methods``), SQL (``storage.claims``).

Rules:
- A run is written before it is sent, with the claim of the server that will send it.
- A run of which the kernel has no trace, and whose server is dead, is sent by another one. The kernel
  knows runs by their msg_id: one that both send runs once.
- A run is never sent late into what it was not meant for: not when its session was restarted since, its
  cell was run again since, or ``LATE_SECONDS`` have passed. Then it is lost, with the reason.
- The runs of a series go one at a time: what is sent together can be on its way when the first fails.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection

from .clock import iso
from .context import Context
from .errors import Conflict, RpcError
from .limits import LIMITS
from .model import AnyEntry, Run, RunId, RunState, WorksheetId
from .storage import cells, claims, runs, worksheets

LATE_SECONDS = 600.0
"""Who has waited this long for a server has gone on with something else."""

ENDED: dict[RunState, str] = {
    "error": "raised an error",
    "interrupted": "was interrupted",
    "cancelled": "was cancelled",
    "died": "ended with its session",
    "lost": "was lost",
}
"""How a run ended that stops its series, in the reason of those behind it."""

_log = logging.getLogger(__name__)


async def hand_over(context: Context, run: Run) -> None:
    """Send a run that is written. If the kernel does not take it, it ends as "lost", and this raises why."""
    if not context.lives() and not await context.database.write(
        claims.keep, run, context.server, context.now
    ):
        return  # another server took this one for dead, and the run is its to send
    try:
        await context.sessions.execute(
            run.session, run.code, run.msg_id, run.account, history=not run.scratch
        )
    except Conflict:
        return  # it has run, sent by another server
    except RpcError as error:
        _announce(
            context,
            await context.database.write(
                runs.end, run.session, run.msg_id, state="lost", reason=error.sentence, now=context.now
            ),
        )
        raise


def begin(context: Context, session: str, worksheet: WorksheetId, series: RunId) -> None:
    """Hand over the runs of a series, each when the one before it has ended well."""
    context.series.begin(session, series, lambda: _go_on(context, worksheet, series))


def take_up(context: Context, session: str, unsent: Sequence[str]) -> None:
    """See to what servers that are dead have left of a session; what this one began is done twice without
    harm.

    Args:
        unsent: the msg_ids of claimed runs of which the kernel has no trace.
    """
    context.series.do(lambda: _take_up(context, session, unsent))


async def _take_up(context: Context, session: str, unsent: Sequence[str]) -> None:
    oldest = iso(context.clock() - LATE_SECONDS)
    if unsent:
        claimed, ended = await context.database.write(
            claims.take_up, session, unsent, context.server, context.now, oldest
        )
        for end in ended:
            _announce(context, end)
        for run in claimed:
            _log.info("run %.6s… of session %.6s… is sent, as its server had not", run.id, session)
            with suppress(RpcError):  # it has ended as "lost" then
                await hand_over(context, run)
    if not await context.database.read(claims.are_left, session, context.server):
        return
    for worksheet, series in await context.database.write(claims.adopt, session, context.server):
        begin(context, session, worksheet, series)


async def _go_on(context: Context, worksheet: WorksheetId, id: RunId) -> None:
    heads = await context.database.read(worksheets.heads, (worksheet,))
    cursor = heads.get(worksheet, 0)
    series = await context.database.read(runs.of_series, worksheet, id)
    for index, run in enumerate(series):
        is_due, ended = await context.database.write(claims.turn, run, context.server, context.now)
        _announce(context, ended)
        if is_due:
            with suppress(RpcError):  # it has ended as "lost" then
                await hand_over(context, run)
        while True:
            now = await context.database.read(runs.find, run.id)
            if now is None:
                return  # deleted with its worksheet
            if now.state not in runs.OPEN:
                break
            news = await context.relay.entries_since(
                worksheet, cursor, limit=LIMITS["since_items"], wait=LIMITS["wait_seconds"]
            )
            cursor = news.entries[-1].number if news.entries else cursor
        if now.state != "ok":
            entries = await context.database.write(_cancel, series[index + 1 :], now, context.now)
            context.relay.announce(worksheet, entries)
            return


def _cancel(connection: Connection, rest: Sequence[Run], failed: Run, now: str) -> tuple[AnyEntry, ...]:
    order = [cell.id for cell in cells.list_all(connection, failed.worksheet)]
    place = f"cell {order.index(failed.cell) + 1}" if failed.cell in order else "a cell"
    reason = f"not run: {place} before it {ENDED[failed.state]}"
    ends = (
        runs.end(connection, run.session, run.msg_id, state="cancelled", reason=reason, now=now)
        for run in rest
    )
    return tuple(end[1] for end in ends if end is not None)


def _announce(context: Context, ended: claims.Ended | None) -> None:
    if ended is not None:
        context.relay.announce(ended[0], [ended[1]])
