"""The tasks of one client: bounds, order, slowness, end. The wire is a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

import pytest

from antiphon_webserver.clients import Client, Clients, Right
from antiphon_webserver.connection import (
    CLOSE_TOO_SLOW,
    REQUESTS_AT_ONCE,
    SUBSCRIPTIONS,
    Connection,
)
from antiphon_webserver.context import Context
from antiphon_webserver.errors import LimitExceeded
from antiphon_webserver.model import Account, AccountName, Caret, CellId, Publication, WorksheetId
from antiphon_webserver.presence import (
    BYTES_PER_SECOND,
    CARETS,
    MOVES_BURST,
    MOVES_PER_SECOND,
    PEOPLE,
    TELL_SECONDS,
    Clock,
    Presence,
    Window,
)
from antiphon_webserver.relay import Log, Relay
from tests.deadline import DEADLINE
from tests.webserver.conftest import Server


class Wire:
    """A transport that keeps what was sent, and takes nothing while ``open`` is not set."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Condition()

    async def send(self, text: bytes) -> None:
        await self.open.wait()
        self.sent.append(text)
        async with self.arrived:
            self.arrived.notify_all()

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    async def has(self, count: int) -> list[bytes]:
        async with asyncio.timeout(DEADLINE), self.arrived:
            await self.arrived.wait_for(lambda: len(self.sent) >= count)
        return self.sent


def publication(number: int) -> Publication:
    return Publication(
        number=number, msg_id="", msg_type="stream", parent="", username="", date="", metadata={}, content={}
    )


async def load(cursor: int, limit: int) -> tuple[list[Publication], int]:
    return [], 0


def log_of(*numbers: int) -> Log[Publication]:
    log: Log[Publication] = Log(load, lambda batch: batch.encoded)
    log.append([publication(number) for number in numbers])
    return log


async def answer_later(event: asyncio.Event, reply: bytes) -> bytes:
    await event.wait()
    return reply


async def test_requests_are_answered_as_they_finish() -> None:
    wire, slow, fast = Wire(), asyncio.Event(), asyncio.Event()
    connection = Connection(wire)
    await connection.handle(lambda: answer_later(slow, b"slow"))
    await connection.handle(lambda: answer_later(fast, b"fast"))
    fast.set()
    await wire.has(1)
    slow.set()
    assert await wire.has(2) == [b"fast", b"slow"]
    await connection.close()


async def test_a_connection_is_not_read_beyond_its_bound_of_requests() -> None:
    wire, event = Wire(), asyncio.Event()
    connection = Connection(wire)
    for _ in range(REQUESTS_AT_ONCE):
        await connection.handle(lambda: answer_later(event, b"x"))
    one_more = asyncio.ensure_future(connection.handle(lambda: answer_later(event, b"last")))
    await asyncio.sleep(0)
    assert not one_more.done()
    event.set()
    assert (await wire.has(REQUESTS_AT_ONCE + 1))[-1] == b"last"
    await connection.close()


async def test_slow_reader_does_not_slow_another() -> None:
    slow, fast, log = Wire(), Wire(), log_of(1)
    slow.open.clear()
    connections = Connection(slow), Connection(fast)
    for connection in connections:
        connection.subscribe(("feed", "s"), lambda connection=connection: connection.follow(log, 0))  # type: ignore[misc]
    await fast.has(1)
    log.append([publication(2)])
    await fast.has(2)
    assert slow.sent == []
    slow.open.set()
    await slow.has(2)
    assert slow.sent == fast.sent
    for connection in connections:
        await connection.close()
    assert log.idle


async def test_reader_that_takes_nothing_is_disconnected_with_a_reason() -> None:
    wire, log = Wire(), log_of(1)
    wire.open.clear()
    connection = Connection(wire, slow_seconds=0.01)
    with pytest.raises(ConnectionError):
        await connection.follow(log, 0)
    assert wire.closed == (CLOSE_TOO_SLOW, "nothing was read for 0.01 seconds")


async def test_subscribing_again_replaces_the_subscription() -> None:
    wire, log = Wire(), log_of(1, 2)
    connection = Connection(wire)
    for cursor in (2, 1):
        connection.subscribe(("feed", "s"), lambda cursor=cursor: connection.follow(log, cursor))  # type: ignore[misc]
    await wire.has(1)
    assert connection.subscriptions == {("feed", "s")}
    log.append([publication(3)])
    assert len(await wire.has(2)) == 2
    connection.unsubscribe(("feed", "s"))
    assert connection.subscriptions == frozenset()
    await connection.close()


async def test_subscriptions_are_bounded() -> None:
    connection, log = Connection(Wire()), log_of()
    for number in range(SUBSCRIPTIONS):
        connection.subscribe(("feed", str(number)), lambda: connection.follow(log, 0))
    with pytest.raises(LimitExceeded) as refused:
        connection.subscribe(("feed", "more"), lambda: connection.follow(log, 0))
    assert refused.value.data == {"limit": "subscriptions", "value": SUBSCRIPTIONS}
    await connection.close()


async def test_close_ends_subscriptions_and_lets_requests_finish() -> None:
    wire, log, event = Wire(), log_of(), asyncio.Event()
    connection = Connection(wire)
    connection.subscribe(("feed", "s"), lambda: connection.follow(log, 0))
    done: list[bytes] = []

    async def work() -> bytes | None:
        done.append(await answer_later(event, b"done"))
        return None

    await connection.handle(work)
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(connection.close())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log.idle
    assert not closing.done()
    event.set()
    await closing
    assert done == [b"done"]
    await connection.handle(work)
    assert done == [b"done"]


async def test_close_that_is_cancelled_cuts_requests_off() -> None:
    connection, never = Connection(Wire()), asyncio.Event()
    request = asyncio.Event()

    async def work() -> bytes | None:
        try:
            await never.wait()
        finally:
            request.set()
        return None

    await connection.handle(work)
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(connection.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait_for(request.wait(), DEADLINE)


async def test_a_failing_request_closes_the_connection() -> None:
    async def fail() -> bytes:
        raise RuntimeError("a defect")

    wire = Wire()
    connection = Connection(wire)
    await connection.handle(fail)
    await asyncio.sleep(0)
    assert wire.closed == (1011, "the server failed")
    await connection.close()


async def test_only_the_newest_state_waits_for_a_slow_reader() -> None:
    wire = Wire()
    wire.open.clear()
    connection = Connection(wire)
    connection.show("w", b"first")
    await asyncio.sleep(0)
    for state in (b"second", b"third"):
        connection.show("w", state)
    wire.open.set()
    assert await wire.has(2) == [b"first", b"third"]
    await connection.close()


class NoRights:
    """Nobody looks at rights here."""

    async def held(self, rights: Collection[Right]) -> Collection[Right]:
        return rights


async def no_dispatch(context: Context, text: bytes) -> bytes | None:
    return None


async def test_every_client_is_told_how_the_kernel_is(quick_server: Server) -> None:
    def client(wire: Wire) -> Client:
        relay = Relay(no_publications, no_publications)
        return Client(quick_server.context, wire, relay, Presence(), no_dispatch)

    early, late = Wire(), Wire()
    clients = Clients(NoRights())
    async with clients:
        clients.add(client(early))
        assert (await early.has(1))[-1] == kernel_is("starting")
        clients.show_kernel("ready")
        assert (await early.has(2))[-1] == kernel_is("ready")
        clients.show_kernel("gone")
        assert (await early.has(3))[-1] == kernel_is("gone")
        clients.add(client(late))
        assert await late.has(1) == [kernel_is("gone")]


def kernel_is(state: str) -> bytes:
    return f'{{"jsonrpc":"2.0","method":"server.kernel","params":{{"kernel":"{state}"}}}}'.encode()


async def no_publications(name: str, cursor: int, limit: int) -> tuple[list[Any], int]:
    return [], 0


class FakeClock(Clock):
    """A clock that goes when it is told to, and then does what is due."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.seconds

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        self._due.append((self.seconds + seconds, then))

    def go(self, seconds: float) -> None:
        self.seconds += seconds
        due = [then for at, then in self._due if at <= self.seconds]
        self._due = [(at, then) for at, then in self._due if at > self.seconds]
        for then in due:
            then()


ADA = Account(name=AccountName("ada"), display_name="Ada")
SHEET = WorksheetId("w")


class Told:
    """What a window was told, by the state's name."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    def __call__(self, state: str, text: bytes) -> None:
        self.messages.append((state, json.loads(text)["params"]))

    def carets(self) -> list[list[tuple[int, int]]]:
        return [
            [(caret["window"], caret["head"]) for caret in params["carets"]]
            for state, params in self.messages
            if state == "carets"
        ]


def caret(window: Window, head: int) -> Caret:
    cell = CellId("cell")
    return Caret(window=window.number, account=ADA.name, cell=cell, version=1, anchor=0, head=head)


def test_many_moves_of_carets_are_told_once() -> None:
    clock, told = FakeClock(), Told()
    presence = Presence(clock)
    with presence.enter(SHEET, ADA, told) as one, presence.enter(SHEET, ADA, lambda *_: None) as two:
        clock.go(1)
        for head in range(10):
            one.move(caret(one, head))
            two.move(caret(two, 100 + head))
        assert told.carets() == []
        clock.go(TELL_SECONDS)
        assert told.carets() == [[(2, 109), (1, 9)]]
        one.move(caret(one, 9))
        clock.go(1)
        assert len(told.carets()) == 1
        two.move(None)
        clock.go(1)
        assert told.carets()[-1] == [(1, 9)]
    clock.go(1)
    assert presence.people(SHEET) == ()


def test_a_window_that_closes_takes_its_caret_along_and_a_new_one_is_told_the_carets() -> None:
    clock, told, late = FakeClock(), Told(), Told()
    presence = Presence(clock)
    with presence.enter(SHEET, ADA, told):
        with presence.enter(SHEET, ADA, lambda *_: None) as two:
            two.move(caret(two, 5))
            clock.go(1)
            with presence.enter(SHEET, ADA, late):
                clock.go(1)
                assert late.carets() == [[(2, 5)]]
        clock.go(1)
        assert told.carets()[-1] == []


def test_a_flood_of_carets_is_refused_and_ends() -> None:
    clock, told = FakeClock(), Told()
    presence = Presence(clock)
    with presence.enter(SHEET, ADA, told) as window:
        for head in range(MOVES_BURST):
            window.move(caret(window, head))
        with pytest.raises(LimitExceeded, match="10 times a second"):
            window.move(caret(window, 99))
        clock.go(1)
        assert len(told.carets()) == 1
        for head in range(MOVES_PER_SECOND):
            window.move(caret(window, head))
        with pytest.raises(LimitExceeded):
            window.move(caret(window, 99))


def test_a_thousand_windows_are_told_less_often() -> None:
    clock, told = FakeClock(), Told()
    presence = Presence(clock)
    with ExitStack() as stack:
        windows = [stack.enter_context(presence.enter(SHEET, ADA, lambda *_: None)) for _ in range(999)]
        stack.enter_context(presence.enter(SHEET, ADA, told))
        for second in range(10):
            for window in windows[:100]:
                window.move(caret(window, second))
            for _ in range(20):
                clock.go(0.05)
        sent = sum(len(json.dumps(params)) for _, params in told.messages) * 1000
        assert max(map(len, told.carets())) == CARETS
        assert sent < 12 * BYTES_PER_SECOND
        assert len(told.carets()) > 3


def test_a_crowd_is_counted_and_not_named() -> None:
    clock, told = FakeClock(), Told()
    presence = Presence(clock)
    with ExitStack() as stack:
        for number in range(PEOPLE + 20):
            person = Account(name=AccountName(f"p{number:04}"), display_name="")
            stack.enter_context(presence.enter(SHEET, person, told))
        clock.go(1)
    assert len(told.messages) == PEOPLE + 20
    state, params = told.messages[0]
    assert (state, len(params["people"]), params["more"]) == ("presence", PEOPLE, 20)


def test_presence_counts_windows_and_tells_every_window() -> None:
    clock, sheet = FakeClock(), SHEET
    presence = Presence(clock)
    ada = Account(name=AccountName("ada"), display_name="Ada")
    bob = Account(name=AccountName("bob"), display_name="Bob")
    told = Told()
    with presence.enter(sheet, ada, told):
        with presence.enter(sheet, ada, lambda *_: None), presence.enter(sheet, bob, lambda *_: None):
            clock.go(1)
            assert [(p.account, p.windows) for p in presence.people(sheet)] == [("ada", 2), ("bob", 1)]
        assert [(p.account, p.windows) for p in presence.people(sheet)] == [("ada", 1)]
        clock.go(1)
        people = [[(p["account"], p["windows"]) for p in params["people"]] for _, params in told.messages]
        assert people == [[("ada", 2), ("bob", 1)], [("ada", 1)]]
    assert presence.people(sheet) == ()
