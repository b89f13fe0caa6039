"""The functions on a connection, each on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, bindparam, func, select, text

from antiphon_webserver.blobs import blob
from antiphon_webserver.changes import Changes, apply
from antiphon_webserver.errors import Conflict, DatabaseUnavailable, InvalidParams, LimitExceeded, NotFound
from antiphon_webserver.limits import LIMITS
from antiphon_webserver.model import (
    AccountName,
    AnyEntry,
    Cell,
    CellConverted,
    CellCreated,
    CellDeleted,
    CellEdited,
    CellId,
    CellMoved,
    Publication,
    Run,
    RunId,
    RunState,
    SignInId,
    Token,
    TokenId,
    WorksheetId,
)
from antiphon_webserver.storage import (
    accounts,
    cells,
    links,
    log,
    members,
    publications,
    runs,
    sessions,
    signins,
    snapshots,
    tokens,
    worksheets,
)
from antiphon_webserver.storage.database import Database, open_database
from antiphon_webserver.storage.lookup import Lookup
from antiphon_webserver.storage.tables import accounts as accounts_table
from tests.deadline import DEADLINE

NOW = "2026-01-31T12:00:00.000Z"
LATER = "2026-01-31T13:00:00.000Z"
ANA, BEN = AccountName("ana"), AccountName("ben")
SHEET = WorksheetId("worksheet-0000000000000")
FIRST, SECOND, THIRD = CellId("first-cell"), CellId("second-cell"), CellId("third-cell")


def make(connection: Connection) -> None:
    """Ana with a worksheet of one cell, and Ben."""
    for name in (ANA, BEN):
        accounts.create(connection, name, display_name=name.title(), password=None, admin=False, now=NOW)
    worksheets.create(connection, SHEET, FIRST, title="Sheet", owner=ANA, now=NOW)


def add_cell(
    connection: Connection, id: CellId, after: CellId | None, source: str = ""
) -> tuple[AnyEntry, ...]:
    cell = Cell(id=id, type="code", source=source)
    return cells.create(connection, SHEET, cell, after=after, author=ANA, now=NOW)[1]


def order(connection: Connection) -> list[str]:
    return [cell.id for cell in cells.list_all(connection, SHEET)]


def numbers(connection: Connection) -> list[int]:
    return [entry.number for entry in log.since(connection, SHEET, 0, 1000).entries]


def open_session(connection: Connection, uid: str = "s1", instead_of: str | None = None) -> str:
    return worksheets.open_session(
        connection, SHEET, uid, instead_of=instead_of, title="Sheet", author=ANA, now=NOW
    )[0]


def run_of(cell: CellId | None, id: str, session: str = "s1") -> Run:
    return Run(
        id=RunId(id),
        worksheet=SHEET,
        cell=cell,
        session=session,
        msg_id=f"msg-{id}",
        account=ANA,
        code="1 + 1",
        state="queued",
        created=NOW,
    )


def stream(number: int, text: str, *, name: str = "stdout", parent: str = "msg-r1") -> Publication:
    return publication(number, "stream", {"name": name, "text": text}, parent=parent)


def publication(
    number: int,
    msg_type: str,
    content: dict[str, Any],
    *,
    parent: str = "msg-r1",
) -> Publication:
    return Publication(
        number=number,
        msg_id=f"p{number}",
        msg_type=msg_type,
        parent=parent,
        username="ana",
        date=NOW,
        metadata={},
        content=content,
    )


async def test_an_account_exists_once(database: Database) -> None:
    create: Callable[..., Any] = accounts.create
    more = {"display_name": "Ana", "password": None, "admin": True, "now": NOW}
    first = await database.write(create, ANA, **more)
    assert first == await database.read(accounts.find, "ana")
    assert await database.write(create, ANA, **more) is None


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def work(connection: Connection) -> None:
        make(connection)
        raise Conflict("no")

    with pytest.raises(Conflict):
        await database.write(work)
    assert await database.read(accounts.list_all, NOW) == ()


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"read.?only"):
        await database.read(make)


async def test_a_glance_sees_what_is_committed_and_waits_for_no_writer(database: Database) -> None:
    writing, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        make(connection)
        writing.set()
        assert go_on.wait(DEADLINE)

    try:
        writer = asyncio.ensure_future(database.write(work))
        await asyncio.to_thread(writing.wait, 60)
        assert await database.glance(accounts.find, ANA) is None
    finally:
        go_on.set()
    await writer
    ana = await database.glance(accounts.find, ANA)
    assert ana is not None
    assert ana.display_name == "Ana"


async def test_a_glance_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"read.?only"):
        await database.glance(make)


async def test_a_glance_takes_no_thread_for_a_file_and_one_for_a_server(database: Database) -> None:
    def here(_: Connection) -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await database.glance(here) == database.is_sqlite
    assert not await database.read(here)


async def test_a_glance_at_a_database_in_memory_takes_its_turn() -> None:
    """Its one connection belongs to its one thread."""
    async with await open_database(":memory:") as database:
        await database.write(make)
        assert await database.glance(lambda _: threading.current_thread().name) == "database-write_0"


async def test_an_error_of_the_database_has_no_parameters(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("SELECT :secret FROM nowhere"), {"secret": "hunter2"})

    with pytest.raises(DatabaseUnavailable) as caught:
        await database.read(work)
    assert "nowhere" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_lookup_finds_what_the_query_finds(database: Database) -> None:
    """With its constants, its booleans, and a null."""
    await database.write(make)
    columns = (accounts_table.c.name, accounts_table.c.admin, accounts_table.c.password)
    query = select(*columns, func.coalesce(accounts_table.c.password, "none").label("told")).where(
        accounts_table.c.name == bindparam("name"), accounts_table.c.display_name != "Bo"
    )

    def work(connection: Connection) -> tuple[Any, ...]:
        row = Lookup(query).one(connection, name=ANA)
        return (*row, row.told), type(row.admin), Lookup(query).one(connection, name="nobody")

    expected = await database.read(lambda connection: connection.execute(query, {"name": ANA}).one())
    assert await database.read(work) == ((*expected, "none"), bool, None)


async def test_a_lookup_that_fails_has_no_parameters(database: Database) -> None:
    lookup = Lookup(select(text("secret")).select_from(text("nowhere")).where(text("1") == bindparam("key")))
    with pytest.raises(DatabaseUnavailable) as caught:
        await database.glance(lambda connection: lookup.one(connection, key="hunter2"))
    assert "nowhere" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_link_signs_in_once_though_two_use_it_at_once(database: Database) -> None:
    await database.write(make)
    await database.write(links.create, "digest", ANA, now=NOW, expires=LATER)
    used = await asyncio.gather(*(database.write(links.use, "digest", NOW) for _ in range(5)))
    assert [account.name for account in used if account] == ["ana"]


async def test_a_link_expires(database: Database) -> None:
    await database.write(make)
    await database.write(links.create, "digest", ANA, now=NOW, expires=LATER)
    assert await database.write(links.use, "digest", LATER) is None


async def test_a_signin_is_found_until_it_expires_or_is_ended(database: Database) -> None:
    await database.write(make)
    await database.write(signins.create, SignInId("1"), "one", ANA, way="link", now=NOW, expires=LATER)
    await database.write(signins.create, SignInId("2"), "two", ANA, way="password", now=NOW, expires=LATER)
    found = await database.read(signins.find, "one", NOW)
    assert found is not None
    assert (found[0].name, found[1]) == ("ana", "link")
    assert await database.read(signins.find, "one", LATER) is None
    await database.write(signins.end_others, ANA, "one")
    assert await database.read(signins.find, "two", NOW) is None
    await database.write(signins.end, "one")
    assert await database.read(signins.find, "one", NOW) is None


async def test_a_token_is_revoked_by_its_account_only(database: Database) -> None:
    await database.write(make)
    token = Token(id=TokenId("t1"), label="laptop", created=NOW)
    await database.write(tokens.create, token, "digest", ANA)
    assert not await database.write(tokens.revoke, token.id, BEN)
    assert await database.read(tokens.find, "digest", NOW) is not None
    assert await database.write(tokens.revoke, token.id, ANA)
    assert await database.read(tokens.find, "digest", NOW) is None


async def test_a_new_worksheet_has_one_empty_cell_and_one_entry(database: Database) -> None:
    await database.write(make)
    snapshot = await database.read(snapshots.take, SHEET, ANA)
    assert [cell.source for cell in snapshot.cells] == [""]
    assert snapshot.cursor == 1
    assert snapshot.worksheet.role == "own"
    assert snapshot.session is None


async def test_creating_a_worksheet_again_is_no_second_one(database: Database) -> None:
    await database.write(make)
    again = await database.write(worksheets.create, SHEET, SECOND, title="Other", owner=ANA, now=LATER)
    assert (again.title, await database.read(numbers)) == ("Sheet", [1])


async def test_the_id_of_a_foreign_worksheet_is_taken(database: Database) -> None:
    await database.write(make)
    with pytest.raises(Conflict):
        await database.write(worksheets.create, SHEET, SECOND, title="Mine", owner=BEN, now=NOW)


async def test_entries_of_writers_at_once_are_numbered_without_gaps(database: Database) -> None:
    await database.write(make)
    await asyncio.gather(*(database.write(add_cell, CellId(f"cell-{number}"), FIRST) for number in range(20)))
    assert await database.read(numbers) == list(range(1, 22))
    assert len(set(await database.read(order))) == 21


async def test_of_two_edits_at_once_one_is_refused(database: Database) -> None:
    await database.write(make)
    edits = [
        database.write(cells.edit, SHEET, FIRST, version=0, change=source, author=ANA, now=NOW)
        for source in ("x = 1", "x = 2")
    ]
    outcomes = await asyncio.gather(*edits, return_exceptions=True)
    (conflict,) = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert conflict.data["version"] == 1
    assert conflict.data["source"] in ("x = 1", "x = 2")
    assert await database.read(numbers) == [1, 2]


async def test_an_edit_done_again_changes_nothing(database: Database) -> None:
    await database.write(make)

    def edit(connection: Connection) -> tuple[Cell, tuple[AnyEntry, ...]]:
        return cells.edit(connection, SHEET, FIRST, version=0, change="x", author=ANA, now=NOW)

    cell, entries = await database.write(edit)
    assert entries == (
        CellEdited(number=2, author=ANA, date=NOW, cell=FIRST, version=1, changes=((0, "x"),)),
    )
    assert await database.write(edit) == (cell, ())


async def test_an_edit_with_an_id_is_applied_once(database: Database) -> None:
    await database.write(make)

    def edit(connection: Connection, id: str, change: Changes) -> tuple[Cell, tuple[AnyEntry, ...]]:
        return cells.edit(connection, SHEET, FIRST, version=0, change=change, edit=id, author=ANA, now=NOW)

    await database.write(edit, "one", ((0, "x"),))
    await database.write(cells.edit, SHEET, FIRST, version=1, change="xy", author=BEN, now=NOW)
    again, entries = await database.write(edit, "one", ((0, "x"),))
    assert (again.version, entries) == (1, ())
    with pytest.raises(Conflict) as refused:
        await database.write(edit, "two", ((0, "x"),))
    assert (refused.value.data["version"], refused.value.data["source"]) == (2, "xy")
    since = refused.value.data["since"]
    assert [(entry.version, entry.changes, entry.edit) for entry in since] == [
        (1, ((0, "x"),), "one"),
        (2, (1, (0, "y")), ""),
    ]


async def test_changes_that_do_not_fit_are_refused(database: Database) -> None:
    await database.write(make)
    with pytest.raises(InvalidParams, match="for a text of 3 units; this one has 0"):
        await database.write(cells.edit, SHEET, FIRST, version=0, change=(3,), author=ANA, now=NOW)
    with pytest.raises(LimitExceeded, match="The source"):
        await database.write(
            cells.edit, SHEET, FIRST, version=0, change=((0, "x" * 1_000_001),), author=ANA, now=NOW
        )
    assert await database.read(numbers) == [1]


async def test_text_comes_back_as_it_was(database: Database) -> None:
    source = "'\\x00' + \"é漢😀\u2028\"  # ' OR 1=1 --\r\n\t"
    await database.write(make)
    await database.write(cells.edit, SHEET, FIRST, version=0, change=source, author=ANA, now=NOW)
    cell = await database.read(cells.find, SHEET, FIRST)
    assert cell is not None
    assert cell.source == source
    (entry,) = (await database.read(log.since, SHEET, 1, 10)).entries
    assert isinstance(entry, CellEdited)
    assert apply(entry.changes, "") == source


async def test_cells_stand_where_they_were_put(database: Database) -> None:
    def work(connection: Connection) -> list[list[str]]:
        make(connection)
        orders = []
        add_cell(connection, SECOND, FIRST)
        add_cell(connection, THIRD, None)
        orders.append(order(connection))
        cells.move(connection, SHEET, THIRD, after=FIRST, author=ANA, now=NOW)
        orders.append(order(connection))
        cells.move(connection, SHEET, SECOND, after=None, author=ANA, now=NOW)
        orders.append(order(connection))
        cells.delete(connection, SHEET, FIRST, author=ANA, now=NOW)
        orders.append(order(connection))
        return orders

    assert await database.write(work) == [
        [THIRD, FIRST, SECOND],
        [FIRST, THIRD, SECOND],
        [SECOND, FIRST, THIRD],
        [SECOND, THIRD],
    ]


async def test_what_changes_nothing_has_no_entry(database: Database) -> None:
    def work(connection: Connection) -> list[tuple[AnyEntry, ...]]:
        make(connection)
        add_cell(connection, SECOND, FIRST)
        return [
            add_cell(connection, SECOND, FIRST),
            cells.move(connection, SHEET, SECOND, after=FIRST, author=ANA, now=NOW),
            cells.move(connection, SHEET, FIRST, after=None, author=ANA, now=NOW),
            cells.convert(connection, SHEET, FIRST, "code", author=ANA, now=NOW),
            cells.delete(connection, SHEET, THIRD, author=ANA, now=NOW),
            worksheets.rename(connection, SHEET, "Sheet", author=ANA, now=NOW),
            members.set_role(connection, SHEET, ANA, "own", author=ANA, now=NOW)[1],
            members.remove(connection, SHEET, BEN, author=ANA, now=NOW),
        ]

    assert await database.write(work) == [()] * 8


@pytest.mark.parametrize("after", [THIRD, SECOND])
async def test_a_cell_cannot_stand_after_one_that_is_not_there(database: Database, after: CellId) -> None:
    await database.write(make)
    with pytest.raises(NotFound):
        await database.write(add_cell, SECOND, after)
    assert await database.read(numbers) == [1]


def fold(entries: tuple[AnyEntry, ...]) -> list[Cell]:
    """The cells that a reader of the log comes to."""
    shown: list[Cell] = []

    def place(cell: Cell, after: CellId | None) -> None:
        ids = [each.id for each in shown]
        shown.insert(0 if after is None else ids.index(after) + 1, cell)

    def take(id: CellId) -> Cell:
        return shown.pop([each.id for each in shown].index(id))

    def replace(id: CellId, **changes: Any) -> None:
        at = [each.id for each in shown].index(id)
        values = {name: getattr(shown[at], name) for name in ("id", "type", "source", "version")}
        shown[at] = Cell(**{**values, **changes})

    for entry in entries:
        match entry:
            case CellCreated():
                place(entry.cell, entry.after)
            case CellMoved():
                place(take(entry.cell), entry.after)
            case CellDeleted():
                take(entry.cell)
            case CellEdited():
                (before,) = [cell.source for cell in shown if cell.id == entry.cell]
                replace(entry.cell, source=apply(entry.changes, before), version=entry.version)
            case CellConverted():
                replace(entry.cell, type=entry.type)
    return shown


async def test_the_tables_are_the_fold_of_the_log(database: Database) -> None:
    def work(connection: Connection) -> tuple[list[Cell], list[Cell]]:
        make(connection)
        ids = [FIRST]
        for number in range(60):
            id = ids[number * 7 % len(ids)]
            other = ids[number * 11 % len(ids)]
            match number % 6:
                case 0 | 3:
                    new = CellId(f"cell-{number}")
                    add_cell(connection, new, None if number % 4 == 0 else id)
                    ids.append(new)
                case 1:
                    version = next(
                        cell.version for cell in cells.list_all(connection, SHEET) if cell.id == id
                    )
                    cells.edit(
                        connection, SHEET, id, version=version, change=str(number), author=ANA, now=NOW
                    )
                case 2 if id != other:
                    cells.move(connection, SHEET, id, after=other, author=ANA, now=NOW)
                case 4:
                    cells.convert(connection, SHEET, id, "markdown", author=ANA, now=NOW)
                case 5 if number % 4 == 1 and len(ids) > 1:
                    cells.delete(connection, SHEET, ids.pop(), author=ANA, now=NOW)
        entries = log.since(connection, SHEET, 0, 1000).entries
        return list(cells.list_all(connection, SHEET)), fold(entries)

    stored, folded = await database.write(work)
    assert len(stored) > 10
    assert stored == folded


async def test_since_gives_what_comes_after_the_cursor(database: Database) -> None:
    await database.write(make)
    for name in ("a", "b", "c"):
        await database.write(add_cell, CellId(name), FIRST)
    page = await database.read(log.since, SHEET, 1, 2)
    assert [entry.number for entry in page.entries] == [2, 3]
    assert page.latest == 4
    assert (await database.read(log.since, SHEET, 4, 10)).entries == ()


async def test_a_worksheet_has_a_bounded_number_of_cells(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "worksheet_cells", 2)
    await database.write(make)
    await database.write(add_cell, SECOND, FIRST)
    with pytest.raises(LimitExceeded) as caught:
        await database.write(add_cell, THIRD, FIRST)
    assert caught.value.data == {"limit": "worksheet_cells", "value": 2}


async def test_members_see_the_worksheet_until_they_are_removed(database: Database) -> None:
    await database.write(make)
    assert await database.read(worksheets.list_all, BEN) == ()
    await database.write(members.set_role, SHEET, BEN, "run", author=ANA, now=NOW)
    (seen,) = await database.read(worksheets.list_all, BEN)
    assert (seen.role, seen.owner) == ("run", "ana")
    await database.write(members.remove, SHEET, BEN, author=ANA, now=NOW)
    with pytest.raises(NotFound):
        await database.read(snapshots.take, SHEET, BEN)


async def test_the_owner_stays_the_owner(database: Database) -> None:
    await database.write(make)
    with pytest.raises(Conflict):
        await database.write(members.set_role, SHEET, ANA, "observe", author=BEN, now=NOW)
    with pytest.raises(Conflict):
        await database.write(members.remove, SHEET, ANA, author=BEN, now=NOW)


async def test_the_list_has_the_newest_change_first(database: Database) -> None:
    await database.write(make)
    other = WorksheetId("worksheet-other")
    await database.write(worksheets.create, other, FIRST, title="Other", owner=ANA, now=LATER)
    assert [sheet.id for sheet in await database.read(worksheets.list_all, ANA)] == [other, SHEET]
    latest = "2026-01-31T14:00:00.000Z"
    await database.write(worksheets.rename, SHEET, "New", author=ANA, now=latest)
    assert [sheet.id for sheet in await database.read(worksheets.list_all, ANA)] == [SHEET, other]


async def test_of_two_sessions_at_once_the_worksheet_gets_one(database: Database) -> None:
    await database.write(make)
    opened = await asyncio.gather(*(database.write(open_session, f"s{number}") for number in range(5)))
    assert len(set(opened)) == 1
    assert await database.read(numbers) == [1, 2]


async def test_a_lost_session_is_replaced_once(database: Database) -> None:
    await database.write(make)
    await database.write(open_session, "s1")
    opened = await asyncio.gather(
        *(database.write(open_session, uid, instead_of="s1") for uid in ("s2", "s3"))
    )
    assert len(set(opened)) == 1
    assert "s1" not in opened


async def test_a_run_ends_exactly_once(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(runs.create, run_of(FIRST, "r1"))
    states: list[RunState] = ["ok", "lost", "died"]
    ends = await asyncio.gather(
        *(database.write(runs.end, "s1", "msg-r1", state=state, now=LATER) for state in states)
    )
    (ended,) = [end for end in ends if end is not None]
    run = await database.read(runs.find, RunId("r1"))
    assert run is not None
    assert (run.state, run.ended) == (ended[1].state, LATER)
    assert await database.read(numbers) == [1, 2, 3, 4]


async def test_a_run_that_started_is_open_until_it_ends(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(runs.create, run_of(FIRST, "r1"))
    await database.write(runs.start, "s1", "msg-r1", LATER)
    (run,) = await database.read(runs.open_runs, "s1")
    assert (run.state, run.started) == ("running", LATER)
    await database.write(runs.end, "s1", "msg-r1", state="error", execution_count=3, now=LATER)
    assert await database.read(runs.open_runs, "s1") == ()
    await database.write(runs.start, "s1", "msg-r1", LATER)
    ended = await database.read(runs.find, RunId("r1"))
    assert ended is not None
    assert (ended.state, ended.execution_count) == ("error", 3)


async def test_a_run_created_again_is_found(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    run, entries = await database.write(runs.create, run_of(FIRST, "r1"))
    assert len(entries) == 1
    assert await database.write(runs.create, run_of(FIRST, "r1")) == (run, ())
    with pytest.raises(Conflict):
        await database.write(runs.create, run_of(SECOND, "r1"))


async def test_a_reason_may_have_any_character(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(runs.create, run_of(FIRST, "r1"))
    ended = await database.write(runs.end, "s1", "msg-r1", state="died", reason="a\0b", now=NOW)
    assert ended is not None
    assert ended[1].reason == "a\ufffdb"


async def test_publications_stored_twice_are_kept_once(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    first = [stream(1, "a"), stream(2, "b")]
    assert await database.write(publications.store, "s1", first) == 2
    again = [stream(2, "CHANGED"), stream(3, "c"), stream(4, "d")]
    assert await database.write(publications.store, "s1", again) == 2
    assert await database.write(publications.store, "s1", [stream(4, "CHANGED")]) == 0
    stored = await database.read(publications.since, "s1", 0, 100)
    assert [item.content["text"] for item in stored.publications] == ["a", "b", "c", "d"]
    assert stored.latest == await database.read(publications.last_number, "s1") == 4


async def test_publications_are_read_from_the_cursor(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(publications.store, "s1", [stream(number, "x") for number in range(1, 11)])
    page = await database.read(publications.since, "s1", 4, 3)
    assert ([item.number for item in page.publications], page.latest) == ([5, 6, 7], 10)


async def test_a_publication_comes_back_as_it_was(database: Database) -> None:
    said = publication(
        2**40, "display_data", {"data": {"text/plain": "a\0b"}, "metadata": {"é": [1, 2.5, None]}}
    )
    image, buffer = blob(b"png", "image/png"), blob(b"\0\xff")
    item = msgspec.structs.replace(said, blobs={"image/png": image[0]}, buffers=(buffer[0], buffer[0]))
    await database.write(make)
    await database.write(open_session)
    await database.write(publications.store, "s1", [item])
    assert (await database.read(publications.since, "s1", 0, 1)).publications == (item,)


async def test_whatever_a_session_says_can_be_stored(database: Database) -> None:
    strange = "a\0b\u2028\U0001f600"
    item = Publication(
        number=1,
        msg_id=strange,
        msg_type=strange,
        parent=strange,
        username=strange,
        date=strange,
        metadata={strange: strange},
        content={strange: [strange, 2**63, 1e308, float("nan")]},
    )
    await database.write(make)
    await database.write(open_session)
    assert await database.write(publications.store, "s1", [item]) == 1
    (stored,) = (await database.read(publications.since, "s1", 0, 1)).publications
    assert stored.parent == "a\ufffdb\u2028\U0001f600"
    assert stored.content[strange][:2] == [strange, 2**63]


@pytest.mark.slow
async def test_transactions_that_stand_in_each_others_way_both_succeed(database: Database) -> None:
    """On PostgreSQL they deadlock, and the one that is ended is tried again."""
    await database.write(make)
    await database.write(worksheets.create, WorksheetId("other"), FIRST, title="", owner=ANA, now=NOW)
    both_began = threading.Barrier(2)
    began = threading.local()

    def lock(connection: Connection, first: WorksheetId, second: WorksheetId) -> None:
        worksheets.rename(connection, first, first[::-1], author=ANA, now=NOW)
        if not database.is_sqlite and not hasattr(began, "once"):
            began.once = True
            both_began.wait(DEADLINE)
        worksheets.rename(connection, second, second[::-1], author=ANA, now=NOW)

    other = WorksheetId("other")
    await asyncio.gather(database.write(lock, SHEET, other), database.write(lock, other, SHEET))
    assert await database.read(numbers) == [1, 2]


def test_streams_that_follow_one_another_are_merged() -> None:
    items = [
        stream(1, "a"),
        stream(2, "b"),
        stream(3, "!", name="stderr"),
        stream(4, "c"),
        stream(5, "d", parent="msg-r2"),
        publication(6, "execute_result", {"data": {}}, parent="msg-r2"),
        stream(7, "e", parent="msg-r2"),
        stream(8, "f", parent="msg-r2"),
    ]
    assert [(item.number, item.content.get("text")) for item in publications.merge_streams(items)] == [
        (2, "ab"),
        (3, "!"),
        (4, "c"),
        (5, "d"),
        (6, None),
        (8, "ef"),
    ]


async def test_a_snapshot_has_the_newest_run_of_each_cell_with_its_outputs(database: Database) -> None:
    def work(connection: Connection) -> None:
        make(connection)
        open_session(connection)
        add_cell(connection, SECOND, FIRST)
        add_cell(connection, THIRD, SECOND)
        for cell, id in ((FIRST, "r1"), (FIRST, "r2"), (SECOND, "r3"), (THIRD, "r4"), (None, "r5")):
            runs.create(connection, run_of(cell, id))
        cells.delete(connection, SHEET, THIRD, author=ANA, now=NOW)
        publications.store(
            connection,
            "s1",
            [
                stream(1, "old"),
                stream(2, "new ", parent="msg-r2"),
                stream(3, "text", parent="msg-r2"),
                stream(4, "beside", parent="msg-r5"),
            ],
        )

    await database.write(work)
    snapshot = await database.read(snapshots.take, SHEET, ANA)
    assert [run.id for run in snapshot.runs] == ["r2", "r3"]
    assert [item.content["text"] for item in snapshot.outputs[RunId("r2")]] == ["new text"]
    assert snapshot.outputs[RunId("r3")] == ()
    assert snapshot.session is not None
    assert (snapshot.session.uid, snapshot.session.cursor) == ("s1", 4)
    assert snapshot.cursor == await database.read(log.latest, SHEET)


async def test_a_snapshot_carries_the_head_and_the_tail_of_a_flood(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(connection: Connection) -> None:
        make(connection)
        open_session(connection)
        add_cell(connection, SECOND, FIRST)
        runs.create(connection, run_of(FIRST, "r1"))
        runs.create(connection, run_of(SECOND, "r2"))
        flood = [stream(number, "x" * 1000) for number in range(1, 101)]
        publications.store(connection, "s1", [*flood, stream(101, "y" * 5000, parent="msg-r2")])

    await database.write(work)
    monkeypatch.setattr(snapshots, "TAIL_BYTES", 200_000)
    whole = await database.read(snapshots.take, SHEET, ANA)
    assert (len(whole.outputs[RunId("r1")][0].content["text"]), whole.omitted) == (100_000, {})
    monkeypatch.setattr(snapshots, "TAIL_BYTES", 10_000)
    monkeypatch.setattr(snapshots, "HEAD_BYTES", 3_000)
    for short in (500, 20):
        monkeypatch.setattr(publications, "SHORT_ITEMS", short)
        cut = await database.read(snapshots.take, SHEET, ANA)
        head, notice, tail = cut.outputs[RunId("r1")]
        assert (head.number, len(head.content["text"]), cut.omitted) == (2, 2_000, {"r1": 89})
        assert (notice.number, notice.content["name"]) == (91, "stderr")
        assert notice.content["text"].startswith("[89 messages are left out here")
        assert (tail.number, len(tail.content["text"])) == (100, 9_000)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES", 1)
    least = await database.read(snapshots.take, SHEET, ANA)
    assert [len(items) for items in least.outputs.values()] == [1, 1]


async def test_a_snapshot_is_of_one_moment(database: Database) -> None:
    """A write between two of its queries is not seen by either."""
    await database.write(make)
    reading, written = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def read_twice(connection: Connection) -> tuple[int, list[str]]:
        before = log.latest(connection, SHEET)
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(written.wait(), loop).result(DEADLINE)
        return before, order(connection)

    reader = asyncio.ensure_future(database.read(read_twice))
    await reading.wait()
    await database.write(add_cell, SECOND, FIRST)
    written.set()
    assert await reader == (1, [FIRST])


async def test_deleting_a_worksheet_takes_everything_with_it(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(runs.create, run_of(FIRST, "r1"))
    await database.write(publications.store, "s1", [stream(1, "x")])
    assert await database.write(worksheets.delete, SHEET) == ("s1",)
    assert await database.read(sessions.find, "s1") is None
    assert await database.read(publications.last_number, "s1") == 0
    assert await database.write(runs.end, "s1", "msg-r1", state="lost", now=NOW) is None
    with pytest.raises(NotFound):
        await database.write(add_cell, SECOND, FIRST)


async def test_a_session_is_listed_for_who_may_observe_it(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(sessions.create, "own", title="", owner=BEN, worksheet=None, now=LATER)
    assert [item.uid for item in await database.read(sessions.list_all, ANA)] == ["s1"]
    assert [item.uid for item in await database.read(sessions.list_all, BEN)] == ["own"]
    await database.write(members.set_role, SHEET, BEN, "observe", author=ANA, now=NOW)
    assert [item.uid for item in await database.read(sessions.list_all, BEN)] == ["own", "s1"]
    assert await database.read(sessions.role, "s1", BEN) == "observe"
    assert await database.read(sessions.role, "own", ANA) is None


async def test_a_session_that_is_over_stays_so(database: Database) -> None:
    await database.write(make)
    await database.write(open_session)
    await database.write(sessions.set_state, "s1", "lost", "the kernel was restarted")
    await database.write(sessions.set_state, "s1", "idle")
    session = await database.read(sessions.find, "s1")
    assert session is not None
    assert (session.state, session.reason) == ("lost", "the kernel was restarted")
    assert await database.read(sessions.live) == ()


async def test_an_acknowledged_write_is_there_when_opened_again(database_url: str) -> None:
    async with await open_database(database_url) as database:
        await database.write(make)
    async with await open_database(database_url) as database:
        assert await database.read(numbers) == [1]


async def test_without_threads_the_calls_are_the_same(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "inline.sqlite", threads=False) as database:
        await database.write(make)
        assert await database.read(numbers) == [1]


async def test_an_sqlite_writes_in_one_thread_and_reads_beside_it(tmp_path: Path) -> None:
    """A long write does not keep readers waiting."""
    async with await open_database(tmp_path / "a.sqlite") as database:
        await database.write(make)
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(connection: Connection) -> None:
            add_cell(connection, SECOND, FIRST)
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(DEADLINE)

        writer = asyncio.ensure_future(database.write(slow))
        await begun.wait()
        assert await database.read(numbers) == [1]
        go_on.set()
        await writer
        assert await database.read(numbers) == [1, 2]
