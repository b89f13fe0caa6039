"""Which cells are not what was run of them any more: said by the server, the same for all."""

from __future__ import annotations

from typing import Any

from antiphon_webserver.archive import Archive
from antiphon_webserver.model import CellEdited, Publication
from antiphon_webserver.storage import runs, sessions
from tests.webserver.conftest import Person, Server


def status(number: int, state: str, date: str) -> Publication:
    return Publication(
        number=number,
        msg_id=f"s{number}",
        msg_type="status",
        parent="",
        username="",
        date=date,
        metadata={},
        content={"execution_state": state},
    )


async def marks(person: Person, sheet: str) -> list[tuple[bool, bool]]:
    opened = await person.call("worksheet.open", worksheet=sheet)
    return [(cell["edited"], cell["ended"]) for cell in opened["cells"]]


async def ran(server: Server, person: Person, sheet: str, cell: str, **more: Any) -> dict[str, Any]:
    """A run of the cell that has ended."""
    run: dict[str, Any] = await person.call("cell.run", worksheet=sheet, cell=cell, **more)
    end = {"state": "ok", "now": person.context.now}
    await server.context.database.write(runs.end, run["session"], run["msg_id"], **end)  # type: ignore[arg-type]
    return run


async def test_a_cell_is_edited_until_it_is_run_or_says_the_same_again(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    (cell,) = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    assert await marks(ana, sheet) == [(False, False)]
    await ana.call("cell.edit", worksheet=sheet, cell=cell["id"], version=0, source="1")
    assert await marks(ana, sheet) == [(False, False)], "nothing was run"
    await ran(server, ana, sheet, cell["id"])
    assert await marks(ana, sheet) == [(False, False)]
    for version, source, edited in ((1, "12", True), (2, "123", True), (3, "1", False), (4, "4", True)):
        await ana.call("cell.edit", worksheet=sheet, cell=cell["id"], version=version, source=source)
        entry = server.relay.announced[-1]
        assert isinstance(entry, CellEdited)
        assert entry.edited is edited
        assert await marks(ana, sheet) == [(edited, False)]
    for format, remark in (("html", "Edited since it was run."), ("md", "*Edited since it was run.*")):
        file = await ana.call("worksheet.export", worksheet=sheet, format=format)
        assert remark in file["text"]
    await ran(server, ana, sheet, cell["id"])
    assert await marks(ana, sheet) == [(False, False)]


async def test_what_was_run_before_a_restart_has_ended(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    (cell,) = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    await ana.call("cell.edit", worksheet=sheet, cell=cell["id"], version=0, source="1")
    run = await ran(server, ana, sheet, cell["id"])
    database = server.context.database
    server.clock.seconds += 10
    told = [status(1, "restarting", ana.context.now), status(2, "idle", ana.context.now)]
    await Archive(database).record([(run["session"], told)], {})
    assert await marks(ana, sheet) == [(False, True)]
    (due,) = await ana.call("worksheet.run", worksheet=sheet, which="stale")
    assert due["cell"] == cell["id"]
    server.clock.seconds += 10
    await ran(server, ana, sheet, cell["id"])
    assert await marks(ana, sheet) == [(False, False)]
    await database.write(sessions.set_state, run["session"], "closed", "")
    assert await marks(ana, sheet) == [(False, True)]
