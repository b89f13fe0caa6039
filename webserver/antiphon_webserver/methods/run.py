"""session.run: code in, outputs out, in one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta

from ..context import Context, Handler
from ..errors import InvalidParams, NotFound, RpcError
from ..limits import LIMITS, check_bytes, check_id
from ..model import Publication, Session, WorksheetId
from ..outputs import Error, Fold, Output, settle
from ..recorder import outcome
from ..secret import digest, new_id
from ..storage import blobs, publications, sessions
from . import session as session_methods
from .worksheet import ensure_session

Timeout = Annotated[float, Meta(gt=0, le=LIMITS["run_seconds"])]

RanState: TypeAlias = Literal["ok", "error", "interrupted", "cancelled", "died", "lost", "timeout"]

STOP_SECONDS = 5.0
"""How long an interrupted run may take to stop. Code that catches the interrupt can go on for ever."""

LOOK_SECONDS = 1.0
"""How often a silent session is asked for: one that is over says nothing any more."""

_log = logging.getLogger(__name__)


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How the code ended, and its outputs in the form of notebook files.

    ``reason`` is a sentence for every state but "ok" and "error", and for those if outputs may be missing.
    ``error`` is set when the code
    raised one. ``omitted``: publications that did not fit into the answer; ``feed.since`` has them.
    """

    state: RanState
    reason: str = ""
    execution_count: int
    outputs: tuple[Output, ...]
    error: Error | None = None
    omitted: int = 0
    session: str
    msg_id: str


async def run(
    context: Context,
    *,
    code: str,
    session: str | None = None,
    worksheet: WorksheetId | None = None,
    timeout: Timeout = 30,
    msg_id: str | None = None,
) -> Ran:
    """Run code and return its outputs; without a session or worksheet in a fresh one, closed afterwards.

    Asked for again under one ``msg_id``, it runs once and both answers have its outputs. After ``timeout``
    seconds the run is interrupted, and what it has published so far is returned.
    """
    check_bytes("code_bytes", code, "The code")
    if session is not None and worksheet is not None:
        raise InvalidParams("worksheet: give a session or a worksheet, not both.", field="worksheet")
    if msg_id is not None:
        check_id(msg_id, "msg_id")
    if session is not None:
        return await _run(context, session, code, timeout, msg_id)
    if worksheet is not None:
        return await _run(context, await ensure_session(context, worksheet), code, timeout, msg_id)
    async with _fresh_session(context, msg_id, timeout) as uid:
        return await _run(context, uid, code, timeout, msg_id)


@asynccontextmanager
async def _fresh_session(context: Context, msg_id: str | None, timeout: float) -> AsyncIterator[str]:
    """A session for one run, the same for the same ``msg_id``. It is closed even if the caller goes away
    while it is made; one that may be asked for again, when the time of its run is over."""
    request = None if msg_id is None else digest(f"{context.account.name}/run/{msg_id}")
    making = asyncio.ensure_future(session_methods.make(context, "run", msg_id=request, for_call=True))
    try:
        yield (await asyncio.shield(making)).uid
    except asyncio.CancelledError:
        if msg_id is None:
            await _close(context, (await making).uid)
        else:
            context.series.do(lambda: _close_later(context, making, timeout))
        raise
    except BaseException:
        await _close(context, (await making).uid)
        raise
    else:
        await _close(context, (await making).uid)


async def _close_later(context: Context, making: asyncio.Future[Session], timeout: float) -> None:
    await asyncio.sleep(timeout + STOP_SECONDS)
    await _close(context, (await making).uid)


async def _close(context: Context, uid: str) -> None:
    try:
        await session_methods.close(context, session=uid)
    except RpcError as error:
        # The outcome is known, and such a session ends with its kernel.
        _log.warning("session %s could not be closed: %s", uid, error.sentence)


async def _run(context: Context, session: str, code: str, timeout: float, chosen: str | None = None) -> Ran:
    msg_id = chosen or new_id()
    fold = Fold(msg_id, most_bytes=LIMITS["run_output_bytes"])
    known = None if chosen is None else await context.database.glance(sessions.find, session)
    try:
        cursor = await session_methods.submit(context, session, code, msg_id)
    except NotFound:
        if known is None:
            raise
        cursor = known.latest  # nothing runs there any more; what was asked before is told
    if chosen is not None:
        # It may have begun before this was asked.
        first = await context.database.glance(publications.first_of_run, session, msg_id)
        cursor = cursor if first is None else min(cursor, first - 1)
    follower = _Follower(context, session, cursor, fold)
    state, reason = await follower.follow(timeout)
    late = False
    if not state:
        state, reason = "timeout", f"It ran longer than {timeout:g} seconds and was interrupted."
        if fold.prompt is not None:
            reason = f"It waited {timeout:g} seconds for input ({fold.prompt!r}) and was interrupted."
        if fold.started:
            end, why = await _interrupt(context, session, follower)
            late = not end
            if end in ("died", "lost"):
                state, reason = end, why
        else:
            reason = f"After {timeout:g} seconds it still waits for other code; it runs when its turn comes."
    outputs = settle(await follower.whole())
    return Ran(
        state=state,
        reason=reason + " It has not stopped yet." if late else reason or follower.gone,
        execution_count=fold.execution_count,
        outputs=outputs,
        error=next((output for output in reversed(outputs) if isinstance(output, Error)), None),
        omitted=fold.omitted,
        session=session,
        msg_id=msg_id,
    )


async def _interrupt(
    context: Context, session: str, follower: _Follower
) -> tuple[RanState | Literal[""], str]:
    """How the run ended after it was interrupted. A session that cannot be asked says so by its feed."""
    with suppress(RpcError):
        await context.sessions.interrupt(session)
    return await follower.follow(STOP_SECONDS)


class _Follower:
    """Reads the feed into the fold."""

    def __init__(self, context: Context, session: str, cursor: int, fold: Fold) -> None:
        self._context = context
        self._session = session
        self._cursor = cursor
        self._fold = fold
        self.gone = ""

    async def follow(self, seconds: float) -> tuple[RanState | Literal[""], str]:
        """The run's end and the reason; an empty state when it has not ended after that time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._fold.reply is None:
            left = deadline - loop.time()
            if left <= 0:
                return "", ""
            if not await self._read(min(left, LOOK_SECONDS)):
                known = await self._context.database.glance(sessions.find, self._session)
                if known is None or known.state in sessions.OVER:
                    await self._read(0)
                    break
        if self._fold.reply is None:
            return "lost", (known.reason if known else "") or "The session is over."
        state, reason = outcome(self._fold.reply)
        return cast(RanState, state), reason  # an outcome is never "queued" or "running"

    async def whole(self) -> tuple[Output, ...]:
        """The outputs with their blobs inside: this answer is for callers who would not ask again."""
        digests = [blob.digest for blob in self._fold.blobs]
        if not digests:
            return self._fold.outputs
        await self._context.relay.settled()
        read = await self._context.database.read(blobs.read, self._session, digests)
        return self._fold.with_blobs(read)

    async def _read(self, wait: float) -> tuple[Publication, ...]:
        page = await self._context.relay.publications_since(
            self._session, self._cursor, limit=LIMITS["since_items"], wait=wait
        )
        self._fold.take(page.publications)
        if page.gone:
            self.gone = "Publications {} to {} are gone: the kernel no longer held them.".format(*page.gone)
        if page.publications:
            self._cursor = page.publications[-1].number
        return page.publications


METHODS: dict[str, Handler] = {"session.run": run}
