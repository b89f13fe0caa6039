"""From nothing, from every version, from a newer one; and what cannot be opened at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, create_engine, make_url, select, text

from antiphon_webserver import signin
from antiphon_webserver.changes import apply
from antiphon_webserver.errors import DatabaseTooNew, DatabaseUnavailable
from antiphon_webserver.model import AccountName, Cell, CellEdited, CellId, WorksheetId
from antiphon_webserver.secret import digest
from antiphon_webserver.storage import blobs, cells, history, log, migrations, room
from antiphon_webserver.storage.database import open_database
from antiphon_webserver.storage.tables import edits, metadata
from tests.webserver.conftest import Person, make_server
from tests.webserver.test_room import really_stored


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_the_migrations_come_to_the_tables(database_url: str) -> None:
    async with await open_database(database_url) as database:
        assert await database.read(migrations.current_version) == migrations.VERSIONS[-1]
        assert await database.read(differences) == []


def test_every_version_has_its_file() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    steps = {}
    for path in folder.glob("*.py"):
        content = path.read_text()
        revision = re.search(r'^revision = "(.*)"$', content, re.MULTILINE)
        before = re.search(r'^down_revision = (?:"(.*)"|None)$', content, re.MULTILINE)
        assert revision, path
        assert before, path
        assert path.name.startswith(revision[1] + "_")
        steps[revision[1]] = before[1]
    assert steps == dict(zip(migrations.VERSIONS, (None, *migrations.VERSIONS), strict=False))


def database_of(version: str, path: Path) -> Engine:
    """A database as an earlier version left it."""
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    return engine


async def test_edits_of_whole_texts_become_changes(tmp_path: Path) -> None:
    engine = database_of("0002", tmp_path / "a.sqlite")
    said = {"author": "ana", "date": "2026-11-21T06:00:00.000000+00:00"}
    cell = {"id": "c", "type": "code", "source": "a\n", "version": 0}
    entries: list[dict[str, object]] = [
        {"kind": "cell_created", "cell": cell, "after": None},
        {"kind": "cell_edited", "cell": "c", "version": 1, "source": "a\nb é😀\n"},
        {"kind": "worksheet_renamed", "title": "New"},
        {"kind": "cell_edited", "cell": "c", "version": 2, "source": "b é😀\n"},
    ]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts VALUES ('ana', 'Ana', 0, null, '')"))
        connection.execute(text("INSERT INTO worksheets VALUES ('w', 'New', 'ana', '', '', null, 4)"))
        for number, entry in enumerate(entries, 1):
            connection.execute(
                text("INSERT INTO entries VALUES ('w', :number, :entry)"),
                {"number": number, "entry": json.dumps({**entry, "number": number, **said})},
            )
    engine.dispose()
    async with await open_database(tmp_path / "a.sqlite") as database:
        folded = (await database.read(log.since, WorksheetId("w"), 0, 10)).entries
        texts = ["a\n"]
        for entry in folded:
            if isinstance(entry, CellEdited):
                texts.append(apply(entry.changes, texts[-1]))
        assert texts == ["a\n", "a\nb é😀\n", "b é😀\n"]
        rows = await database.read(lambda connection: connection.execute(select(edits)).all())
        assert [tuple(row) for row in rows] == [("w", "c", 1, 2, ""), ("w", "c", 2, 4, "")]


async def test_cells_deleted_before_there_was_a_bin_are_in_it(tmp_path: Path) -> None:
    engine = database_of("0003", tmp_path / "a.sqlite")
    said = {"author": "ana", "date": "2026-11-21T06:00:00.000000+00:00"}
    cells = {name: {"id": name, "type": "code", "source": name, "version": 0} for name in "abc"}
    entries: list[dict[str, object]] = [
        {"kind": "cell_created", "cell": cells["a"], "after": None},
        {"kind": "cell_created", "cell": cells["b"], "after": "a"},
        {"kind": "cell_created", "cell": cells["c"], "after": "b"},
        {"kind": "cell_edited", "cell": "b", "version": 1, "changes": [1, [0, "é"]]},
        {"kind": "cell_converted", "cell": "b", "type": "markdown"},
        {"kind": "cell_moved", "cell": "b", "after": "c"},
        {"kind": "cell_deleted", "cell": "b"},
        {"kind": "cell_deleted", "cell": "a"},
        {"kind": "cell_created", "cell": cells["a"], "after": None},
    ]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts VALUES ('ana', 'Ana', 0, null, '')"))
        connection.execute(text("INSERT INTO worksheets VALUES ('w', 'New', 'ana', '', '', null, 9)"))
        for number, entry in enumerate(entries, 1):
            connection.execute(
                text("INSERT INTO entries VALUES ('w', :number, :entry)"),
                {"number": number, "entry": json.dumps({**entry, "number": number, **said})},
            )
    engine.dispose()
    async with await open_database(tmp_path / "a.sqlite") as database:
        ((item,), more) = await database.read(
            lambda connection: (
                history.list_bin(connection, WorksheetId("w"), None, 10).deleted,
                history.list_bin(connection, WorksheetId("w"), None, 10).more,
            )
        )
    assert item.cell == Cell(id=CellId("b"), type="markdown", source="bé", version=1)
    assert (item.after, item.number, item.author, more) == ("c", 7, "ana", False)


# --- With data, from every version ------------------------------------------------------------

DATE = "2026-11-21T06:00:00.000000+00:00"
LATER = "2036-11-21T06:00:00.000000+00:00"
ENTRIES: tuple[dict[str, object], ...] = (
    {
        "kind": "cell_created",
        "cell": {"id": "c", "type": "code", "source": "1+1 # é😀", "version": 0},
        "after": None,
    },
)
PICTURE = base64.b64encode(bytes(range(256))).decode()

DATA: dict[str, tuple[dict[str, object], ...]] = {
    "accounts": (
        {"name": "ana", "display_name": "Ana", "admin": True, "password": "x", "created": DATE},
        {"name": "ben", "display_name": "", "admin": False, "password": None, "created": DATE},
    ),
    "links": ({"hash": "h", "account": "ben", "created": DATE, "expires": LATER},),
    "signins": (
        {"hash": "a" * 64, "account": "ben", "way": "link", "created": DATE, "expires": LATER, "id": "i"},
    ),
    "tokens": (
        {
            "id": "t",
            "hash": digest("secret"),
            "account": "ana",
            "label": "x",
            "created": DATE,
            "last_used": None,
            "scope": "own",
        },
    ),
    "worksheets": (
        {
            "id": "w",
            "title": "T",
            "owner": "ana",
            "created": DATE,
            "changed": DATE,
            "session": "u",
            "latest": 1,
        },
    ),
    "members": (
        {"worksheet": "w", "account": "ana", "role": "own"},
        {"worksheet": "w", "account": "ben", "role": "run"},
    ),
    "cells": (
        {"worksheet": "w", "id": "c", "position": 0, "type": "code", "source": "1+1 # é😀", "version": 0},
    ),
    "entries": tuple(
        {
            "worksheet": "w",
            "number": number,
            "entry": json.dumps({**entry, "number": number, "author": "ana", "date": DATE}),
        }
        for number, entry in enumerate(ENTRIES, 1)
    ),
    "sessions": (
        {
            "uid": "u",
            "title": "",
            "owner": "ana",
            "worksheet": "w",
            "state": "closed",
            "reason": "It was closed.",
            "created": DATE,
        },
    ),
    "runs": (
        {
            "id": "r",
            "worksheet": "w",
            "number": 1,
            "cell": "c",
            "session": "u",
            "msg_id": "m",
            "account": "ben",
            "code": "1+1 # é😀",
            "state": "ok",
            "reason": "",
            "execution_count": 1,
            "created": DATE,
            "started": DATE,
            "ended": DATE,
        },
    ),
    "publications": (
        {
            "session": "u",
            "number": 3,
            "msg_id": "p",
            "msg_type": "stream",
            "parent": "m",
            "username": "ben",
            "date": DATE,
            "metadata": "{}",
            "content": '{"name": "stdout", "text": "2"}',
            "buffers": None,
        },
        {
            "session": "u",
            "number": 4,
            "msg_id": "q",
            "msg_type": "display_data",
            "parent": "m",
            "username": "ben",
            "date": DATE,
            "metadata": "{}",
            "content": json.dumps({"data": {"image/png": PICTURE}, "metadata": {}, "transient": {}}),
            "buffers": None,
        },
    ),
}
"""One of everything that the first version had; later columns have what that version would have written."""


def fill(engine: Engine, version: str) -> None:
    """Make the tables of a version, and put the data into those that it has."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        found = MetaData()
        found.reflect(connection)
        for table in found.sorted_tables:
            for row in DATA.get(table.name, ()):
                known = {name: value for name, value in row.items() if name in table.columns}
                connection.execute(table.insert().values(known))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.sqlite'}"
        return
    server = make_url(request.getfixturevalue("postgresql_server")).set(drivername="postgresql+psycopg")
    name = f"bare_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("version", migrations.VERSIONS[:-1])
async def test_what_people_had_is_there_after_the_upgrade(version: str, bare_url: str) -> None:
    await asyncio.to_thread(fill, create_engine(bare_url), version)
    async with await open_database(bare_url) as database:
        assert await database.read(differences) == []
        server = make_server(database)
        caller = await signin.identify(server.context, bearer="secret")
        assert caller.account is not None
        assert (caller.account.name, caller.account.admin, caller.account.visitor) == ("ana", True, False)
        ana = Person(replace(server.context, caller=caller))
        opened = await ana.call("worksheet.open", worksheet="w")
        assert opened["worksheet"]["role"] == "own"
        assert {member["account"]: member["role"] for member in opened["members"]} == {
            "ana": "own",
            "ben": "run",
        }
        (cell,) = opened["cells"]
        assert (cell["source"], cell["version"]) == ("1+1 # é😀", 0)
        (run,) = opened["runs"]
        assert (run["state"], run["account"]) == ("ok", "ben")
        printed, picture = opened["outputs"]["r"]
        assert printed["content"]["text"] == "2"
        if version < "0011":
            blob = picture["blobs"]["image/png"]
            assert blob["digest"] == hashlib.sha256(base64.b64decode(PICTURE)).hexdigest()
            kept = await database.read(blobs.find, blob["digest"], "image/png", AccountName("ben"), None)
            assert kept == base64.b64decode(PICTURE)
        file = json.loads((await ana.call("worksheet.export", worksheet="w", format="ipynb"))["text"])
        assert file["cells"][0]["outputs"][1]["data"]["image/png"] == PICTURE
        edited = await ana.call("cell.edit", worksheet="w", cell="c", version=0, changes=[9, [0, "!"]])
        assert edited["version"] == 1
        assert [account["name"] for account in await ana.call("account.list")] == ["ana", "ben"]
        (token,) = await ana.call("token.list")
        assert (token["scope"], token["worksheet"], token["expires"]) == ("own", None, None)
        if version < "0017":
            assert await database.read(room.kept, "u") == await database.read(really_stored, "u") > 256
        rows = await database.read(lambda connection: connection.execute(_SIGNINS).all())
        assert [bool(id) for (id,) in rows] == [True]


_SIGNINS = text("SELECT id FROM signins")


async def test_what_a_file_said_of_a_cell_becomes_its_metadata(tmp_path: Path) -> None:
    engine = database_of("0013", tmp_path / "a.sqlite")
    said = {"author": "ana", "date": DATE, "kind": "cell_created", "after": None}
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts VALUES ('ana', 'Ana', 0, null, '', 0, 0)"))
        connection.execute(text("INSERT INTO worksheets VALUES ('w', 'New', 'ana', '', '', null, 2, 0)"))
        connection.execute(text("INSERT INTO members VALUES ('w', 'ana', 'own', null)"))
        for number, name in enumerate("ba"):
            cell = {"id": name, "type": "code", "source": "", "version": 0}
            connection.execute(
                text("INSERT INTO entries VALUES ('w', :number, :entry)"),
                {"number": number + 1, "entry": json.dumps({**said, "number": number + 1, "cell": cell})},
            )
            connection.execute(
                text("INSERT INTO cells VALUES ('w', :id, :position, 'code', '', 0)"),
                {"id": name, "position": 1 - number},
            )
        original = {"cell_type": "code", "metadata": {"tags": ["x"]}, "id": "a"}
        connection.execute(
            text("INSERT INTO originals VALUES ('w', 'a', :original, null)"),
            {"original": json.dumps(original)},
        )
    engine.dispose()
    async with await open_database(tmp_path / "a.sqlite") as database:
        moment = await database.read(history.at, WorksheetId("w"), 2)
        assert [(cell.id, cell.metadata) for cell in moment.cells] == [("a", {"tags": ["x"]}), ("b", {})]
        assert moment.cells == await database.read(cells.list_all, WorksheetId("w"))
        (kept,) = await database.read(lambda connection: connection.execute(_ORIGINALS).scalars().all())
        assert json.loads(kept) == {"cell_type": "code", "id": "a"}


_ORIGINALS = text("SELECT original FROM originals")


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    async with await open_database(path) as database:
        await database.write(lambda connection: connection.execute(_NEWER) and None)
    before = path.read_bytes()
    with pytest.raises(DatabaseTooNew, match="a newer Antiphon has written it"):
        await open_database(path)
    assert path.read_bytes() == before


_NEWER = text("UPDATE alembic_version SET version_num = '9999'")


async def test_a_failed_migration_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: Connection) -> None:
        upgrade(connection)
        raise RuntimeError("power cut")

    upgrade = migrations._upgrade
    monkeypatch.setattr(migrations, "_upgrade", fail)
    with pytest.raises(RuntimeError):
        await open_database(tmp_path / "a.sqlite")
    monkeypatch.undo()
    async with await open_database(tmp_path / "a.sqlite") as database:
        assert await database.read(differences) == []


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("missing/folder/a.sqlite", "cannot be opened: No such file or directory"),
        ("mysql://localhost/x", "MySQL|mysql|SQLite and PostgreSQL"),
        ("nonsense://", "cannot be used|cannot be read"),
        ("postgresql://u:hunter2@/db?host=/nowhere", "nowhere"),
    ],
)
async def test_what_cannot_be_opened_is_said_in_one_sentence(
    where: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseUnavailable, match=sentence) as caught:
        await open_database(where)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ana, " * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await open_database(path)
    assert path.read_text() == "Dear Ana, " * 100


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_an_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "a.sqlite") as database:
        await database.read(migrations.current_version)
        assert modes(tmp_path) == {"a.sqlite": 0o600, "a.sqlite-wal": 0o600, "a.sqlite-shm": 0o600}


@pytest.mark.slow
def test_an_up_to_date_database_is_opened_without_alembic(sqlite_template: Path) -> None:
    program = (
        "import asyncio, sys; from antiphon_webserver.storage.database import open_database\n"
        "async def main():\n"
        "    async with await open_database(sys.argv[1]): pass\n"
        "asyncio.run(main()); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(sqlite_template)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "False\n"
