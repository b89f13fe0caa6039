"""Comments: what the log comes to, who may say and unsay what, and where ranges go."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from antiphon_webserver.changes import moved, part, units
from antiphon_webserver.compactor import Compactor
from antiphon_webserver.limits import LIMITS
from antiphon_webserver.model import (
    AnyEntry,
    CellCreated,
    CellEdited,
    CellId,
    Comment,
    CommentCreated,
    CommentDeleted,
    CommentEdited,
    CommentId,
    CommentRestored,
    Range,
    Thread,
    ThreadResolved,
)
from antiphon_webserver.storage import cells, comments, compaction, history, log
from antiphon_webserver.storage.database import Database
from tests.webserver.conftest import Person, Server
from tests.webserver.test_storage import ANA, BEN, FIRST, SHEET, make


def folded(entries: Iterable[AnyEntry]) -> tuple[Thread, ...]:
    """The threads by the words of the specification, from the beginning of a log."""
    threads: dict[CommentId, Thread] = {}

    def change(entry: Any, comment: Callable[[Comment], Comment]) -> None:
        thread = threads[entry.thread]
        said = tuple(comment(each) if each.id == entry.comment else each for each in thread.comments)
        threads[entry.thread] = replace(thread, comments=said)

    def place(cell: CellId, where: Callable[[Thread, Range], Range | None]) -> None:
        for id, thread in threads.items():
            if thread.cell == cell and thread.range is not None:
                threads[id] = replace(thread, range=where(thread, thread.range))

    for entry in entries:
        match entry:
            case CommentCreated():
                said = Comment(
                    id=entry.comment,
                    number=entry.number,
                    author=entry.author,
                    created=entry.date,
                    text=entry.text,
                )
                thread = threads.get(entry.thread) or Thread(
                    id=entry.thread, cell=entry.cell, range=entry.range, quote=entry.quote, comments=()
                )
                threads[entry.thread] = replace(thread, comments=(*thread.comments, said))
            case CommentEdited(text=text, date=date):
                change(entry, lambda was, text=text, date=date: replace(was, text=text, edited=date))
            case CommentDeleted():
                change(entry, lambda was: replace(was, text="", deleted=True))
            case CommentRestored(text=text):
                change(entry, lambda was, text=text: replace(was, text=text, deleted=False))
            case ThreadResolved():
                threads[entry.thread] = replace(threads[entry.thread], resolved=entry.resolved)
            case CellEdited(source=None, changes=changes):
                place(entry.cell, lambda _, range, changes=changes: moved(changes, *range))
            case CellCreated(cell=cell):
                place(
                    cell.id,
                    lambda was, range, cell=cell: range if part(cell.source, *range) == was.quote else None,
                )
    return tuple(threads.values())


def play(connection: Connection, source: random.Random, steps: int) -> None:
    """Two people write, say, unsay, delete and restore."""
    make(connection)
    for step in range(steps):
        author = source.choice((ANA, BEN))
        by: Any = {"author": author, "now": f"2026-01-31T12:{step // 60:02}:{step % 60:02}.000Z"}
        cell = cells.find(connection, SHEET, FIRST)
        threads = comments.list_all(connection, SHEET)
        said = [comment for thread in threads for comment in thread.comments]
        mine = [comment.id for comment in said if comment.author == author]
        kind = source.choice(
            ["write", "write", "write", "cut", "begin", "begin", "reply", "edit", "drop", "resolve", "cell"]
        )
        if cell is None:
            history.restore_cell(connection, SHEET, FIRST, None, **by)
        elif kind in ("write", "cut"):
            places = sorted(source.randrange(len(cell.source) + 1) for _ in range(2))
            text = source.choice(["x", "é😀", "\n"]) if kind == "write" else ""
            changed = cell.source[: places[0]] + text + cell.source[places[kind == "cut"] :]
            cells.edit(connection, SHEET, FIRST, version=cell.version, change=changed, **by)
        elif kind == "begin":
            start, end = sorted(source.randrange(len(cell.source) + 1) for _ in range(2))
            range_ = (units(cell.source[:start]), units(cell.source[:end])) if start < end else None
            comments.create(
                connection, SHEET, CommentId(f"thread-{step}"), cell, text=f"{step}", range=range_, **by
            )
        elif kind == "cell":
            cells.delete(connection, SHEET, FIRST, **by)
        elif kind == "reply" and threads:
            id = source.choice(threads).id
            comments.reply(connection, SHEET, CommentId(f"reply-{step}"), id, text=f"{step}", **by)
        elif kind == "resolve" and threads:
            thread = source.choice(threads)
            comments.resolve(connection, SHEET, thread.id, not thread.resolved, **by)
        elif kind == "edit" and mine:
            id = source.choice(mine)
            if not next(comment for comment in said if comment.id == id).deleted:
                comments.edit(connection, SHEET, id, f"{step}", **by)
        elif kind == "drop" and mine:
            change = source.choice((comments.delete, comments.restore))
            change(connection, SHEET, source.choice(mine), scope="own", **by)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_the_threads_are_what_the_log_comes_to_before_and_after_compaction(
    seed: int, database: Database
) -> None:
    await database.write(play, random.Random(seed), 150)
    rows = await database.read(comments.list_all, SHEET)
    kept = (await database.read(log.since, SHEET, 0, 1000)).entries
    assert folded(kept) == rows
    assert any(thread.range for thread in rows)
    await database.write(compaction.compact, SHEET, "2027")
    assert folded((await database.read(log.since, SHEET, 0, 1000)).entries) == rows


# --- By the methods


async def start(server: Server, role: str = "answer") -> tuple[Person, Person, dict[str, str]]:
    """Ana, Ben with a role in her worksheet, and its one cell."""
    ana, ben = await server.sign_in("ana"), await server.sign_in("ben")
    sheet = (await ana.call("worksheet.create"))["id"]
    await ana.call("member.set", worksheet=sheet, account="ben", role=role)
    cell = (await ana.call("worksheet.open", worksheet=sheet))["cells"][0]["id"]
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source="a = 1\nb = 2\n")
    return ana, ben, {"worksheet": sheet, "cell": cell}


async def only_thread(person: Person, sheet: str) -> dict[str, Any]:
    (thread,) = await person.call("comment.list", worksheet=sheet)
    found: dict[str, Any] = thread
    return found


async def test_a_thread_is_said_answered_settled_and_read(server: Server) -> None:
    ana, ben, at = await start(server)
    sheet = at["worksheet"]
    made = await ben.call("comment.create", **at, text="Why *2*?", range=[6, 11], version=1)
    assert (made["range"], made["quote"], made["resolved"]) == ([6, 11], "b = 2", False)
    await ana.call("comment.reply", worksheet=sheet, thread=made["id"], text="Because.")
    await ana.call("comment.resolve", worksheet=sheet, thread=made["id"])
    opened = await ben.call("worksheet.open", worksheet=sheet)
    (thread,) = opened["threads"]
    assert [(c["author"], c["text"]) for c in thread["comments"]] == [
        ("ben", "Why *2*?"),
        ("ana", "Because."),
    ]
    assert thread["resolved"]
    assert opened["read"] == {}
    seen = thread["comments"][-1]["number"]
    await ben.call("comment.read", worksheet=sheet, thread=thread["id"], number=seen)
    await ben.call("comment.read", worksheet=sheet, thread=thread["id"], number=1)
    assert (await ben.call("worksheet.open", worksheet=sheet))["read"] == {thread["id"]: seen}
    assert (await ana.call("worksheet.open", worksheet=sheet))["read"] == {}


async def test_a_range_of_an_older_version_goes_with_what_was_edited_since(quick_server: Server) -> None:
    ana, ben, at = await start(quick_server)
    await ana.call("cell.edit", **at, version=1, changes=[[0, "# x", ""], 12])
    made = await ben.call("comment.create", **at, text="?", range=[6, 11], version=1)
    assert (made["range"], made["quote"]) == ([10, 15], "b = 2")
    await ana.call("cell.edit", **at, version=2, source="a = 1\nb = 3\n")
    assert (await only_thread(ben, at["worksheet"]))["range"] == [6, 11]
    await ana.call("cell.edit", **at, version=3, source="")
    thread = await only_thread(ben, at["worksheet"])
    assert (thread["range"], thread["quote"]) == (None, "b = 2")
    error = await ben.refused("comment.create", **at, text="?", range=[0, 1], version=9)
    assert (error["data"]["name"], error["data"]["version"]) == ("Conflict", 4)


async def test_threads_come_back_with_their_cell(server: Server) -> None:
    ana, ben, at = await start(server)
    await ben.call("comment.create", **at, text="?", range=[6, 11], version=1)
    await ana.call("cell.delete", **at)
    await ana.call("cell.restore", **at)
    assert (await only_thread(ben, at["worksheet"]))["range"] == [6, 11]
    await ana.call("cell.edit", **at, version=2, changes=[[0, "0"], 12])
    assert (await only_thread(ben, at["worksheet"]))["range"] == [7, 12]


async def test_one_changes_ones_own_comments_and_the_owner_deletes_any(quick_server: Server) -> None:
    ana, ben, at = await start(quick_server)
    sheet = at["worksheet"]
    his = (await ben.call("comment.create", **at, text="Mine."))["id"]
    hers = (await ana.call("comment.reply", worksheet=sheet, thread=his, text="Hers."))["comments"][1]["id"]
    for method, more in (("edit", {"text": "x"}), ("delete", {}), ("restore", {})):
        error = await ben.refused(f"comment.{method}", worksheet=sheet, comment=hers, **more)
        assert error["data"]["name"] == "RoleTooLow"
    assert (await ana.refused("comment.edit", worksheet=sheet, comment=his, text="x"))["code"] == -32003
    await ana.call("comment.delete", worksheet=sheet, comment=his)
    first, second = (await only_thread(ben, sheet))["comments"]
    assert (first["text"], first["deleted"], second["text"]) == ("", True, "Hers.")
    await ben.call("comment.restore", worksheet=sheet, comment=his)
    await ben.call("comment.edit", worksheet=sheet, comment=his, text="Mine, still.")
    first, _ = (await only_thread(ana, sheet))["comments"]
    assert (first["text"], first["edited"] is not None) == ("Mine, still.", True)


async def test_who_observes_reads_and_says_nothing(quick_server: Server) -> None:
    ana, ben, at = await start(quick_server, role="observe")
    thread = (await ana.call("comment.create", **at, text="Look."))["id"]
    assert (await ben.refused("comment.create", **at, text="x"))["data"]["needs"] == "answer"
    await ben.call("comment.read", worksheet=at["worksheet"], thread=thread, number=3)


async def test_a_comment_sent_twice_is_said_once(quick_server: Server) -> None:
    _, ben, at = await start(quick_server)
    id = "an-id-made-by-a-client"
    for _ in range(2):
        await ben.call("comment.create", **at, text="Once.", comment=id)
        await ben.call("comment.reply", worksheet=at["worksheet"], thread=id, text="r", comment=f"{id}-2")
    assert [c["text"] for c in (await only_thread(ben, at["worksheet"]))["comments"]] == ["Once.", "r"]


async def test_what_is_said_has_limits(quick_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, at = await start(quick_server)
    long = await ben.refused("comment.create", **at, text="x" * 4_001)
    assert long["data"] == {"name": "LimitExceeded", "limit": "comment_chars", "value": 4_000}
    for wrong in (
        {"text": " "},
        {"text": "x", "range": [3, 3], "version": 1},
        {"text": "x", "range": [0, 1]},
    ):
        assert (await ben.refused("comment.create", **at, **wrong))["data"]["name"] == "InvalidParams"
    await ana.call("cell.edit", **at, version=1, source="x" * 2_001)
    wide = await ben.refused("comment.create", **at, text="x", range=[0, 2_001], version=2)
    assert wide["data"]["limit"] == "quote_chars"
    monkeypatch.setitem(LIMITS, "worksheet_comments", 1)
    made = await ben.call("comment.create", **at, text="The last.")
    many = await ben.refused("comment.reply", worksheet=at["worksheet"], thread=made["id"], text="x")
    assert many["data"]["limit"] == "worksheet_comments"


@pytest.mark.parametrize("format", ["ipynb", "py", "md", "html"])
async def test_files_and_copies_have_no_comments(format: str, quick_server: Server) -> None:
    ana, ben, at = await start(quick_server)
    await ben.call("comment.create", **at, text="Between us.")
    file = await ana.call("worksheet.export", worksheet=at["worksheet"], format=format)
    assert "Between us." not in file["text"]
    copy = await ben.call("worksheet.duplicate", worksheet=at["worksheet"])
    assert await ben.call("comment.list", worksheet=copy["id"]) == []


async def test_edits_before_a_comment_are_still_compacted(quick_server: Server) -> None:
    ana, ben, at = await start(quick_server)
    for version in (1, 2, 3):
        await ana.call("cell.edit", **at, version=version, source="x" * version)
    await ben.call("comment.create", **at, text="?", range=[0, 3], version=4)
    for version in (4, 5):
        await ana.call("cell.edit", **at, version=version, source="x" * version)
    quick_server.clock.seconds += 90_000
    await Compactor(quick_server.context.database, quick_server.clock).round(breath=0)
    answer = await ana.call("worksheet.since", worksheet=at["worksheet"], cursor=2)
    assert [entry["kind"] for entry in answer["entries"]] == [
        *["merged"] * 3,
        "cell_edited",
        "comment_created",
        "cell_edited",
        "cell_edited",
    ]
