"""A worksheet's past: the fold of the log against the tables, going back, the bin and earlier runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from antiphon_webserver.compactor import Compactor
from antiphon_webserver.errors import Conflict
from antiphon_webserver.history import Fold, apart, spans, to_move
from antiphon_webserver.model import (
    AccountName,
    AnyEntry,
    Cell,
    CellEdited,
    CellId,
    Merged,
    Moment,
    WorksheetId,
)
from antiphon_webserver.storage import (
    accounts,
    cells,
    compaction,
    history,
    log,
    publications,
    runs,
    snapshots,
    worksheets,
)
from antiphon_webserver.storage.database import Database
from tests.webserver.conftest import Person, Server
from tests.webserver.test_storage import ANA, BEN, FIRST, NOW, SHEET, make, open_session, run_of, stream

NAMES = [CellId(f"cell-{number:016}") for number in range(6)]


def play(
    connection: Connection, source: random.Random, steps: int, authors: Sequence[AccountName] = (ANA, BEN)
) -> dict[int, tuple[Cell, ...]]:
    """A random history; returns the table of cells at every number."""
    make(connection)
    open_session(connection)
    seen = {1: cells.list_all(connection, SHEET), 2: cells.list_all(connection, SHEET)}
    for step in range(steps):
        author = source.choice(authors)
        present = cells.list_all(connection, SHEET)
        by: dict[str, Any] = {"author": author, "now": f"2026-01-31T12:{step // 60:02}:{step % 60:02}.000Z"}
        some = source.choice(present) if present else None
        others = [None, *(cell.id for cell in present if cell != some)]
        kind = source.choice(
            ["create", "edit", "edit", "edit", "convert", "move", "delete", "run", "restore"]
        )
        if kind == "create":
            new = Cell(id=source.choice(NAMES), type="code", source=source.choice(["", "x = 1\n", "é😀\n"]))
            cells.create(connection, SHEET, new, after=source.choice(others), **by)
        elif kind == "restore":
            number = source.randrange(1, log.latest(connection, SHEET) + 1)
            history.restore(connection, SHEET, history.at(connection, SHEET, number), **by)
            after = cells.list_all(connection, SHEET)
            assert shown(after) == shown(seen[number])
        elif some is None:
            continue
        elif kind == "edit":
            text = some.source + source.choice(["a", "b\n", "é", "😀"]) if source.random() < 0.7 else "short"
            cells.edit(connection, SHEET, some.id, version=some.version, change=text, **by)
        elif kind == "convert":
            cells.convert(connection, SHEET, some.id, source.choice(["code", "markdown"]), **by)
        elif kind == "move":
            cells.move(connection, SHEET, some.id, after=source.choice(others), **by)
        elif kind == "delete":
            cells.delete(connection, SHEET, some.id, **by)
        else:
            runs.create(connection, run_of(some.id, f"run-{step}"))
        entries = log.since(connection, SHEET, max(seen), 1000).entries
        # A restoring is many entries in one transaction: only its end is a state of the tables.
        if entries:
            seen[entries[-1].number] = cells.list_all(connection, SHEET)
        if len(entries) > 1:
            fold = Fold(seen[max(number for number in seen if number < entries[0].number)])
            for entry in entries:
                fold.take(entry)
                seen[entry.number] = fold.cells
    return seen


def shown(found: tuple[Cell, ...]) -> list[tuple[str, str, str]]:
    return [(cell.id, cell.type, cell.source) for cell in found]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_the_fold_of_the_log_is_the_table_of_cells(seed: int, database: Database) -> None:
    seen = await database.write(play, random.Random(seed), 60)
    entries = (await database.read(log.since, SHEET, 0, 1000)).entries
    fold = Fold()
    for entry in entries:
        fold.take(entry)
        assert fold.cells == seen[entry.number]
    assert fold.cells == await database.read(cells.list_all, SHEET)
    for number in seen:
        assert (await database.read(history.at, SHEET, number)).cells == seen[number]


def type_in(connection: Connection, cell: CellId, text: str, author: Any, minute: int) -> None:
    """Key by key, two in a second."""
    for at, key in enumerate(text):
        now = f"2026-01-30T12:{minute:02}:{at // 2:02}.{at % 2 * 5}00Z"
        found = cells.find(connection, SHEET, cell)
        assert found is not None
        before = len(found.source.encode("utf-16-le")) // 2
        change: Any = (before, (0, key)) if before else ((0, key),)
        cells.edit(connection, SHEET, cell, version=found.version, change=change, author=author, now=now)


def typed(connection: Connection) -> None:
    """By Ana, by Ben, and by Ben after a run."""
    by: Any = {"owner": ANA, "now": "2026-01-30T12:00:00.000Z"}
    for name in (ANA, BEN):
        accounts.create(connection, name, display_name="", password=None, admin=False, now=NOW)
    worksheets.create(connection, SHEET, FIRST, title="Sheet", **by)
    worksheets.open_session(
        connection, SHEET, "s1", instead_of=None, title="Sheet", author=ANA, now="2026-01-30T12:00:00.000Z"
    )
    type_in(connection, FIRST, "one é😀", ANA, 1)
    type_in(connection, FIRST, " two", BEN, 1)
    run = msgspec.structs.replace(run_of(FIRST, "run-1"), created="2026-01-30T12:01:05.000Z")
    runs.create(connection, run)
    type_in(connection, FIRST, " three", BEN, 2)


async def test_old_edits_are_merged_where_nobody_stopped(database: Database) -> None:
    await database.write(typed)
    kept = (await database.read(log.since, SHEET, 0, 1000)).entries
    assert await database.write(compaction.compact, SHEET, "2026-02") is False
    entries = (await database.read(log.since, SHEET, 0, 1000)).entries
    assert [entry.number for entry in entries] == [entry.number for entry in kept]
    left = [entry for entry in entries if not isinstance(entry, Merged)]
    assert [(type(entry).__name__, entry.author) for entry in left] == [
        ("CellCreated", ANA),
        ("SessionOpened", ANA),
        ("CellEdited", ANA),
        ("CellEdited", BEN),
        ("RunCreated", ANA),
        ("CellEdited", BEN),
    ]
    assert [entry.changes for entry in left if isinstance(entry, CellEdited)] == [
        ((0, "one é😀"),),
        (7, (0, " two")),
        (11, (0, " three")),
    ]
    # A second round finds nothing to do.
    assert await database.read(compaction.due, WorksheetId(""), 10) == []
    assert await database.write(compaction.compact, SHEET, "2026-02") is False
    assert (await database.read(log.since, SHEET, 0, 1000)).entries == entries


async def test_young_edits_stay_as_they_are(database: Database) -> None:
    await database.write(typed)
    kept = (await database.read(log.since, SHEET, 0, 1000)).entries
    await database.write(compaction.compact, SHEET, "2026-01-30T12:01:00.000Z")
    assert (await database.read(log.since, SHEET, 0, 1000)).entries == kept
    assert await database.read(compaction.due, WorksheetId(""), 10) == [SHEET]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_a_reader_comes_to_the_same_cells_from_every_cursor_after_compaction(
    seed: int, database: Database
) -> None:
    seen = await database.write(play, random.Random(seed), 80, (ANA,))
    kept = (await database.read(log.since, SHEET, 0, 1000)).entries
    final = await database.read(cells.list_all, SHEET)
    await database.write(compaction.compact, SHEET, "2027")
    merged = (await database.read(log.since, SHEET, 0, 1000)).entries
    assert any(isinstance(entry, Merged) for entry in merged)
    assert [entry.number for entry in merged] == [entry.number for entry in kept]

    def read(connection: Connection, cursor: int, limit: int) -> tuple[Cell, ...]:
        fold = Fold(seen[cursor])
        while entries := log.since(connection, SHEET, cursor, limit).entries:
            assert [entry.number for entry in entries] == list(range(cursor + 1, cursor + 1 + len(entries)))
            for entry in entries:
                fold.take(entry)
            cursor = entries[-1].number
        return fold.cells

    for cursor in range(1, len(kept) + 1):
        assert await database.read(read, cursor, 1000) == final, cursor
        assert await database.read(read, cursor, 7) == final, cursor
        moment = await database.read(history.at, SHEET, cursor)
        assert [cell.id for cell in moment.cells] == [cell.id for cell in seen[cursor]]
        if not isinstance(merged[cursor - 1], Merged) and not unfinished(merged, cursor):
            assert moment.cells == seen[cursor]


def unfinished(entries: Sequence[AnyEntry], number: int) -> bool:
    """Whether an edit that comes after the number stands for one before it."""
    return any(isinstance(e, CellEdited) and 0 < e.first <= number < e.number for e in entries)


async def test_a_refused_edit_gets_no_half_of_what_was_merged(database: Database) -> None:
    await database.write(typed)
    await database.write(compaction.compact, SHEET, "2026-02")

    def stale(connection: Connection) -> Any:
        with pytest.raises(Conflict) as caught:
            cells.edit(connection, SHEET, FIRST, version=15, change="x", author=ANA, now=NOW)
        return caught.value.data

    data = await database.write(stale)
    assert (data["version"], data["source"], data["since"]) == (16, "one é😀 two three", None)


async def test_a_round_compacts_every_worksheet_that_has_old_edits(server: Server) -> None:
    ana, sheet, cell = await start(server)
    for version in range(3):
        await ana.call("cell.edit", worksheet=sheet, cell=cell, version=version, source=f"{version}")
    compactor = Compactor(server.context.database, server.clock)

    async def kinds() -> list[str]:
        answer = await ana.call("worksheet.since", worksheet=sheet, cursor=0)
        return [entry["kind"] for entry in answer["entries"]]

    await compactor.round(breath=0)
    assert await kinds() == ["cell_created", "cell_edited", "cell_edited", "cell_edited"]
    server.clock.seconds += 90_000
    await compactor.round(breath=0)
    assert await kinds() == ["cell_created", "merged", "merged", "cell_edited"]
    assert await texts(ana, sheet) == ["2"]


async def test_a_moment_says_who_made_it_and_when(database: Database) -> None:
    def work(connection: Connection) -> tuple[Moment, Moment]:
        make(connection)
        cells.edit(
            connection, SHEET, FIRST, version=0, change="a", author=BEN, now="2026-02-01T00:00:00.000Z"
        )
        return history.at(connection, SHEET, 1), history.at(connection, SHEET, 2)

    first, second = await database.write(work)
    assert (first.author, first.date, first.cells[0].source) == (ANA, NOW, "")
    assert (second.author, second.date, second.cells[0].source) == (BEN, "2026-02-01T00:00:00.000Z", "a")


@given(st.integers(0, 12).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.permutations(range(n)))))
def test_few_moves_are_enough(orders: tuple[list[int], list[int]]) -> None:
    now, then = ([CellId(str(number)) for number in order] for order in orders)
    moves = to_move(now, then)
    stays = [id for id in now if id not in moves]
    assert stays == [id for id in then if id not in moves]
    order = list(now)
    for at, id in enumerate(then):
        if id in moves:
            order.remove(id)
            order.insert(order.index(then[at - 1]) + 1 if at else 0, id)
    assert order == then


def test_moving_one_cell_is_one_move() -> None:
    a, b, c, d = (CellId(name) for name in "abcd")
    assert to_move([a, b, c, d], [b, c, d, a]) == {a}


@pytest.mark.parametrize(
    ("earlier", "later", "they_are"),
    [
        ("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:59.999Z", False),
        ("2026-01-31T12:00:00.000Z", "2026-01-31T12:01:00.000Z", True),
        ("2026-01-31T12:04:59.000Z", "2026-01-31T12:05:00.000Z", True),
        ("2026-01-31T12:09:59.000Z", "2026-01-31T12:10:00.000Z", True),
        ("2026-01-31T12:59:59.900Z", "2026-01-31T13:00:00.000Z", True),
    ],
)
def test_what_is_apart(earlier: str, later: str, they_are: bool) -> None:
    assert apart(earlier, later) is they_are


def edit(number: int, author: Any, date: str) -> CellEdited:
    return CellEdited(number=number, author=author, date=date, cell=FIRST, version=number, changes=())


def test_spans_end_with_a_pause_and_name_who_took_part() -> None:
    log = [
        edit(1, ANA, "2026-01-31T12:00:00.000Z"),
        edit(2, BEN, "2026-01-31T12:00:30.000Z"),
        edit(3, ANA, "2026-01-31T12:00:50.000Z"),
        edit(4, ANA, "2026-01-31T12:03:00.000Z"),
    ]
    first, second = spans(log)
    assert (first.first, first.last, first.authors) == (1, 3, (ANA, BEN))
    assert (first.began, first.ended) == (log[0].date, log[2].date)
    assert (first.kinds, first.cells) == ({"cell_edited": 3}, (FIRST,))
    assert (second.first, second.last, second.authors) == (4, 4, (ANA,))


# --- the methods


async def start(server: Server) -> tuple[Person, str, str]:
    ana = await server.sign_in("ana")
    sheet = await ana.call("worksheet.create", title="Sheet")
    snapshot = await ana.call("worksheet.open", worksheet=sheet["id"])
    return ana, sheet["id"], snapshot["cells"][0]["id"]


async def texts(person: Person, sheet: str) -> list[str]:
    return [cell["source"] for cell in (await person.call("worksheet.open", worksheet=sheet))["cells"]]


async def test_an_earlier_state_is_restored_and_the_restoring_undone(server: Server) -> None:
    ana, sheet, cell = await start(server)
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source="one")
    await ana.call("cell.create", worksheet=sheet, after=cell, source="two")
    await ana.call("cell.delete", worksheet=sheet, cell=cell)
    before = (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["latest"]
    await ana.call("worksheet.restore", worksheet=sheet, number=2)
    assert await texts(ana, sheet) == ["one"]
    new = (await ana.call("worksheet.since", worksheet=sheet, cursor=before))["entries"]
    assert [entry["kind"] for entry in new] == ["worksheet_restored", "cell_deleted", "cell_created"]
    assert new[0]["to"] == 2
    await ana.call("worksheet.restore", worksheet=sheet, number=2)
    assert (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["latest"] == new[-1]["number"]
    await ana.call("worksheet.restore", worksheet=sheet, number=before)
    assert await texts(ana, sheet) == ["two"]
    assert (await ana.refused("worksheet.restore", worksheet=sheet, number=99))["data"]["name"] == "NotFound"


async def test_a_deleted_cell_comes_back_where_it_stood_by_anyone_who_may_edit(server: Server) -> None:
    ana, sheet, first = await start(server)
    ben = await server.sign_in("ben")
    await ana.call("member.set", worksheet=sheet, account="ben", role="edit")
    second = (await ana.call("cell.create", worksheet=sheet, after=first, source="two"))["id"]
    await ana.call("cell.create", worksheet=sheet, after=second, source="three")
    await ana.call("cell.edit", worksheet=sheet, cell=second, version=0, source="2")
    await ana.call("cell.delete", worksheet=sheet, cell=second)
    found = await ben.call("worksheet.bin", worksheet=sheet)
    assert [(item["cell"]["source"], item["author"]) for item in found["deleted"]] == [("2", "ana")]
    assert found["more"] is False
    back = await ben.call("cell.restore", worksheet=sheet, cell=second)
    assert (back["id"], back["source"]) == (second, "2")
    assert await texts(ana, sheet) == ["", "2", "three"]
    assert (await ben.call("worksheet.bin", worksheet=sheet))["deleted"] == []
    assert await ben.call("cell.restore", worksheet=sheet, cell=second) == back


async def test_an_edit_of_the_cell_that_was_does_not_fit_the_one_that_came_back(server: Server) -> None:
    ana, sheet, cell = await start(server)
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source="a")
    await ana.call("cell.delete", worksheet=sheet, cell=cell)
    back = await ana.call("cell.restore", worksheet=sheet, cell=cell)
    refused = await ana.refused("cell.edit", worksheet=sheet, cell=cell, version=1, source="b")
    assert refused["data"]["since"] is None
    assert refused["data"]["source"] == "a"
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=back["version"], source="b")
    assert await texts(ana, sheet) == ["b"]


async def test_one_cell_is_made_what_it_was(server: Server) -> None:
    ana, sheet, cell = await start(server)
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source="one")
    await ana.call("cell.convert", worksheet=sheet, cell=cell, type="markdown")
    other = await ana.call("cell.create", worksheet=sheet, after=cell, source="kept")
    back = await ana.call("cell.restore", worksheet=sheet, cell=cell, number=1)
    assert (back["type"], back["source"]) == ("code", "")
    await ana.call("cell.delete", worksheet=sheet, cell=cell)
    await ana.call("cell.restore", worksheet=sheet, cell=cell, number=2)
    assert await texts(ana, sheet) == ["one", "kept"]
    missing = await ana.refused("cell.restore", worksheet=sheet, cell=other["id"], number=1)
    assert missing["data"]["name"] == "NotFound"
    never = await ana.refused("cell.restore", worksheet=sheet, cell="never-there-0000000000")
    assert never["data"]["name"] == "NotFound"


async def test_the_bin_comes_in_pages(server: Server) -> None:
    ana, sheet, _ = await start(server)
    for source in ("one", "two", "", "three"):
        made = await ana.call("cell.create", worksheet=sheet, source=source)
        await ana.call("cell.delete", worksheet=sheet, cell=made["id"])
    page = await ana.call("worksheet.bin", worksheet=sheet, limit=2)
    assert ([item["cell"]["source"] for item in page["deleted"]], page["more"]) == (["three", "two"], True)
    rest = await ana.call("worksheet.bin", worksheet=sheet, before=page["deleted"][-1]["number"], limit=2)
    assert ([item["cell"]["source"] for item in rest["deleted"]], rest["more"]) == (["one"], False)


async def test_history_comes_in_pages_of_spans(server: Server) -> None:
    ana, sheet, cell = await start(server)
    for version in range(6):
        server.clock.seconds += 90 if version % 2 else 1
        await ana.call("cell.edit", worksheet=sheet, cell=cell, version=version, source=f"{version}")
    whole = await ana.call("worksheet.history", worksheet=sheet)
    assert [(span["first"], span["last"]) for span in whole["spans"]] == [(7, 7), (5, 6), (3, 4), (1, 2)]
    assert whole["more"] is False
    page = await ana.call("worksheet.history", worksheet=sheet, limit=2)
    assert (page["spans"], page["more"]) == (whole["spans"][:2], True)
    rest = await ana.call("worksheet.history", worksheet=sheet, before=page["spans"][-1]["first"], limit=2)
    assert rest == {"spans": whole["spans"][2:], "more": False}


async def test_a_cells_runs_and_their_outputs(server: Server) -> None:
    ana, sheet, cell = await start(server)
    other = await ana.call("cell.create", worksheet=sheet, source="other")
    await ana.call("cell.run", worksheet=sheet, cell=other["id"])
    made = [
        await ana.call("cell.run", worksheet=sheet, cell=cell, source=f"print({version})", version=version)
        for version in range(3)
    ]
    page = await ana.call("cell.runs", worksheet=sheet, cell=cell, limit=2)
    assert ([run["code"] for run in page["runs"]], page["more"]) == (["print(2)", "print(1)"], True)
    rest = await ana.call("cell.runs", worksheet=sheet, cell=cell, before=page["runs"][-1]["id"])
    assert ([run["id"] for run in rest["runs"]], rest["more"]) == ([made[0]["id"]], False)
    session = made[0]["session"]

    def publish(connection: Connection) -> None:
        said = [stream(1, "zero", parent=made[0]["msg_id"]), stream(2, "one", parent=made[1]["msg_id"])]
        publications.store(connection, session, said)

    await server.context.database.write(publish)
    told = await ana.call("run.outputs", worksheet=sheet, run=made[0]["id"])
    assert [item["content"]["text"] for item in told["publications"]] == ["zero"]
    assert told["omitted"] == 0


async def test_a_run_of_another_worksheet_is_not_told(quick_server: Server) -> None:
    ana, sheet, cell = await start(quick_server)
    ben, theirs, _ = await start_as(quick_server, "ben")
    run = await ana.call("cell.run", worksheet=sheet, cell=cell)
    for method, params in (
        ("run.outputs", {"run": run["id"]}),
        ("cell.runs", {"cell": cell, "before": run["id"]}),
    ):
        assert (await ben.refused(method, worksheet=theirs, **params))["data"]["name"] == "NotFound"
    assert (await ben.call("cell.runs", worksheet=theirs, cell=cell))["runs"] == []


async def start_as(server: Server, name: str) -> tuple[Person, str, str]:
    person = await server.sign_in(name)
    sheet = await person.call("worksheet.create")
    return person, sheet["id"], ""


async def test_an_imported_worksheet_has_an_empty_bin(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet = await ana.call("worksheet.import", filename="a.py", text="# %%\n1\n# %%\n2\n")
    assert (await ana.call("worksheet.bin", worksheet=sheet["id"]))["deleted"] == []


@pytest.mark.parametrize("most_bytes", [1, 100, 350, 10_000])
async def test_what_a_run_published_is_told_in_parts_from_its_end(
    most_bytes: int, database: Database
) -> None:
    said = [
        stream(number, f"{number} ", name=("stdout", "stderr")[number % 2], parent="msg-run-1")
        for number in range(1, 30)
    ]

    def write(connection: Connection) -> None:
        make(connection)
        open_session(connection)
        runs.create(connection, run_of(FIRST, "run-1"))
        publications.store(connection, "s1", said)

    await database.write(write)
    texts: list[str] = []
    before, left = None, len(said)
    while left:
        part = await database.read(publications.of_run, "s1", "msg-run-1", most_bytes, before)
        texts = [item.content["text"] for item in part.publications] + texts
        assert len(texts) == len(said) - part.omitted
        before, left = part.first, part.omitted
    assert texts == [f"{number} " for number in range(1, 30)]
    nothing = await database.read(publications.of_run, "s1", "msg-run-1", most_bytes, 1)
    assert (nothing.publications, nothing.first, nothing.omitted) == ((), 0, 0)

    texts, after, left = [], 0, len(said)
    while left:
        part = await database.read(publications.of_run_after, "s1", "msg-run-1", most_bytes, after)
        texts += [item.content["text"] for item in part.publications]
        assert len(texts) == len(said) - part.omitted
        after, left = part.publications[-1].number, part.omitted
    assert texts == [f"{number} " for number in range(1, 30)]
    nothing = await database.read(publications.of_run_after, "s1", "msg-run-1", most_bytes, after)
    assert (nothing.publications, nothing.first, nothing.omitted) == ((), 0, 0)


async def test_an_export_says_what_it_leaves_out(
    quick_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, sheet, cell = await start(quick_server)
    run = await ana.call("cell.run", worksheet=sheet, cell=cell)
    said = [
        stream(number, f"line {number}\n", name=("stdout", "stderr")[number % 2], parent=run["msg_id"])
        for number in range(1, 30)
    ]
    await quick_server.context.database.write(publications.store, run["session"], said)
    whole = (await ana.call("worksheet.export", worksheet=sheet, format="md"))["text"]
    assert "line 1\n" in whole
    assert "left out" not in whole
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES", 500)
    cut = (await ana.call("worksheet.export", worksheet=sheet, format="md"))["text"]
    assert "messages before this are left out of this file; the worksheet has them.]" in cut
    assert "line 29\n" in cut
    assert "line 1\n" not in cut
