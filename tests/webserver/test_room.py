"""How much output of a worksheet is stored: counted in the database, cut at the limit, and cleared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, select

from antiphon_webserver.model import CellId, OutputsCleared, Publication
from antiphon_webserver.storage import blobs, log, publications, room, runs
from antiphon_webserver.storage.database import Database
from antiphon_webserver.storage.tables import publications as publications_table
from antiphon_webserver.terminal import shown
from tests.webserver.conftest import Server
from tests.webserver.live import NOW, SHEET, Kernel, Live, live

LIMIT = 2_000


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with Kernel().open() as kernel:
        yield kernel


def output(number: int, parent: str, text: str) -> Publication:
    return Publication(
        number=number,
        msg_id=f"p{number}",
        msg_type="stream",
        parent=parent,
        username="ada",
        date=NOW,
        metadata={},
        content={"name": "stdout", "text": text},
    )


async def printed(server: Live, uid: str, run: str) -> str:
    found = [item for item in await server.stored(uid) if item.parent == run and item.msg_type == "stream"]
    return shown("".join(item.content["text"] for item in found))


async def clear(database: Database, of: tuple[str, ...] | None = None, *, earlier: bool = False) -> int:
    """Everything, a few publications in each transaction."""
    freed, after = 0, 0
    named = None if of is None else tuple(map(CellId, of))
    while True:
        more, last = await database.write(room.clear, SHEET, named, earlier=earlier, after=after, limit=3)
        freed += more
        if last is None:
            return freed
        after = last


def really_stored(connection: Connection, uid: str) -> int:
    """What the counter must say, by the rows themselves."""
    rows = connection.execute(select(publications_table).where(publications_table.c.session == uid)).all()
    return sum(
        room.output_bytes(len(row.content), (*room.taken_out(row).values(), *room.brought(row)))
        for row in rows
        if row.msg_type in room.COUNTED
    )


async def test_a_full_worksheet_cuts_with_a_word_and_has_room_again_when_cleared(
    database: Database, kernel: Kernel
) -> None:
    async with live(database, kernel, worksheet_bytes=LIMIT) as server:
        uid = await server.open_session()
        first = await server.run(uid, "print('x' * 1500)")
        full = await server.run(uid, "for i in range(3): print('y' * 500, flush=True)\n6 * 7")
        assert (first.state, full.state) == ("ok", "ok")
        assert "x" * 1500 in await printed(server, uid, first.msg_id)
        size = 3 * 501 + len('{"text/plain":"42"}')
        assert (await printed(server, uid, full.msg_id)).strip() == (
            f"[{size:,} bytes of output were cut: "
            "worksheet-output-bytes is 2,000; clear outputs to make room.]"
        )
        assert await database.read(room.kept_of, SHEET) == await database.read(really_stored, uid)

        assert await clear(database) > 1500
        assert await database.read(room.kept_of, SHEET) == await database.read(really_stored, uid) == 0
        after = await server.run(uid, "print('z' * 1500)")
        assert "z" * 1500 in await printed(server, uid, after.msg_id)
        assert (await database.read(runs.find, first.id)).code == first.code  # type: ignore[union-attr]


async def test_it_stays_full_for_the_next_server(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel, worksheet_bytes=LIMIT) as server:
        uid = await server.open_session()
        await server.run(uid, "print('x' * 1500)")
    async with live(database, kernel, worksheet_bytes=LIMIT) as server:
        run = await server.run(uid, "print('y' * 1500)")
        assert "1,501 bytes of output were cut" in await printed(server, uid, run.msg_id)


async def test_two_servers_that_store_the_same_count_it_once(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as one:
        uid = await one.open_session()
        items = [output(number, "r", "x" * number) for number in range(1, 41)]
        shares = [(items[at : at + 10], items[max(0, at - 5) : at + 5]) for at in range(0, 40, 10)]
        for ours, theirs in shares:
            await asyncio.gather(
                database.write(publications.store, uid, ours), database.write(publications.store, uid, theirs)
            )
        assert await database.read(room.kept, uid) == await database.read(really_stored, uid) > 0


async def test_blobs_count_and_go(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await server.open_session()
        run = await server.run(
            uid, "from IPython.display import display, Image\ndisplay(Image(data=b'GIF89a' + bytes(5000)))"
        )
        kept = await database.read(room.kept, uid)
        assert kept == await database.read(really_stored, uid) > 5000
        assert await clear(database) == kept
        assert await database.read(publications.all_of_run, uid, run.msg_id)  # its other publications
        assert not await database.write(blobs.clear)
        (last,) = (await server.stored(uid))[-1:]
        assert last.msg_type == "status"


async def test_earlier_keeps_what_stands_under_the_cells(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    first = (await ana.call("worksheet.open", worksheet=sheet))["cells"][0]["id"]
    gone = (await ana.call("cell.create", worksheet=sheet))["id"]
    asked = [await ana.call("cell.run", worksheet=sheet, cell=cell) for cell in (first, first, gone)]
    open_one = await ana.call("cell.run", worksheet=sheet, cell=gone)
    session = asked[0]["session"]
    database = server.context.database
    for number, run in enumerate((*asked, open_one), 1):
        await database.write(publications.store, session, [output(number, run["msg_id"], "x" * 100)])
    for run in asked:
        await database.write(runs.end, session, run["msg_id"], state="ok", now=NOW)
    await database.write(publications.store, session, [output(9, "", "the newest one of all")])
    await ana.call("cell.delete", worksheet=sheet, cell=gone)

    async def left() -> list[str]:
        found = await database.read(publications.since, session, 0, 100)
        return [item.parent for item in found.publications]

    cleared = await ana.call("worksheet.clear", worksheet=sheet, which="earlier")
    assert await left() == [asked[1]["msg_id"], open_one["msg_id"], ""]
    assert cleared["freed"] == 2 * len('{"name":"stdout","text":""}') + 200
    assert cleared["kept"] == await database.read(room.kept_of, sheet)
    twice = await ana.call("worksheet.clear", worksheet=sheet, which="earlier")
    assert twice == {"kept": cleared["kept"], "freed": 0}

    await ana.call("worksheet.clear", worksheet=sheet, cells=["another-cell-another"])
    assert len(await left()) == 3
    await ana.call("worksheet.clear", worksheet=sheet)
    assert await left() == [open_one["msg_id"], ""]
    entries = (await database.read(log.since, sheet, 0, 100)).entries
    told = [entry for entry in entries if isinstance(entry, OutputsCleared)]
    assert [entry.cells for entry in told] == [(), (first,)]
    assert told[0].bytes == cleared["freed"]
    assert (await ana.call("worksheet.open", worksheet=sheet))["outputs"][asked[1]["id"]] == []
