"""The clients that are connected on a two-way transport, what they follow, and their rights to it.

What belongs here: subscriptions as JSON-RPC has them, and the watch that ends them when a right is
taken away. What must never come here: the wire (``http``), single tasks (``connection``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Literal, Protocol

import msgspec

from .connection import CLOSE_GOING_AWAY, CLOSE_SIGNED_OUT, Connection, Transport
from .context import Context, KernelState
from .errors import Conflict
from .jsonrpc import encode_notification
from .model import AccountName, Caret, WorksheetId
from .presence import Presence, Window
from .relay import Relay

WATCH_SECONDS = 1.0
"""How often rights are looked at: what was taken away is over within two seconds."""

FINISH_SECONDS = 2.0
"""How long requests of clients may go on when the server ends."""

Dispatch = Callable[[Context, bytes], Awaitable[bytes | None]]

_log = logging.getLogger(__name__)


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """``account`` may use the credential, or observe the worksheet or the session's feed, of that name."""

    account: AccountName
    noun: Literal["credential", "worksheet", "feed"]
    name: str


class Rights(Protocol):
    """Who knows which rights hold."""

    async def held(self, rights: Collection[Right]) -> Collection[Right]:
        """Those of the ``rights`` that hold now; asked once for all, in one transaction."""


class Client:
    """One connected client. Implements ``context.Subscriber``."""

    def __init__(
        self, context: Context, transport: Transport, relay: Relay, presence: Presence, dispatch: Dispatch
    ) -> None:
        self.context = replace(context, subscriber=self)
        self._transport = transport
        self._relay = relay
        self._presence = presence
        self._dispatch = dispatch
        self._connection = Connection(transport)
        self._windows: dict[WorksheetId, Window] = {}

    async def handle(self, text: bytes) -> None:
        """Take one message; returns when the next one may come."""
        await self._connection.handle(lambda: self._dispatch(self.context, text))

    @property
    def too_slow(self) -> bool:
        """It was disconnected because it read nothing."""
        return self._connection.too_slow

    async def close(self) -> None:
        """End everything that works for the client."""
        await self._connection.close()

    # --- Subscriptions ------------------------------------------------------------------------

    def subscribe_feed(self, session: str, cursor: int) -> None:
        self._connection.subscribe(
            ("feed", session), lambda: self._connection.follow(self._relay.feed(session), cursor)
        )

    def unsubscribe_feed(self, session: str) -> None:
        self._connection.unsubscribe(("feed", session))

    def subscribe_worksheet(self, worksheet: WorksheetId, cursor: int) -> None:
        self._connection.subscribe(
            ("worksheet", worksheet), lambda: self._follow_worksheet(worksheet, cursor)
        )

    def unsubscribe_worksheet(self, worksheet: WorksheetId) -> None:
        self._connection.unsubscribe(("worksheet", worksheet))

    def move_caret(self, worksheet: WorksheetId, caret: Caret | None) -> int:
        window = self._windows.get(worksheet)
        if window is None:
            raise Conflict("Subscribe to the worksheet before you tell where you are in it.")
        window.move(caret and msgspec.structs.replace(caret, window=window.number))
        return window.number

    async def _follow_worksheet(self, worksheet: WorksheetId, cursor: int) -> None:
        log = self._relay.worksheet(worksheet)

        def show(state: str, notification: bytes) -> None:
            self._connection.show(f"{state} {worksheet}", notification)

        with self._presence.enter(worksheet, self.context.account, show) as window:
            self._windows[worksheet] = window
            try:
                await self._connection.follow(log, cursor)
            finally:
                # Who subscribes again may have a new window before the old one is gone.
                if self._windows.get(worksheet) is window:
                    del self._windows[worksheet]
        await self._connection.send(_closed(worksheet, log.reason))

    # --- Rights -------------------------------------------------------------------------------

    @property
    def rights(self) -> tuple[Right, ...]:
        """What the client needs to stay as it is: its credential, and a role in all that it follows."""
        account = self.context.account.name
        return (
            Right(account=account, noun="credential", name=self.context.caller.credential),
            *(Right(account=account, noun=noun, name=name) for noun, name in self._connection.subscriptions),
        )

    def deprive(self, right: Right) -> None:
        """A right is gone: end what needed it, and say so."""
        match right.noun:
            case "credential":
                self.disconnect(CLOSE_SIGNED_OUT, "the sign-in has ended")
            case "worksheet":
                self.unsubscribe_worksheet(WorksheetId(right.name))
                self._connection.show(
                    f"closed {right.name}", _closed(right.name, "You are no longer a member.")
                )
            case "feed":
                self.unsubscribe_feed(right.name)

    def show_kernel(self, state: KernelState) -> None:
        """Tell the client how the kernel is; never blocks."""
        self._connection.show("server.kernel", encode_notification("server.kernel", {"kernel": state}))

    def disconnect(self, code: int, reason: str) -> None:
        self._transport.close(code, reason)


class Clients:
    """Every connected client. ``async with`` watches over their rights and disconnects them at the end."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights
        self._clients: set[Client] = set()
        self._kernel: KernelState = "starting"
        self._closing: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self.too_slow = 0

    @property
    def connected(self) -> int:
        return len(self._clients)

    async def __aenter__(self) -> Clients:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watcher is not None
        self._watcher.cancel()
        for client in list(self._clients):
            client.disconnect(CLOSE_GOING_AWAY, "the server is ending")
            self.remove(client)
        if self._closing:
            _done, unfinished = await asyncio.wait(self._closing, timeout=FINISH_SECONDS)
            for task in unfinished:
                task.cancel()
        await asyncio.gather(self._watcher, *self._closing, return_exceptions=True)

    def add(self, client: Client) -> None:
        """The client is connected; it is told how the kernel is."""
        self._clients.add(client)
        client.show_kernel(self._kernel)

    def show_kernel(self, state: KernelState) -> None:
        """The kernel came or went: every client is told, and those that come later."""
        self._kernel = state
        for client in self._clients:
            client.show_kernel(state)

    def remove(self, client: Client) -> None:
        """The client is disconnected."""
        if client in self._clients:
            self._clients.remove(client)
            self.too_slow += client.too_slow
            task = asyncio.get_running_loop().create_task(client.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def check(self) -> None:
        """Look at every right that a client lives by, in one transaction; end what is over."""
        needed = {client: client.rights for client in self._clients}
        held = await self._rights.held({right for rights in needed.values() for right in rights})
        for client, rights in needed.items():
            for right in rights:
                if right not in held:
                    client.deprive(right)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.check()
            except Exception:
                # A database that fails now must not end the watch; what it cannot tell is asked again.
                _log.exception("rights could not be looked at")


def _closed(worksheet: str, reason: str) -> bytes:
    return encode_notification("worksheet.closed", {"worksheet": worksheet, "reason": reason})
