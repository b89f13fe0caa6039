"""The ring, its readers and the database behind it. No socket, no real database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from antiphon_webserver.model import Publication, WorksheetId, WorksheetRenamed
from antiphon_webserver.relay import Log, Relay
from tests.deadline import DEADLINE


def publication(number: int, text: str = "") -> Publication:
    return Publication(
        number=number,
        msg_id=f"p{number}",
        msg_type="stream",
        parent="r",
        username="ada",
        date="2026-01-01T00:00:00+00:00",
        metadata={},
        content={"name": "stdout", "text": text},
    )


class Shelf:
    """Stands for the database: rows that were stored, and how often they were read."""

    def __init__(self, numbers: Sequence[int] = ()) -> None:
        self.rows = [publication(number) for number in numbers]
        self.reads = 0

    async def load(self, cursor: int, limit: int) -> tuple[Sequence[Publication], int]:
        self.reads += 1
        rows = [row for row in self.rows if row.number > cursor][:limit]
        return rows, max((row.number for row in self.rows), default=0)

    def log(self, **bounds: int) -> Log[Publication]:
        return Log(self.load, lambda batch: batch.encoded, **bounds)


def numbers(items: Sequence[Publication]) -> list[int]:
    return [item.number for item in items]


async def test_reader_gets_what_is_appended_in_order_once() -> None:
    log = Shelf().log()
    with log.reader(0) as reader:
        log.append([publication(1), publication(2)])
        log.append([publication(2), publication(3)])
        assert numbers((await reader.next()).items) == [1, 2, 3]
        waiting = asyncio.ensure_future(reader.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        log.append([publication(4)])
        assert numbers((await waiting).items) == [4]
    assert log.idle


async def test_readers_at_one_cursor_share_one_encoding() -> None:
    log = Shelf().log()
    with log.reader(0) as one, log.reader(0) as other:
        log.append([publication(1)])
        assert (await one.next()).notification is (await other.next()).notification


async def test_item_that_one_reader_found_in_the_database_still_reaches_the_others() -> None:
    """It was committed, and a reader from the beginning came before it was announced."""
    shelf = Shelf([1, 2, 3])
    log = shelf.log(latest=1)
    log.append(shelf.rows[1:2], stored=True)
    with log.reader(2) as waiting, log.reader(0) as behind:
        news = asyncio.ensure_future(waiting.next())
        await asyncio.sleep(0)
        assert numbers((await behind.next()).items) == [1, 2, 3]
        log.append(shelf.rows[2:], stored=True)
        assert numbers((await asyncio.wait_for(news, DEADLINE)).items) == [3]
        log.append([publication(4)], stored=True)
        for reader in (waiting, behind):
            batch = await reader.next()
            assert (numbers(batch.items), batch.gone) == ([4], None)


async def test_reader_that_fell_out_of_the_ring_reads_the_database() -> None:
    shelf = Shelf(range(1, 9))
    log = shelf.log(latest=0, ring_items=2)
    log.append(shelf.rows, stored=True)
    with log.reader(3) as reader:
        assert numbers((await reader.next(limit=3)).items) == [4, 5, 6]
        assert shelf.reads == 1
        assert numbers((await reader.next(limit=3)).items) == [7, 8]
        assert shelf.reads == 1


async def test_ring_keeps_what_is_not_stored() -> None:
    shelf = Shelf()
    log = shelf.log(ring_items=2)
    log.append([publication(number) for number in range(1, 6)])
    assert numbers((await log.read(0)).items) == [1, 2, 3, 4, 5]
    log.mark_stored(4)
    shelf.rows = [publication(number) for number in range(1, 5)]
    assert numbers((await log.read(3)).items) == [4, 5]
    assert shelf.reads == 0
    assert numbers((await log.read(0)).items) == [1, 2, 3, 4]
    assert shelf.reads == 1


async def test_ring_is_bounded_in_bytes() -> None:
    shelf = Shelf()
    log = shelf.log(ring_bytes=1000)
    log.append([publication(1, "x" * 600), publication(2, "x" * 600)], stored=True)
    shelf.rows = [publication(1), publication(2)]
    await log.read(0)
    assert shelf.reads == 1


async def test_gap_is_told_once_before_what_follows_it() -> None:
    log = Shelf().log()
    log.append([publication(1), publication(2)])
    log.append([publication(7)])
    with log.reader(0) as reader:
        first, second = await reader.next(), await reader.next()
    assert (numbers(first.items), first.gone) == ([1, 2], None)
    assert (numbers(second.items), second.gone) == ([7], (3, 6))


async def test_gap_in_the_database_is_told() -> None:
    log = Shelf([1, 2, 7]).log(latest=7)
    first = await log.read(0)
    second = await log.read(first.cursor)
    assert (numbers(first.items), numbers(second.items), second.gone) == ([1, 2], [7], (3, 6))


async def test_gap_between_database_and_ring_is_told() -> None:
    shelf = Shelf([1, 2])
    log = shelf.log(latest=2)
    log.append([publication(7)])
    batch = await log.read(2)
    assert (numbers(batch.items), batch.gone, batch.cursor) == ([7], (3, 6), 7)


async def test_commits_announced_out_of_order_are_read_in_order() -> None:
    shelf = Shelf([1, 2, 3])
    log = shelf.log(latest=1)
    log.append([publication(3)], stored=True)
    log.append([publication(2)], stored=True)
    assert numbers((await log.read(1)).items) == [2, 3]


async def test_reader_ahead_of_the_log_waits_for_the_number_it_has_not_seen() -> None:
    """After a crash the web server may know less than a reader that was served before storing."""
    log = Shelf([1]).log(latest=1)
    with log.reader(3) as reader:
        waiting = asyncio.ensure_future(reader.next())
        log.append([publication(2), publication(3)])
        await asyncio.sleep(0)
        assert not waiting.done()
        log.append([publication(4)])
        assert numbers((await waiting).items) == [4]


async def test_end_lets_the_readers_go_after_the_rest() -> None:
    log = Shelf().log()
    with log.reader(0) as reader:
        log.append([publication(1)])
        log.end()
        assert numbers((await reader.next()).items) == [1]
        assert not await reader.next()


async def test_batch_ends_at_its_bound_of_bytes() -> None:
    log = Shelf().log()
    log.append([publication(number, "x" * 200_000) for number in range(1, 5)])
    assert numbers((await log.read(0)).items) == [1, 2]


async def test_many_readers_each_get_everything_once() -> None:
    log = Shelf().log()

    async def read_all(start: int) -> list[int]:
        seen: list[int] = []
        with log.reader(start) as reader:
            while batch := await reader.next():
                seen += numbers(batch.items)
        return seen

    readers = [asyncio.ensure_future(read_all(start % 3)) for start in range(50)]
    for number in range(1, 301):
        log.append([publication(number)])
        if number % 7 == 0:
            await asyncio.sleep(0)
    log.end()
    for start, seen in enumerate(await asyncio.gather(*readers)):
        assert seen == list(range(start % 3 + 1, 301))


@pytest.fixture
def relay() -> Relay:
    async def nothing(name: str, cursor: int, limit: int) -> tuple[Sequence[Publication], int]:
        return [], 0

    return Relay(nothing, nothing)  # type: ignore[arg-type]  # there is nothing of either type


async def test_notifications_name_their_log(relay: Relay) -> None:
    feed, worksheet = relay.feed("s"), relay.worksheet(WorksheetId("w"))
    feed.append([publication(3)])
    relay.announce(WorksheetId("w"), [WorksheetRenamed(number=1, author="ada", date="", title="T")])  # type: ignore[arg-type]
    told = msgspec.json.decode((await feed.read(0)).notification)
    assert told["method"] == "feed.publications"
    assert told["params"]["session"] == "s"
    assert told["params"]["latest"] == 3
    assert told["params"]["gone"] == [1, 2]
    assert told["params"]["publications"][0]["content"] == {"name": "stdout", "text": ""}
    told = msgspec.json.decode((await worksheet.read(0)).notification)
    assert told["method"] == "worksheet.entries"
    assert told["params"]["entries"][0]["kind"] == "worksheet_renamed"


async def test_log_lives_as_long_as_somebody_holds_it(relay: Relay) -> None:
    feed = relay.feed("s")
    assert relay.feed("s") is feed
    feed.append([publication(1)])
    del feed
    assert relay.feed("s").latest == 0
