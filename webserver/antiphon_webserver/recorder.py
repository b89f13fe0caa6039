"""The recorder: follows the feed of every session of this server and keeps what it hears.

What belongs here: from the kernel's message to the stored publication, the end of runs, and the
tasks that do it. What must never come here: requests to the kernel (``sessions``), SQL (``storage``).

Rules:
- A publication is relayed when it arrives and stored soon after, in batches of all sessions: one
  commit each ``FLUSH_SECONDS``, or sooner when ``FLUSH_ROWS`` wait.
- Storing by (session, number) twice is harmless, so following starts again from the last stored number.
- At most ``PENDING_ITEMS`` and ``PENDING_BYTES`` of a session wait to be stored. Beyond that its feed
  is not read: the kernel's log holds the rest, and the kernel says what it could not hold.
- A run ends once. Its end is found in the feed, or told by the kernel, which remembers it. A run that the
  kernel does not know is for ``unsent`` to see to.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from antiphon_kernel.errors import ConnectionLost, KernelError
from antiphon_kernel.message import (
    DisplayData,
    ExecuteReply,
    ExecuteResult,
    Message,
    SessionUID,
    UpdateDisplayData,
)

from .allowance import Allowance
from .blobs import Bytes, blob, take_out
from .errors import DatabaseUnavailable
from .model import Blob, Publication, RunEnded, RunState, WorksheetId
from .relay import Log, Relay

if TYPE_CHECKING:
    from antiphon_kernel.client import Batch, KernelClient

FLUSH_SECONDS = 0.02
FLUSH_ROWS = 100
TRANSACTION_ROWS = 2_000
"""One transaction stores at most this many rows of one session, so that other writers get their turn."""

PENDING_ITEMS = 5_000
PENDING_BYTES = 16 * 2**20

ASIDE_BYTES = 2**20
"""Above this what came at once is hashed and decoded in a thread: it would hold the loop too long."""

RETRY_SECONDS = 0.5
"""Between two looks at a database that does not answer."""

CLOSED = "the session was closed before the kernel had the request"

DISPLAYS = (DisplayData, ExecuteResult, UpdateDisplayData)

_log = logging.getLogger(__name__)


def publication(message: Message) -> tuple[Publication, Bytes]:
    """What is stored and relayed of a kernel's message, and the bytes of its blobs."""
    header = message.header
    content = msgspec.to_builtins(message.content, builtin_types=(bytes,))
    data: Bytes = {}
    taken: dict[str, Blob] = {}
    if isinstance(message.content, DISPLAYS):
        rest, taken, data = take_out(content["data"])
        content = {**content, "data": rest}
    buffers = [blob(buffer) for buffer in message.buffers]
    heard = Publication(
        number=header.number,
        msg_id=header.msg_id,
        msg_type=header.msg_type,
        parent=message.parent_header.msg_id if message.parent_header else "",
        username=header.username or (message.parent_header.username if message.parent_header else ""),
        date=header.date,
        metadata=message.metadata,
        content=content,
        blobs=taken,
        buffers=tuple(each for each, _ in buffers),
    )
    return heard, data | {each.digest: raw for each, raw in buffers} if buffers else data


def heard(messages: Sequence[Message]) -> list[tuple[Publication, Bytes]]:
    return [publication(message) for message in messages]


def is_large(messages: Sequence[Message]) -> bool:
    """Whether to hash and decode what they carry would hold the event loop."""
    size = sum(sum(map(len, message.buffers)) for message in messages)
    for message in messages:
        if isinstance(message.content, DISPLAYS):
            size += sum(len(value) for value in message.content.data.values() if isinstance(value, str))
    return size > ASIDE_BYTES


OUTCOMES: dict[str, RunState] = {
    "KeyboardInterrupt": "interrupted",
    "RequestCancelled": "cancelled",
    "SessionDead": "died",
    "SessionClosed": "died",
}
"""How a run ended, by the ``ename`` of its ``execute_reply``; every other error is the code's own."""


def outcome(content: dict[str, Any]) -> tuple[RunState, str]:
    """The state and the reason that an ``execute_reply`` gives a run.

    An error of the code has no reason: its traceback is among the outputs.
    """
    if content.get("status") == "ok":
        return "ok", ""
    state = OUTCOMES.get(str(content.get("ename")), "error")
    return state, "" if state == "error" else str(content.get("evalue") or content.get("ename"))


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    state: RunState
    reason: str = ""
    execution_count: int = 0


Ended = tuple[WorksheetId, RunEnded]
"""A run of a worksheet that has ended, to be announced."""


class Archive(Protocol):
    """What the recorder writes to. Each call is one transaction."""

    async def record(
        self, batches: Sequence[tuple[str, Sequence[Publication]]], data: Mapping[str, bytes]
    ) -> Sequence[Ended]:
        """Store publications by session, once each, with the bytes of their blobs (by digest), and move the
        sessions and runs that they tell of."""

    async def orphans(self, session: str) -> Collection[str]:
        """The msg_ids of the session's open runs that this server was to send, or one that is dead."""

    async def lose(self, session: str, reason: str) -> Sequence[Ended]:
        """The session is gone: its state and that of its open runs become "lost"."""

    async def end_runs(self, session: str, ends: Mapping[str, End]) -> Sequence[Ended]:
        """End those runs (by msg_id) that are still open."""

    async def kept(self, session: str) -> int:
        """How many bytes of output are stored of the session's worksheet, or of the session alone."""


class _Feed:
    """A session that is followed: what was heard and is not stored yet."""

    def __init__(self, uid: str, log: Log[Publication], stored: int, allowance: Allowance) -> None:
        self.uid = uid
        self.log = log
        self.allowance = allowance
        self.heard = stored
        self.stored = stored
        self.pending: deque[tuple[Publication, Bytes, int, int]] = deque()
        """With the bytes of each in the relay, and those that count for its limits."""
        self.bytes = 0
        self.state = ""
        self.moved = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return len(self.pending) >= PENDING_ITEMS or self.bytes >= PENDING_BYTES

    def hear(self, came: Sequence[tuple[Publication, Bytes]]) -> None:
        """Take what has just arrived: to the readers now, to the database soon."""
        taken = [self.allowance.take(item, data) for item, data in came]
        sizes = self.log.append([item for item, _, _ in taken])
        for (item, data, counted), size in zip(taken, sizes, strict=True):
            size += sum(map(len, data.values())) if data else 0
            self.pending.append((item, data, size, counted))
            self.bytes += size
            self.heard = item.number
            if item.msg_type == "status":
                self.state = item.content["execution_state"]

    async def forget(self, count: int) -> None:
        """The first ``count`` pending publications are stored."""
        for _ in range(count):
            item, _, size, _ = self.pending.popleft()
            self.bytes -= size
            self.stored = item.number
        self.log.mark_stored(self.stored)
        async with self.moved:
            self.moved.notify_all()

    async def room(self) -> None:
        async with self.moved:
            await self.moved.wait_for(lambda: not self.full)

    async def stored_up_to(self, number: int) -> None:
        """Returns when that is stored, or when the feed is over and it never will be."""
        async with self.moved:
            await self.moved.wait_for(lambda: self.stored >= number or self.log.ended)

    async def end(self) -> None:
        """Nothing more will be heard."""
        self.log.end()
        async with self.moved:
            self.moved.notify_all()


class Recorder:
    """Owns the tasks that follow and the one that writes. ``async with`` opens and closes it."""

    def __init__(
        self, archive: Archive, relay: Relay, *, run_output_bytes: int = 0, worksheet_output_bytes: int = 0
    ) -> None:
        self._archive = archive
        self._allowed = run_output_bytes, worksheet_output_bytes
        self._relay = relay
        self._feeds: dict[str, _Feed] = {}
        self._flushing = asyncio.Lock()
        self._work = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.Task[None] | None = None
        self._waiting_since: float | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.stored = 0
        self.gone = 0
        self.unsent: Callable[[str, Sequence[str]], None] = lambda session, runs: None
        """Hears of a session and the msg_ids of its open runs of which the kernel has no trace."""
        self.handing: set[str] = set()
        """The msg_ids of runs that this server is about to send: that the kernel has not heard of them yet
        means nothing."""
        self.told: dict[str, asyncio.Future[None]] = {}
        """By msg_id, runs that were sent just now; done when the feed tells of one: the kernel has it."""

    async def __aenter__(self) -> Recorder:
        self._writer = asyncio.get_running_loop().create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following, store what was heard, end."""
        await self.pause()
        await asyncio.gather(*self._ending, return_exceptions=True)
        assert self._writer is not None
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        while any(feed.pending for feed in self._feeds.values()):
            await self._flush()
        for feed in self._feeds.values():
            feed.log.end()

    def follow(self, client: KernelClient, session: str, stored: int) -> None:
        """Follow a session from where it was last heard; nothing happens if it is followed already.

        Args:
            stored: the number of its newest stored publication.
        """
        feed = self._feeds.get(session)
        if feed is None:
            feed = _Feed(session, self._relay.feed(session), stored, Allowance(*self._allowed))
            self._feeds[session] = feed
        if feed.task is None or feed.task.done():
            feed.task = self._spawn(self._follow(client, feed))

    @property
    def pending(self) -> int:
        """Publications that were heard and are not stored yet."""
        return sum(len(feed.pending) for feed in self._feeds.values())

    @property
    def lag(self) -> float:
        """For how many seconds something has been waiting to be stored without a pause."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def heard(self, session: str) -> str:
        """The state that the feed told last; empty when it is not followed now, or told none yet."""
        return self._feeds[session].state if self.follows(session) else ""

    def follows(self, session: str) -> bool:
        """Whether the session is followed now."""
        feed = self._feeds.get(session)
        return feed is not None and feed.task is not None and not feed.task.done()

    @property
    def followed(self) -> Collection[str]:
        """The sessions that are followed, or were until the kernel went away."""
        return self._feeds.keys()

    def account_for(self, client: KernelClient, session: str) -> None:
        """Once everything published so far is stored, end the session's open runs that are over and were not
        heard of, and tell which ones the kernel does not know.

        If the kernel goes away meanwhile, whoever comes back to it calls this again.
        """
        self._spawn(self._account_for(client, self._feeds[session]))

    async def lose(self, session: str, reason: str) -> None:
        """The kernel does not know the session any more: store what was heard, end its runs."""
        await self.unfollow(session)
        self.announce(await self._archive.lose(session, reason))

    async def unfollow(self, session: str) -> None:
        """Store what was heard of a session and end its feed: nothing more will come."""
        feed = self._feeds.get(session)
        if feed is not None:
            await _end(feed.task)
            while feed.pending:
                await self._flush()
            del self._feeds[session]
            await feed.end()

    async def pause(self) -> None:
        """Stop following everything: the kernel is gone. What was heard is still stored."""
        await _end_all(self._tasks)

    def announce(self, ended: Sequence[Ended]) -> None:
        for worksheet, entry in ended:
            self._relay.announce(worksheet, [entry])

    def _spawn(
        self, coroutine: Coroutine[Any, Any, None], group: set[asyncio.Task[None]] | None = None
    ) -> asyncio.Task[None]:
        group = self._tasks if group is None else group
        task = asyncio.get_running_loop().create_task(coroutine)
        group.add(task)
        task.add_done_callback(group.discard)
        return task

    async def _follow(self, client: KernelClient, feed: _Feed) -> None:
        try:
            async with aclosing(client.follow(SessionUID(feed.uid), feed.heard)) as batches:
                async for batch in batches:
                    aside = is_large(batch.publications)
                    came = await asyncio.to_thread(heard, batch.publications) if aside else None
                    if feed.allowance.near:
                        await self._look(feed)
                    self._hear(client, feed, batch, came or heard(batch.publications))
                    if feed.full:
                        await feed.room()
        except ConnectionLost as error:
            # Whoever watches the kernel follows again, or declares the session lost.
            _log.info("session %s is no longer followed: %s", feed.uid, error.reason)
        except KernelError as error:
            self._spawn(self.lose(feed.uid, error.reason))
        else:
            self._spawn(self._finish(feed))

    async def _look(self, feed: _Feed) -> None:
        """Tell the allowance what is stored: room may have been made, or taken by another server. A database
        that fails is waited for, as by the one that writes."""
        while True:
            try:
                async with self._flushing:  # else what is stored meanwhile would count twice
                    kept = await self._archive.kept(feed.uid)
                    feed.allowance.told(kept + sum(counted for *_, counted in feed.pending))
                return
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    def _hear(
        self, client: KernelClient, feed: _Feed, batch: Batch, came: Sequence[tuple[Publication, Bytes]]
    ) -> None:
        if batch.gone:
            _log.warning("session %s: publications %d to %d are gone", feed.uid, *batch.gone)
            feed.state = ""
            self.gone += batch.gone[1] - batch.gone[0] + 1
            self._spawn(self._account_for(client, feed))
        feed.hear(came)
        if self.told:
            for item, _ in came:
                told = self.told.get(item.parent)
                if told is not None and not told.done():
                    told.set_result(None)
        if self._waiting_since is None and feed.pending:
            self._waiting_since = time.monotonic()
        self._work.set()

    async def _account_for(self, client: KernelClient, feed: _Feed) -> None:
        uid = SessionUID(feed.uid)
        runs = [run for run in await self._archive.orphans(feed.uid) if run not in self.handing]
        replies: Mapping[str, ExecuteReply] = {}
        if runs:
            try:
                info = await client.session_info(uid)
                at_work = info.at_work
                runs = [run for run in runs if run not in at_work]
                replies = await client.outcomes(uid, runs)
            except KernelError:
                return  # the session is over, and its runs are settled with it; or the kernel is away
            await feed.stored_up_to(info.latest)
            if feed.stored < info.latest:
                return  # the session was lost, and its runs with it
        ends = {}
        for run, reply in replies.items():
            state, why = outcome(msgspec.to_builtins(reply))
            ends[run] = End(state=state, reason=why, execution_count=reply.execution_count or 0)
        if ends:
            # What is written is told, even if the kernel goes away now.
            await asyncio.shield(self._spawn(self._end_runs(feed.uid, ends), self._ending))
        self.unsent(feed.uid, [run for run in runs if run not in ends and run not in self.handing])

    async def _end_runs(self, session: str, ends: Mapping[str, End]) -> None:
        self.announce(await self._archive.end_runs(session, ends))

    async def _finish(self, feed: _Feed) -> None:
        await feed.stored_up_to(feed.heard)
        self._feeds.pop(feed.uid, None)
        # All that the kernel had of its runs is told now.
        self.announce(await self._archive.lose(feed.uid, CLOSED))
        await feed.end()

    async def _write(self) -> None:
        """Store what is pending, again and again. A database that fails is tried again, slower each time."""
        delay = 0.0
        while True:
            await self._work.wait()
            if delay or self.pending < FLUSH_ROWS:
                await asyncio.sleep(delay or FLUSH_SECONDS)
            self._work.clear()
            try:
                await self._flush()
                delay = 0.0
            except Exception:
                _log.exception("publications could not be stored; trying again")
                delay = min(max(2 * delay, 0.1), 5.0)
                self._work.set()

    async def _flush(self) -> None:
        """One transaction with a share of every feed."""
        async with self._flushing:
            taken: list[tuple[_Feed, list[Publication]]] = []
            data: Bytes = {}
            for feed in self._feeds.values():
                if feed.pending:
                    share = list(islice(feed.pending, TRANSACTION_ROWS))
                    taken.append((feed, [item for item, *_ in share]))
                    data |= dict(pair for _, raw, *_ in share for pair in raw.items())
            if not taken:
                return
            ended = await self._archive.record([(feed.uid, items) for feed, items in taken], data)
            for feed, items in taken:
                await feed.forget(len(items))
                self.stored += len(items)
                if feed.pending:
                    self._work.set()
            if not self.pending:
                self._waiting_since = None
            self.announce(ended)


async def _end_all(group: set[asyncio.Task[None]]) -> None:
    tasks = list(group)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
