"""``antiphon backup`` while clients write, and ``antiphon restore``."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from antiphon_client.cli import run
from antiphon_webserver.server import running
from antiphon_webserver.settings import Settings
from tests.conftest import AntiphonServer
from tests.webserver.peers import Peer, connect


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
