"""The list of worksheets: what it tells, what a search finds, and copies, on each kind of database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon_webserver.limits import LIMITS
from antiphon_webserver.storage import sessions
from tests.webserver.conftest import Person, Server
from tests.webserver.notebooks import ANALYSIS
from tests.webserver.test_exchange import joined

COPY = "made-by-the-client-0001"


async def sheet_of(person: Person, title: str, *sources: str) -> str:
    """A worksheet with these cells, the first of which is the one that it is made with."""
    sheet: str = (await person.call("worksheet.create", title=title))["id"]
    (cell,) = (await person.call("worksheet.open", worksheet=sheet))["cells"]
    for number, source in enumerate(sources):
        if number:
            cell = await person.call("cell.create", worksheet=sheet, after=cell["id"], source=source)
        else:
            await person.call("cell.edit", worksheet=sheet, cell=cell["id"], version=0, source=source)
    return sheet


async def found(person: Person, query: str) -> dict[str, str]:
    """What was found in each worksheet, by title."""
    return {each["title"]: each["found"] for each in await person.call("worksheet.list", query=query)}


async def test_the_list_tells_what_a_worksheet_has(server: Server) -> None:
    ana, _ = await server.sign_in("ana"), await server.sign_in("ben")
    sheet = await sheet_of(ana, "Sheet", "1", "2")
    await ana.call("member.set", worksheet=sheet, account="ben", role="run")
    (listed,) = await ana.call("worksheet.list")
    assert (listed["state"], listed["cells"], listed["members"], listed["found"]) == (None, 2, 2, "")
    session = await ana.call("worksheet.session", worksheet=sheet)
    await server.context.database.write(sessions.set_state, session["uid"], "busy")
    (listed,) = await ana.call("worksheet.list")
    assert (listed["session"], listed["state"]) == (session["uid"], "busy")


async def test_a_search_finds_titles_owners_and_lines_of_cells(server: Server) -> None:
    ana, ben = await server.sign_in("ana"), await server.sign_in("ben")
    await sheet_of(ana, "Rain in May", "1 + 1")
    await sheet_of(ana, "Sums", "x = 1", "# begin\n  rain = load('may.csv')\nrain.plot()")
    shared = await sheet_of(ben, "Shared", "pass")
    await sheet_of(ben, "Not shared", "rain")
    await ben.call("member.set", worksheet=shared, account="ana", role="observe")
    assert await found(ana, "RAIN") == {"Sums": "rain = load('may.csv')", "Rain in May": ""}
    assert await found(ana, "ben") == {"Shared": ""}
    assert await found(ana, "%") == {}
    assert await found(ana, "x = 1") == {"Sums": "x = 1"}


async def test_a_search_finds_a_line_deep_in_a_long_cell(server: Server) -> None:
    ana = await server.sign_in("ana")
    line = "value = " + "v" * 300
    await sheet_of(ana, "Long", "# nothing\n" * 5_000 + line + "\n" + "# nothing\n" * 5_000)
    (text,) = (await found(ana, "value")).values()
    assert line.startswith(text)
    assert len(text) > 80


async def test_a_search_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await server.sign_in("ana")
    for number in range(4):
        server.clock.seconds += 1
        await sheet_of(ana, f"Sheet {number}", "rain")
    monkeypatch.setitem(LIMITS, "search_items", 2)
    assert set(await found(ana, "rain")) == {"Sheet 3", "Sheet 2"}
    refusal = await ana.refused("worksheet.list", query="x" * 201)
    assert refusal["data"]["limit"] == "query_chars"


async def test_a_copy_begins_anew_and_is_ones_own(server: Server) -> None:
    ana, ben = await server.sign_in("ana"), await server.sign_in("ben")
    sheet = await sheet_of(ana, "Sums", "x = 1", "x")
    await ana.call("member.set", worksheet=sheet, account="ben", role="observe")
    copy = await ben.call("worksheet.duplicate", worksheet=sheet, copy=COPY)
    assert copy == await ben.call("worksheet.duplicate", worksheet=sheet, copy=COPY)
    assert (copy["id"], copy["title"], copy["owner"], copy["role"]) == (COPY, "Copy of Sums", "ben", "own")
    opened = await ben.call("worksheet.open", worksheet=COPY)
    assert [cell["source"] for cell in opened["cells"]] == ["x = 1", "x"]
    assert [member["account"] for member in opened["members"]] == ["ben"]
    assert opened["runs"] == []
    log = await ben.call("worksheet.since", worksheet=COPY, cursor=0)
    assert {entry["author"] for entry in log["entries"]} == {"ben"}
    await ben.call("cell.edit", worksheet=COPY, cell=opened["cells"][0]["id"], version=0, source="x = 2")
    original = await ana.call("worksheet.open", worksheet=sheet)
    assert original["cells"][0]["source"] == "x = 1"


async def exported(person: Person, sheet: str) -> Any:
    """The notebook, its cells without the ids that each worksheet gives them."""
    notebook = joined(json.loads((await person.call("worksheet.export", worksheet=sheet))["text"]))
    for cell in notebook["cells"]:
        cell.pop("id", None)
    return notebook


async def test_a_copy_has_metadata_and_if_wanted_outputs(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = await ana.call("worksheet.import", filename="a.ipynb", text=json.dumps(ANALYSIS))
    whole = await ana.call("worksheet.duplicate", worksheet=sheet["id"], title="Mine", outputs=True)
    assert whole["title"] == "Mine"
    original = await exported(ana, sheet["id"])
    assert {**await exported(ana, whole["id"]), "metadata": {}} == {**original, "metadata": {}}
    bare = await exported(ana, (await ana.call("worksheet.duplicate", worksheet=sheet["id"]))["id"])
    assert [cell["metadata"] for cell in bare["cells"]] == [cell["metadata"] for cell in original["cells"]]
    code = [cell for cell in bare["cells"] if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)


async def test_a_copy_of_a_cell_that_was_run_anew_has_its_new_outputs(server: Server) -> None:
    """What the file said of it is older."""
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.import", filename="a.ipynb", text=json.dumps(ANALYSIS)))["id"]
    cells = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    for cell in cells:
        if cell["type"] == "code":
            await ana.call("cell.run", worksheet=sheet, cell=cell["id"])
    copy = (await ana.call("worksheet.duplicate", worksheet=sheet, outputs=True))["id"]
    code = [cell for cell in (await exported(ana, copy))["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
