"""What is binary or large: taken out of JSON, kept once, given to those who may see it, put back."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text

from antiphon_kernel.message import CommMsg, DisplayData, Header, Message
from antiphon_webserver.blobs import LARGE_BYTES, blob, put_back, take_out
from antiphon_webserver.compactor import Compactor
from antiphon_webserver.http.blobs import byte_range
from antiphon_webserver.http.security import BLOB_POLICY
from antiphon_webserver.model import AccountName, CellId, Publication, WorksheetId
from antiphon_webserver.recorder import publication
from antiphon_webserver.server import Running, running
from antiphon_webserver.settings import Settings
from antiphon_webserver.storage import accounts, blobs, members, publications, sessions, worksheets
from antiphon_webserver.storage.database import Database, open_database
from antiphon_webserver.storage.tables import blobs as blobs_table
from tests.webserver.conftest import Server
from tests.webserver.peers import Browser, Peer, connect
from tests.webserver.test_migrations import database_of

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
NOW = "2026-01-31T12:00:00.000Z"
ANA, BEN = AccountName("ana"), AccountName("ben")
SHEET = WorksheetId("sheet")


# --- Out of a bundle and back -----------------------------------------------------------------


def encodings(raw: bytes) -> list[str]:
    return [base64.b64encode(raw).decode(), base64.encodebytes(raw).decode(), "no base64 " + str(raw)]


@given(raw=st.binary(max_size=200), kind=st.sampled_from(["image/png", "application/pdf", "audio/wav"]))
def test_what_is_taken_out_comes_back_exactly(raw: bytes, kind: str) -> None:
    for written in encodings(raw):
        data = {kind: written, "text/plain": "small"}
        rest, taken, read = take_out(data)
        assert put_back(rest, taken, read) == data
        assert rest["text/plain"] == "small"
        if raw and not written.startswith("no"):
            assert (taken[kind].type, taken[kind].bytes) == (kind, len(raw))


@pytest.mark.parametrize(
    ("kind", "value", "form", "served"),
    [
        ("text/html", "é" * LARGE_BYTES, "text", "text/html"),
        ("image/svg+xml", "<svg>" * LARGE_BYTES, "text", "image/svg+xml"),
        ("application/json", {"a": list(range(LARGE_BYTES))}, "json", "application/json"),
        ("image/png", "not base64!" * LARGE_BYTES, "text", "text/plain"),
        ("../../etc", "x" * (LARGE_BYTES + 1), "text", "application/octet-stream"),
    ],
)
def test_large_values_are_taken_out_as_they_stand(kind: str, value: Any, form: str, served: str) -> None:
    rest, taken, read = take_out({kind: value})
    assert rest == {}
    assert (taken[kind].form, taken[kind].type) == (form, served)
    assert put_back(rest, taken, read) == {kind: value}


def test_small_text_stays_and_what_code_invents_is_no_blob() -> None:
    data = {
        "text/html": "<b>",
        "application/json": {"digest": "0" * 64, "bytes": 1},
        "image/svg+xml": "<svg/>",
    }
    assert take_out(data) == (data, {}, {})


def test_the_recorder_takes_displays_and_buffers_out() -> None:
    image = base64.b64encode(PNG).decode()
    heard, data = publication(message(DisplayData(data={"image/png": image, "text/plain": "x"})))
    assert heard.content["data"] == {"text/plain": "x"}
    assert data == {heard.blobs["image/png"].digest: PNG}
    told, data = publication(message(CommMsg(comm_id="c"), buffers=(b"\0", b"\0", b"a")))
    assert [data[each.digest] for each in told.buffers] == [b"\0", b"\0", b"a"]


def message(content: Any, buffers: tuple[bytes, ...] = ()) -> Message:
    header = Header(msg_id="m", msg_type=type(content).__struct_config__.tag, session="s", number=1)
    return Message(header=header, content=content, buffers=buffers)


# --- In the database --------------------------------------------------------------------------


def make(connection: Connection) -> None:
    """Ana with two worksheets that a session belongs to, each; and Ben."""
    for name in (ANA, BEN):
        accounts.create(connection, name, display_name="", password=None, admin=False, now=NOW)
    for sheet in (SHEET, WorksheetId("other")):
        worksheets.create(connection, sheet, CellId(f"{sheet}-c"), title="", owner=ANA, now=NOW)
        sessions.create(connection, f"of-{sheet}", title="", owner=ANA, worksheet=sheet, now=NOW)
    sessions.create(connection, "alone", title="", owner=ANA, worksheet=None, now=NOW)


def shown(number: int, data: dict[str, Any]) -> tuple[Publication, dict[str, bytes]]:
    rest, taken, read = take_out(data)
    said = Publication(
        number=number,
        msg_id=f"p{number}",
        msg_type="display_data",
        parent="r",
        username="",
        date=NOW,
        metadata={},
        content={"data": rest},
        blobs=taken,
    )
    return said, read


def store(connection: Connection, session: str, number: int = 1) -> str:
    """The image, published in a session; its digest."""
    item, read = shown(number, {"image/png": base64.b64encode(PNG).decode()})
    publications.store(connection, session, [item], read)
    return item.blobs["image/png"].digest


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(blobs_table)).scalar_one()


async def test_a_blob_is_kept_once_and_seen_by_those_who_may(database: Database) -> None:
    await database.write(make)
    digest = await database.write(store, "of-sheet")
    assert await database.write(store, "of-other") == digest
    assert await database.write(store, "of-sheet") == digest
    assert await database.read(count) == 1
    find = blobs.find
    assert await database.read(find, digest, "image/png", ANA, None) == PNG
    assert await database.read(find, digest, "image/png", ANA, SHEET) == PNG
    assert await database.read(find, digest, "text/html", ANA, None) is None
    assert await database.read(find, digest, "image/png", BEN, None) is None
    await database.write(members.set_role, SHEET, BEN, "observe", author=ANA, now=NOW)
    assert await database.read(find, digest, "image/png", BEN, None) == PNG
    assert await database.read(find, digest, "image/png", BEN, WorksheetId("other")) is None
    assert await database.read(blobs.read, "of-sheet", [digest, "0" * 64]) == {digest: PNG}
    assert await database.read(blobs.read, "alone", [digest]) == {}


async def test_a_session_of_no_worksheet_is_its_owners(database: Database) -> None:
    await database.write(make)
    digest = await database.write(store, "alone")
    assert await database.read(blobs.find, digest, "image/png", ANA, None) == PNG
    assert await database.read(blobs.find, digest, "image/png", ANA, SHEET) is None
    assert await database.read(blobs.find, digest, "image/png", BEN, None) is None


async def test_what_nothing_refers_to_is_taken_out(database: Database) -> None:
    await database.write(make)
    await database.write(store, "of-sheet")
    await database.write(store, "of-other")
    compactor = Compactor(database, lambda: 0.0)
    for sheet, left in ((SHEET, 1), (WorksheetId("other"), 0)):
        await database.write(worksheets.delete, sheet)
        await compactor.round(breath=0)
        assert await database.read(count) == left


async def test_blobs_of_before_are_taken_out_by_the_migration(tmp_path: Path) -> None:
    image = base64.b64encode(PNG).decode()
    engine = database_of("0010", tmp_path / "a.sqlite")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO accounts (name, display_name, admin, created) VALUES ('ana', '', 0, '')")
        )
        connection.execute(text("INSERT INTO sessions VALUES ('s', '', 'ana', null, 'idle', '', '')"))
        for number, content, raw in (
            (1, {"data": {"image/png": image, "text/plain": "x"}}, None),
            (2, {"comm_id": "c"}, msgspec.msgpack.encode([b"\xff"])),
        ):
            connection.execute(
                text(
                    "INSERT INTO publications VALUES "
                    "('s', :number, '', :kind, '', '', '', '{}', :content, :raw)"
                ),
                {
                    "number": number,
                    "kind": "comm_msg" if raw else "display_data",
                    "content": json.dumps(content),
                    "raw": raw,
                },
            )
    engine.dispose()
    async with await open_database(tmp_path / "a.sqlite") as database:
        picture, told = (await database.read(publications.since, "s", 0, 9)).publications
        assert picture.content == {"data": {"text/plain": "x"}}
        digest = picture.blobs["image/png"].digest
        assert await database.read(blobs.find, digest, "image/png", ANA, None) == PNG
        assert told.buffers == (blob(b"\xff")[0],)


# --- In and out of files ----------------------------------------------------------------------


def notebook(*outputs: dict[str, Any]) -> str:
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "source": "1",
        "execution_count": 1,
        "outputs": list(outputs),
    }
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})


async def test_import_takes_pictures_out_and_export_puts_them_back(server: Server) -> None:
    ana = await server.sign_in("ana")
    outputs = [
        {"output_type": "display_data", "data": {"image/png": written, "text/plain": "x"}, "metadata": {}}
        for written in encodings(PNG)
    ]
    outputs.append({"output_type": "stream", "name": "stdout", "text": "between\n"})
    given = notebook(*outputs)
    sheet = (await ana.call("worksheet.import", filename="a.ipynb", text=given))["id"]
    opened = await ana.call("worksheet.open", worksheet=sheet)
    (said,) = opened["outputs"].values()
    assert [item.get("blobs", {}).get("image/png", {}).get("bytes") for item in said[:2]] == [len(PNG)] * 2
    assert base64.b64encode(PNG).decode() not in json.dumps(opened)
    file = await ana.call("worksheet.export", worksheet=sheet)
    assert nbformat.reads(file["text"], 4).cells == nbformat.reads(given, 4).cells
    page = await ana.call("worksheet.export", worksheet=sheet, format="html")
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in page["text"]


# --- Over HTTP --------------------------------------------------------------------------------


@pytest.fixture
async def live(tmp_path: Path, data: Path) -> AsyncIterator[tuple[Running, Peer]]:
    """A server with a kernel inside it, and a peer of its account."""
    settings = Settings(data=data, kernel=None, account="ada", port=0, static=tmp_path)
    (tmp_path / "index.html").write_text("<!doctype html>")
    async with running(settings) as server:
        token = str(json.loads(settings.runtime_file.read_text())["token"])
        async with connect(server.port, token) as peer:
            yield server, peer


SHOW = f"""
from IPython.display import display
image = {base64.b64encode(PNG).decode()!r}
display({{"image/png": image, "text/html": "<script>1</script>" * 10_000}}, raw=True)
"""


@pytest.mark.slow
async def test_a_blob_is_served_as_what_it_is_to_those_who_may(live: tuple[Running, Peer]) -> None:
    server, ada = live
    sheet = (await ada.call("worksheet.create"))["result"]["id"]
    ran = (await ada.call("session.run", code=SHOW, worksheet=sheet))["result"]
    assert ran["state"] == "ok", ran
    inline = ran["outputs"][0]["data"]
    assert base64.b64decode(inline["image/png"]) == PNG
    assert len(inline["text/html"]) == 180_000
    feed = (await ada.call("feed.since", session=ran["session"], cursor=0))["result"]["publications"]
    (taken,) = [item["blobs"] for item in feed if item["msg_type"] == "display_data"]
    picture = f"/blob/{taken['image/png']['digest']}/image/png"
    page = f"/blob/{taken['text/html']['digest']}/text/html"

    browser = Browser(server)
    assert (await browser.fetch(picture)).code == 401
    await browser.sign_in()
    response = await browser.fetch(picture)
    assert (response.code, response.body, response.headers["Content-Type"]) == (200, PNG, "image/png")
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == BLOB_POLICY
    assert "Content-Disposition" not in response.headers
    etag = response.headers["Etag"]
    assert etag.strip('"') == taken["image/png"]["digest"]
    again = await browser.fetch(picture, headers={"If-None-Match": etag})
    assert (again.code, again.body) == (304, b"")

    active = await browser.fetch(page)
    assert active.headers["Content-Type"] == "text/html; charset=utf-8"
    assert active.headers["Content-Disposition"].startswith("attachment")
    assert active.body == b"<script>1</script>" * 10_000

    made = (await ada.call("account.create", name="ben"))["result"]
    ben = Browser(server)
    await ben.fetch("/")
    await ben.fetch("/login", {"link": made["link"]["url"].partition("#")[2].partition("=")[2]})
    assert (await ben.call("account.me"))["result"]["name"] == "ben"
    foreign = await ben.fetch(picture)
    missing = await ben.fetch(f"/blob/{'0' * 64}/image/png")
    assert (foreign.code, foreign.body) == (missing.code, missing.body) == (404, missing.body)
    assert (await ben.fetch(picture, headers={"If-None-Match": etag})).code == 404

    url = (await ada.call("link.create", worksheet=sheet, role="observe"))["result"]["url"]
    visitor = Browser(server)
    await visitor.fetch("/")
    await visitor.fetch("/login", {"visit": url.partition("#")[2].partition("=")[2]})
    assert (await visitor.fetch(picture)).body == PNG


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-3", (0, 4)),
        ("bytes=4-", (4, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=8-99", (8, 10)),
        ("Bytes=9-9", (9, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=-0", (10, 10)),
        ("bytes=3-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("", None),
        (f"bytes={'9' * 10_000}-", None),
    ],
)
def test_which_bytes_a_range_asks_for(asked: str, part: tuple[int, int] | None) -> None:
    assert byte_range(asked, 10) == part


FILM = bytes(range(256)) * 4096

SHOW_FILM = """
import base64
from IPython.display import display
display({"video/mp4": base64.b64encode(bytes(range(256)) * 4096).decode()}, raw=True)
"""


@pytest.mark.slow
async def test_a_film_is_served_in_parts(live: tuple[Running, Peer]) -> None:
    server, ada = live
    sheet = (await ada.call("worksheet.create"))["result"]["id"]
    ran = (await ada.call("session.run", code=SHOW_FILM, worksheet=sheet))["result"]
    feed = (await ada.call("feed.since", session=ran["session"], cursor=0))["result"]["publications"]
    (digest,) = [item["blobs"]["video/mp4"]["digest"] for item in feed if item["msg_type"] == "display_data"]
    film = f"/blob/{digest}/video/mp4"
    browser = Browser(server)
    await browser.sign_in()
    whole = await browser.fetch(film)
    assert (whole.code, whole.body, whole.headers["Accept-Ranges"]) == (200, FILM, "bytes")
    etag = whole.headers["Etag"]
    for asked, first, end in (("bytes=1000-2000", 1000, 2001), ("bytes=-10", len(FILM) - 10, len(FILM))):
        part = await browser.fetch(film, headers={"Range": asked, "If-Range": etag})
        assert (part.code, part.body) == (206, FILM[first:end])
        assert part.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(FILM)}"
        assert (part.headers["Content-Type"], part.headers["Etag"]) == ("video/mp4", etag)
    other = await browser.fetch(film, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (other.code, other.body) == (200, FILM)
    beyond = await browser.fetch(film, headers={"Range": f"bytes={len(FILM)}-"})
    assert (beyond.code, beyond.body) == (416, b"")
    assert beyond.headers["Content-Range"] == f"bytes */{len(FILM)}"
    known = await browser.fetch(film, headers={"Range": "bytes=0-1", "If-None-Match": etag})
    assert known.code == 304
