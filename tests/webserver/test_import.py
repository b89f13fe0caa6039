"""worksheet.import and worksheet.export, on each kind of database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import event

from antiphon_webserver.limits import LIMITS
from antiphon_webserver.model import Publication
from antiphon_webserver.storage import publications, runs, sessions
from tests.webserver.conftest import Person, Server
from tests.webserver.notebooks import ANALYSIS, OLD, minor
from tests.webserver.test_exchange import joined

ID = "made-by-the-client-0001"


async def brought(person: Person, notebook: Any, **params: Any) -> str:
    sheet = await person.call("worksheet.import", filename="n.ipynb", text=json.dumps(notebook), **params)
    return str(sheet["id"])


async def fetched(person: Person, sheet: str) -> Any:
    return joined(json.loads((await person.call("worksheet.export", worksheet=sheet))["text"]))


@pytest.mark.parametrize("version", [0, 4, 5])
async def test_a_notebook_comes_back_from_the_database_as_it_was(server: Server, version: int) -> None:
    ana = await server.sign_in("ana")
    notebook = minor(version)
    assert await fetched(ana, await brought(ana, notebook)) == joined(notebook)


async def test_imported_outputs_stand_under_their_cells(server: Server) -> None:
    ana = await server.sign_in("ana")
    snapshot = await ana.call("worksheet.open", worksheet=await brought(ana, ANALYSIS))
    assert [(cell["type"], cell["source"]) for cell in snapshot["cells"]] == [
        ("markdown", "# Weather\n\n![dot](attachment:dot.png)"),
        ("code", "import sys\nfor i in range(2):\n    print(i)"),
        ("markdown", ".. note::\n   raw"),
        ("code", "1/0"),
        ("code", ""),
    ]
    first, second = snapshot["runs"]
    assert (first["state"], first["execution_count"]) == ("ok", 4)
    assert (second["state"], second["execution_count"]) == ("error", 5)
    shown = snapshot["outputs"][first["id"]]
    assert [item["msg_type"] for item in shown] == ["stream", "stream", "display_data", "execute_result"]
    assert shown[1]["content"] == {"name": "stderr", "text": "100%\nmore"}
    assert snapshot["session"] is None
    assert await ana.call("session.list") == []


async def test_the_log_tells_of_the_same_cells(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = await brought(ana, ANALYSIS)
    entries = (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["entries"]
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    gone = {entry["cell"] for entry in entries if entry["kind"] == "cell_deleted"}
    made = [entry["cell"] for entry in entries if entry["kind"] == "cell_created"]
    snapshot = await ana.call("worksheet.open", worksheet=sheet)
    shown = [
        {key: cell[key] for key in ("id", "type", "source", "version", "metadata")}
        for cell in snapshot["cells"]
    ]
    assert [cell for cell in made if cell["id"] not in gone] == shown


async def test_a_new_run_replaces_the_imported_outputs(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = await brought(ana, ANALYSIS)
    cells = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    run = await ana.call("cell.run", worksheet=sheet, cell=cells[3]["id"], source="1", version=0)
    for number, (msg_type, content) in enumerate(
        [
            ("stream", {"name": "stdout", "text": "a"}),
            ("stream", {"name": "stdout", "text": "b"}),
            ("execute_result", {"execution_count": 1, "data": {"text/plain": "1"}, "metadata": {}}),
        ],
        1,
    ):
        item = Publication(
            number=number,
            msg_id=str(number),
            msg_type=msg_type,
            parent=run["msg_id"],
            username="",
            date="",
            metadata={},
            content=content,
        )
        await server.context.database.write(publications.store, run["session"], [item])
    await server.context.database.write(
        runs.end, run["session"], run["msg_id"], state="ok", execution_count=1, now=server.context.now
    )
    cell = (await fetched(ana, sheet))["cells"][3]
    assert (cell["id"], cell["source"], cell["execution_count"]) == ("bad", "1", 1)
    assert cell["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "ab"},
        {"output_type": "execute_result", "execution_count": 1, "data": {"text/plain": "1"}, "metadata": {}},
    ]


async def test_an_import_sent_twice_is_one(server: Server) -> None:
    ana = await server.sign_in("ana")
    assert await brought(ana, ANALYSIS, worksheet=ID) == await brought(ana, ANALYSIS, worksheet=ID) == ID
    assert len((await ana.call("worksheet.open", worksheet=ID))["cells"]) == 5
    ben = await server.sign_in("ben")
    error = await ben.refused("worksheet.import", filename="a.py", text="1", worksheet=ID)
    assert error["code"] == -32004


@pytest.mark.parametrize(
    ("params", "title"),
    [
        ({"filename": "dir/Weather.py"}, "Weather"),
        ({"filename": "Weather.PY", "title": "Mine"}, "Mine"),
        ({"filename": "noise.txt", "format": "py"}, "noise"),
    ],
)
async def test_the_title_is_given_or_the_name_of_the_file(
    quick_server: Server, params: dict[str, str], title: str
) -> None:
    ana = await quick_server.sign_in("ana")
    assert (await ana.call("worksheet.import", text="# %%\n1", **params))["title"] == title


async def test_an_old_notebook_has_its_name_for_a_title(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet = await brought(ana, OLD)
    assert [cell["source"] for cell in (await fetched(ana, sheet))["cells"]] == ["## Then", "1 + 1"]


async def test_text_with_nul_can_be_stored(server: Server) -> None:
    ana = await server.sign_in("ana")
    cell = {**ANALYSIS["cells"][4], "source": "a\0b"}
    sheet = await brought(ana, {**ANALYSIS, "cells": [cell]})
    assert (await fetched(ana, sheet))["cells"][0]["source"] == "a\ufffdb"


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"filename": "a.docx", "text": "x"}, -32602, "filename"),
        ({"filename": "a.ipynb", "text": "x"}, -32602, "text"),
        ({"filename": "a" * 2000, "text": "x"}, -32005, None),
        ({"filename": "a.py", "text": "x" * (LIMITS["source_bytes"] + 1)}, -32005, None),
        ({"filename": "a.py", "text": "# %%\n" * (LIMITS["worksheet_cells"] + 1)}, -32005, None),
    ],
)
async def test_what_cannot_be_imported_leaves_nothing(
    quick_server: Server, params: dict[str, str], code: int, field: str | None
) -> None:
    ana = await quick_server.sign_in("ana")
    error = await ana.refused("worksheet.import", **params)
    assert (error["code"], error["data"].get("field")) == (code, field)
    assert await ana.call("worksheet.list") == []


async def test_an_imported_session_is_over(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet = await brought(ana, ANALYSIS)
    snapshot = await ana.call("worksheet.open", worksheet=sheet)
    found = await quick_server.context.database.read(sessions.find, snapshot["runs"][0]["session"])
    assert found is not None
    assert (found.state, found.reason) == ("closed", "It was imported from a file.")
    # A run in the worksheet gets a session of its own.
    cell = snapshot["cells"][1]["id"]
    run = await ana.call("cell.run", worksheet=sheet, cell=cell)
    assert run["session"] != found.uid


@pytest.mark.parametrize("format", ["py", "md", "html"])
async def test_a_worksheet_can_be_had_in_each_format(quick_server: Server, format: str) -> None:
    ana = await quick_server.sign_in("ana")
    sheet = await brought(ana, ANALYSIS)
    file = await ana.call("worksheet.export", worksheet=sheet, format=format)
    assert file["filename"] == f"n.{format}"
    assert "import sys" in file["text"]


async def test_a_long_notebook_takes_no_more_statements_than_a_short_one(server: Server) -> None:
    """SQLite has one writer: a statement for each cell would keep everybody else waiting for seconds."""
    ana = await server.sign_in("ana")
    statements: list[str] = []
    engine = server.context.database._writes

    def heard(*happened: Any) -> None:
        statements.append(happened[2])

    event.listen(engine, "before_cursor_execute", heard)
    counts = []
    for cells in (2, 300):
        statements.clear()
        await brought(ana, {**ANALYSIS, "cells": [ANALYSIS["cells"][3]] * cells})
        counts.append(len(statements))
    event.remove(engine, "before_cursor_execute", heard)
    assert counts[0] == counts[1] < 40
