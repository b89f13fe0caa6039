"""Following, storing, and the ends of runs; on SQLite and PostgreSQL, with a real kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon_kernel.client import KernelClient
from antiphon_kernel.message import SessionUID
from antiphon_webserver import recorder as recorder_module
from antiphon_webserver.model import Publication
from antiphon_webserver.recorder import End, Ended, Recorder, outcome
from antiphon_webserver.relay import Relay
from antiphon_webserver.sessions import KERNEL_RESTARTED
from antiphon_webserver.storage import publications, sessions, worksheets
from antiphon_webserver.storage.database import Database
from tests.webserver.live import ADA, NOW, SECONDS, SHEET, Kernel, Live, live


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with Kernel().open() as kernel:
        yield kernel


def texts(items: Sequence[Publication], parent: str) -> str:
    return "".join(i.content["text"] for i in items if i.msg_type == "stream" and i.parent == parent)


def numbers(items: Sequence[Publication]) -> list[int]:
    return [item.number for item in items]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"status": "ok"}, ("ok", "")),
        ({"status": "error", "ename": "ZeroDivisionError", "evalue": "x"}, ("error", "")),
        (
            {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""},
            ("interrupted", "KeyboardInterrupt"),
        ),
        (
            {"status": "error", "ename": "RequestCancelled", "evalue": "after an error"},
            ("cancelled", "after an error"),
        ),
        ({"status": "error", "ename": "SessionDead", "evalue": "signal 11"}, ("died", "signal 11")),
    ],
)
def test_outcome_of_a_run(content: dict[str, Any], expected: tuple[str, str]) -> None:
    assert outcome(content) == expected


async def test_what_a_run_printed_is_stored_once_and_its_end_with_it(
    database: Database, kernel: Kernel
) -> None:
    async with live(database, kernel) as server:
        uid = await server.open_session()
        run = await server.run(uid, "for i in range(30): print(i, flush=True)\n1/0")
        stored = await server.stored(uid)
        assert (run.state, run.reason, run.execution_count) == ("error", "", 1)
        assert run.started is not None
        assert run.ended is not None
        assert texts(stored, run.msg_id) == "".join(f"{i}\n" for i in range(30))
        assert numbers(stored) == list(range(1, stored[-1].number + 1))
        assert await database.write(publications.store, uid, stored) == 0


async def test_following_goes_on_where_a_killed_server_stopped(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as before:
        uid = await before.open_session()
        await before.run(uid, "print('seen')")
        away = await before.write_run(uid, "print('not seen')")
        never = await before.write_run(uid, "print('not sent')")
    async with connected(kernel) as client:
        await client.execute(uid, away.code, msg_id=away.msg_id)  # type: ignore[arg-type]
    async with live(database, kernel) as after:
        assert (await after.ended(away)).state == "ok"
        assert (await after.ended(never)).state == "ok"
        await after.run(uid, "print('again')")
        stored = await after.stored(uid)
        assert numbers(stored) == list(range(1, stored[-1].number + 1))
        assert texts(stored, away.msg_id) == "not seen\n"
        assert texts(stored, never.msg_id) == "not sent\n"


@asynccontextmanager
async def connected(kernel: Kernel) -> AsyncIterator[KernelClient]:
    async with kernel.connect() as client:
        yield client


async def test_session_is_lost_when_another_kernel_stands_there(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await server.open_session()
        await server.run(uid, "print('kept')")
        run = await server.write_run(uid, "print('lost')")
        log = server.relay.feed(uid)
        await kernel.replace()
        ended = await server.ended(run)
        assert (ended.state, ended.reason) == ("lost", KERNEL_RESTARTED)
        session = await server.session(uid)
        assert (session.state, session.reason) == ("lost", KERNEL_RESTARTED)
        assert log.ended
        again = await server.open_session()
        assert server.kernel_states == ["ready", "gone", "ready"]
        assert (await server.run(again, "1 + 1")).state == "ok"


async def test_a_run_whose_end_nobody_heard_ends_as_the_kernel_remembers(database: Database) -> None:
    async with Kernel(feed_count=3).open() as kernel:
        async with live(database, kernel) as before:
            uid = await before.open_session()
            well, failed = [await before.write_run(uid, code) for code in ("1", "1 / 0")]
            forgotten = await before.write_run(uid, "2")
        async with connected(kernel) as client:
            for run in (well, failed):
                await client.execute(SessionUID(uid), run.code, msg_id=run.msg_id)
            for _ in range(5):
                await client.execute(SessionUID(uid), "3")
        async with live(database, kernel) as after:
            assert (await after.ended(well)).state == "ok"
            assert (await after.ended(failed)).state == "error"
            lost = await after.ended(forgotten)
            assert (lost.state, "gone" in lost.reason) == ("lost", True)


async def test_a_session_made_for_one_call_ends_with_its_server(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        await server.open_session()
        uid = await server.sessions.create("run")
        await database.write(
            sessions.create, uid, title="run", owner=ADA, worksheet=None, now=NOW, server="dead"
        )
        await server.sessions.record(uid)
        await server.sessions.take_over()
        assert await server.sessions.info(uid) is None


async def test_session_that_was_closed_meanwhile_keeps_its_end(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as before:
        uid = await before.open_session()
        await before.run(uid, "print('seen')")
    async with connected(kernel) as client:
        await client.execute(uid, "print('away')", msg_id="away")  # type: ignore[arg-type]
        await client.close_session(uid)  # type: ignore[arg-type]
    async with live(database, kernel) as after:
        await until_closed(after, uid)
        assert texts(await after.stored(uid), "away") == "away\n"


async def until_closed(server: Live, uid: str) -> None:
    async with asyncio.timeout(SECONDS):
        with server.relay.feed(uid).reader(0) as reader:
            while True:
                for item in (await reader.next()).items:
                    if item.content.get("execution_state") == "closed":
                        if (await server.session(uid)).state != "closed":
                            await reader.next()  # the log ends when everything is stored
                        return


async def test_closing_a_session_ends_its_feed(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await server.open_session()
        log = server.relay.feed(uid)
        await server.sessions.close(uid)
        async with asyncio.timeout(SECONDS):
            with log.reader(0) as reader:
                while await reader.next():
                    pass
        assert (await server.session(uid)).state == "closed"


async def test_what_the_kernel_no_longer_holds_is_gone_and_told(database: Database) -> None:
    async with Kernel(feed_count=20).open() as kernel:
        async with live(database, kernel) as before:
            uid = await before.open_session()
            await before.run(uid, "1")
            last = (await before.stored(uid))[-1].number
            shown = await before.write_run(uid, "for i in range(100): display(i)")
            short = await before.write_run(uid, "1")
        async with connected(kernel) as client:
            await client.execute(uid, short.code, msg_id=short.msg_id)  # type: ignore[arg-type]
            await client.execute(uid, shown.code, msg_id=shown.msg_id)  # type: ignore[arg-type]
            latest = (await client.session_info(uid)).latest  # type: ignore[arg-type]
        async with live(database, kernel) as after:
            log = after.relay.feed(uid)
            async with asyncio.timeout(SECONDS):
                with log.reader(last) as reader:
                    batch = await reader.next()
            assert batch.gone == (last + 1, latest - 20)
            assert numbers(batch.items) == list(range(latest - 19, latest + 1))
            gone = f"ublications {last + 1} to {latest - 20}"
            run = await after.ended(shown)
            assert run.state == "ok"
            assert run.reason == f"P{gone} are gone: the kernel no longer held them."
            run = await after.ended(short)
            assert (run.state, run.reason) == ("ok", f"P{gone} are gone: the kernel no longer held them.")
        told = await after.relay.publications_since(uid, last, limit=5, wait=0)
        assert told.gone == (last + 1, latest - 20)


async def test_publications_of_a_deleted_worksheet_are_dropped(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await server.open_session()
        await database.write(worksheets.delete, SHEET)
        item = Publication(
            number=900, msg_id="", msg_type="stream", parent="", username="", date="", metadata={}, content={}
        )
        assert await server.archive.record([(uid, [item])], {}) == []


class SlowArchive:
    """Takes nothing until it is let, and fails as often as it is told."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.failures = 0
        self.taken: list[int] = []
        self._took = asyncio.Condition()

    async def record(
        self, batches: Sequence[tuple[str, Sequence[Publication]]], data: Mapping[str, bytes]
    ) -> Sequence[Ended]:
        await self.let.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        for _, items in batches:
            self.taken += numbers(items)
        async with self._took:
            self._took.notify_all()
        return []

    async def took(self, count: int) -> None:
        async with asyncio.timeout(SECONDS), self._took:
            await self._took.wait_for(lambda: len(self.taken) >= count)

    async def orphans(self, session: str) -> Collection[str]:
        return []

    async def lose(self, session: str, reason: str) -> Sequence[Ended]:
        return []

    async def end_runs(self, session: str, ends: Mapping[str, End]) -> Sequence[Ended]:
        return []


@asynccontextmanager
async def slow_recorder(
    archive: SlowArchive, kernel: Kernel
) -> AsyncIterator[tuple[KernelClient, str, Relay]]:
    """A recorder that follows a session and stores into ``archive``."""

    async def nothing(name: str, cursor: int, limit: int) -> tuple[list[Any], int]:
        return [], 0

    relay = Relay(nothing, nothing)
    async with connected(kernel) as client, Recorder(archive, relay) as recorder:
        uid = await client.create_session()
        recorder.follow(client, uid, 0)
        yield client, uid, relay


async def heard(relay: Relay, uid: str, number: int) -> None:
    async with asyncio.timeout(SECONDS):
        with relay.feed(uid).reader(0) as reader:
            while (await reader.next()).cursor < number:
                pass


async def test_a_database_that_hangs_stops_the_reading_not_the_session(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PENDING_ITEMS", 50)
    archive = SlowArchive()
    async with slow_recorder(archive, kernel) as (client, uid, relay):
        await client.execute(uid, "for i in range(60): display(i)")  # type: ignore[arg-type]
        await heard(relay, uid, 50)
        await client.execute(uid, "for i in range(500): display(i)")  # type: ignore[arg-type]
        latest = (await client.session_info(uid)).latest  # type: ignore[arg-type]
        assert relay.feed(uid).latest < 200
        archive.let.set()
        await heard(relay, uid, latest)
    assert archive.taken == list(range(1, latest + 1))


@pytest.mark.slow
async def test_a_database_that_fails_is_tried_again(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    archive = SlowArchive()
    archive.failures = 2
    archive.let.set()
    async with slow_recorder(archive, kernel) as (client, uid, relay):
        await client.execute(uid, "print('kept')")  # type: ignore[arg-type]
        latest = (await client.session_info(uid)).latest  # type: ignore[arg-type]
        await heard(relay, uid, latest)
        await archive.took(latest)
    assert archive.taken == list(range(1, latest + 1))
    assert "could not be stored" in caplog.text
