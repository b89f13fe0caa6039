"""``antiphon backup`` while clients write, and ``antiphon restore``."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from antiphon_client.cli import run
from antiphon_webserver.server import running
from antiphon_webserver.settings import Settings
from antiphon_webserver.storage import backup, blobs, publications
from antiphon_webserver.storage.database import open_database
from antiphon_webserver.storage.tables import publications as publications_table
from tests.conftest import AntiphonServer
from tests.webserver.peers import Peer, connect
from tests.webserver.test_blobs import shown
from tests.webserver.test_storage import make, open_session


@asynccontextmanager
async def writing(server: AntiphonServer, acknowledged: list[str]) -> AsyncIterator[None]:
    """A client makes one worksheet after another; ``acknowledged`` has the ids of those it was told of."""

    async def write(peer: Peer) -> None:
        while True:
            made = await peer.call("worksheet.create", title=f"sheet {len(acknowledged)}")
            acknowledged.append(made["result"]["id"])

    async with connect(server.port, server.token) as peer:
        task = asyncio.create_task(write(peer))
        try:
            while len(acknowledged) < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
async def test_what_was_acknowledged_before_the_backup_is_in_it(
    antiphon_server: AntiphonServer, tmp_path: Path
) -> None:
    server, file = antiphon_server, tmp_path / "backup"
    acknowledged: list[str] = []
    async with writing(server, acknowledged):
        before = len(acknowledged)
        answer = await asyncio.to_thread(server.antiphon, "backup", str(file))
        assert answer.returncode == 0, answer.stderr
        assert len(acknowledged) > before, "nobody wrote meanwhile"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = await asyncio.to_thread(server.antiphon, "backup", str(file))
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    running_one = await asyncio.to_thread(server.antiphon, "restore", str(file))
    assert (running_one.returncode, "already running" in running_one.stderr) == (1, True)

    fresh = tmp_path / "fresh"
    restored = await asyncio.to_thread(server.antiphon, "restore", str(file), "--data", str(fresh))
    assert restored.returncode == 0, restored.stderr
    twice = await asyncio.to_thread(server.antiphon, "restore", str(file), "--data", str(fresh))
    assert (twice.returncode, "There is a database already" in twice.stderr) == (1, True)
    account = str(server._runtime()["account"])
    settings = Settings(data=fresh, kernel=fresh / "kernel.json", account=account, port=0)
    async with running(settings) as second:
        token = settings.runtime_file.read_text().split('"token":"')[1].split('"')[0]
        async with connect(second.port, token) as peer:
            listed = (await peer.call("worksheet.list"))["result"]
    assert {sheet["id"] for sheet in listed} >= set(acknowledged[:before])


@pytest.mark.slow
async def test_a_backup_has_every_blob_that_its_rows_name(tmp_path: Path) -> None:
    """Pictures come, are cleared and their blobs taken out while it is made, each in its own transaction."""
    path, file = tmp_path / "a.sqlite", tmp_path / "backup"
    number = 0

    def publish(connection: Connection) -> None:
        pictures = [b"GIF89a" + os.urandom(20_000) for _ in range(5)]
        for at, picture in enumerate(pictures, number * 5 + 1):
            said, read = shown(at, {"image/gif": base64.b64encode(picture).decode()})
            publications.store(connection, "s1", [said], read)

    async with await open_database(path) as database:
        await database.write(make)
        await database.write(open_session)
        await database.write(publish)
        saving = asyncio.create_task(asyncio.to_thread(backup.save, path, file))
        while not saving.done() or number < 3:
            number += 1
            await database.write(publish)
            await database.write(forget_all_but, (number - 1) * 5)
            await database.write(blobs.clear)
        await saving
    with closing(sqlite3.connect(file)) as copy:
        kept = {digest for (digest,) in copy.execute("SELECT digest FROM blobs")}
        used = {digest for (digest,) in copy.execute("SELECT digest FROM blob_uses")}
        told = [json.loads(text) for (text,) in copy.execute("SELECT blobs FROM publications")]
    assert {each["image/gif"]["digest"] for each in told} == used
    assert used <= kept
    assert len(used) >= 5


def forget_all_but(connection: Connection, last: int) -> None:
    table = publications_table
    connection.execute(table.delete().where(table.c.session == "s1", table.c.number <= last))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data"
    monkeypatch.setenv("ANTIPHON_DATA", str(path))
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(list(words)) == 1
    return capsys.readouterr().err


def test_restore_refuses_what_is_no_whole_database_of_ours(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sqlite_template: Path,
) -> None:
    file = tmp_path / "backup"
    assert "There is no file" in refused(capsys, "restore", str(file))
    file.write_bytes(b"no database at all" * 100)
    assert "file is not a database" in refused(capsys, "restore", str(file))
    shutil.copy(sqlite_template, file)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    assert "a newer Antiphon has written it" in refused(capsys, "restore", str(file))
    damaged = tmp_path / "damaged"
    content = bytearray(sqlite_template.read_bytes())
    content[8192:12288] = b"\xff" * 4096
    damaged.write_bytes(content)
    assert "antiphon:" in refused(capsys, "restore", str(damaged))
    assert [path.name for path in data.iterdir()] == ["serve.lock"]


def test_other_databases_are_for_their_own_programs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backup", str(tmp_path / "b"), "--database", "postgresql://antiphon@/antiphon"]
    assert "pg_dump" in refused(capsys, *words)
    assert "cannot be used: unable to open" in refused(capsys, "backup", str(tmp_path / "b"))
    assert not (tmp_path / "b").exists()
