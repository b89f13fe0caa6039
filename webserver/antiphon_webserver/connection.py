"""One client on a two-way transport: its requests in progress and its subscriptions.

What belongs here: the tasks of one connection, their bounds and their end. What must never come
here: the transport itself (``http/socket.py``), what a request means (``dispatcher``).

Rules:
- Requests are answered as they finish, not in the order in which they came. At most
  ``REQUESTS_AT_ONCE`` are in progress; beyond that the connection is not read, so the client waits.
- Every subscription holds at most one batch that is not yet written. A client that takes nothing
  for ``SLOW_SECONDS`` is disconnected; it comes back with its cursor and misses nothing.
- Presence is a state, not a log: only the newest list of each worksheet waits to be written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from .errors import LimitExceeded
from .relay import Log, T

REQUESTS_AT_ONCE = 32
SUBSCRIPTIONS = 256
SLOW_SECONDS = 30.0

CLOSE_GOING_AWAY = 1001
CLOSE_SIGNED_OUT = 4401
CLOSE_TOO_SLOW = 4408

_log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]

Key = tuple[Literal["feed", "worksheet"], str]
"""Names a subscription: ("feed", session) or ("worksheet", id)."""


class Transport(Protocol):
    """What a connection needs of the wire below it."""

    def send(self, text: bytes) -> Awaitable[None] | None:
        """Write one text message. None, when the operating system has taken it; otherwise await that.

        Raises:
            ConnectionError: the other side is gone; awaiting raises it too.
        """

    def close(self, code: int, reason: str) -> None:
        """Close towards the client. May be called more than once."""


class Connection:
    """Owns every task that works for one client. ``close`` ends them all."""

    def __init__(self, transport: Transport, *, slow_seconds: float = SLOW_SECONDS) -> None:
        self._transport = transport
        self._slow_seconds = slow_seconds
        self._free = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._requests: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[Key, asyncio.Task[None]] = {}
        self._states: dict[str, bytes] = {}
        self._states_task: asyncio.Task[None] | None = None
        self.closed = False
        self.too_slow = False

    async def handle(self, answer: Callable[[], Awaitable[bytes | None]]) -> None:
        """Start one request; returns when there is room for the next one."""
        await self._free.acquire()
        if self.closed:
            self._free.release()
            return

        async def work() -> None:
            try:
                reply = await answer()
                if reply is not None:
                    await self.send(reply)
            finally:
                self._free.release()

        self._spawn(work, self._requests)

    def subscribe(self, key: Key, run: Work) -> None:
        """Start a subscription; one of the same name is replaced (it may have another cursor).

        Raises:
            LimitExceeded: the connection has ``SUBSCRIPTIONS`` of them.
        """
        self.unsubscribe(key)
        if len(self._subscriptions) >= SUBSCRIPTIONS:
            raise LimitExceeded(
                f"A connection may have {SUBSCRIPTIONS} subscriptions.",
                limit="subscriptions",
                value=SUBSCRIPTIONS,
            )
        task = self._spawn(run)
        self._subscriptions[key] = task
        task.add_done_callback(lambda task: self._forget(key, task))

    def unsubscribe(self, key: Key) -> None:
        """End a subscription; nothing happens when there is none."""
        task = self._subscriptions.pop(key, None)
        if task is not None:
            task.cancel()

    @property
    def subscriptions(self) -> frozenset[Key]:
        return frozenset(self._subscriptions)

    async def follow(self, log: Log[T], cursor: int) -> None:
        """Write what comes after ``cursor``, batch by batch, until the log ends."""
        with log.reader(cursor) as reader:
            while batch := await reader.next():
                await self.send(batch.notification)
                if batch.cursor < log.latest:
                    # A reader far behind shares the loop with the others.
                    await asyncio.sleep(0)

    async def send(self, text: bytes) -> None:
        """Write one message. A client that does not take it in time is disconnected.

        Raises:
            ConnectionError: the client is gone, or was too slow.
        """
        # Nearly always it is taken at once, and needs neither a timer nor a turn of the loop.
        written = self._transport.send(text)
        if written is None:
            return
        try:
            async with asyncio.timeout(self._slow_seconds):
                await written
        except TimeoutError:
            reason = f"nothing was read for {self._slow_seconds:g} seconds"
            self.too_slow = True
            self._transport.close(CLOSE_TOO_SLOW, reason)
            raise ConnectionError(reason) from None

    def show(self, name: str, notification: bytes) -> None:
        """Write the newest state of ``name`` when the client can take it; an older one is dropped."""
        self._states[name] = notification
        if self._states_task is None or self._states_task.done():
            self._states_task = self._spawn(self._write_states)

    async def _write_states(self) -> None:
        while self._states:
            name = next(iter(self._states))
            await self.send(self._states.pop(name))

    async def close(self) -> None:
        """End every subscription, let the requests finish. Call when the transport is closed, whoever
        closed it.

        A request is not cut off because nobody waits for its answer: a run that was written would
        never be sent. Being cancelled cuts it off.
        """
        self.closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, *self._requests, return_exceptions=True)
        finally:
            for request in self._requests:
                request.cancel()

    def _spawn(self, work: Work, group: set[asyncio.Task[None]] | None = None) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._guard(work))
        group = self._tasks if group is None else group
        group.add(task)
        task.add_done_callback(group.discard)
        return task

    async def _guard(self, work: Work) -> None:
        try:
            await work()
        except ConnectionError:
            pass
        except Exception:
            _log.exception("a task of a connection failed; the connection is closed")
            self._transport.close(1011, "the server failed")

    def _forget(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._subscriptions.get(key) is task:
            del self._subscriptions[key]
