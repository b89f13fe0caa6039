"""Many cells run by one request: which, in what order, and where they stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon_webserver.errors import KernelUnavailable
from antiphon_webserver.model import RunState
from antiphon_webserver.storage import runs
from tests.webserver.conftest import Person, Server

ID = "made-by-the-client-0001"


async def sheet_of(ana: Person) -> tuple[str, list[str]]:
    """Four cells: code 1, Markdown, code 3, code 4."""
    sheet = await ana.call("worksheet.create", title="T")
    first = (await ana.call("worksheet.open", worksheet=sheet["id"]))["cells"][0]["id"]
    await ana.call("cell.edit", worksheet=sheet["id"], cell=first, version=0, source="1")
    ids = [first]
    for source, kind in (("two", "markdown"), ("3", "code"), ("4", "code")):
        cell = await ana.call("cell.create", worksheet=sheet["id"], after=ids[-1], source=source, type=kind)
        ids.append(cell["id"])
    return sheet["id"], ids


async def end(server: Server, run: dict[str, Any], state: RunState = "ok") -> None:
    ended = await server.context.database.write(
        runs.end, run["session"], run["msg_id"], state=state, now=server.context.now
    )
    assert ended is not None
    server.relay.announce(ended[0], [ended[1]])


async def ends(ana: Person, sheet: str, count: int) -> dict[str, tuple[str, str]]:
    """State and reason by code, once so many runs have ended."""
    while True:
        snapshot = await ana.call("worksheet.open", worksheet=sheet)
        over = {run["code"]: (run["state"], run["reason"]) for run in snapshot["runs"] if run["ended"]}
        if len(over) == count:
            return over
        await ana.call("worksheet.since", worksheet=sheet, cursor=snapshot["cursor"], wait=30)


async def test_all_are_written_and_each_waits_for_the_one_before(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, ids = await sheet_of(ana)
    created = await ana.call("worksheet.run", worksheet=sheet, which="all")
    assert [(run["cell"], run["code"], run["state"]) for run in created] == [
        (ids[0], "1", "queued"),
        (ids[2], "3", "queued"),
        (ids[3], "4", "queued"),
    ]
    for count, run in enumerate(created, 1):
        assert await server.sessions.given(count) == ["1", "3", "4"][:count]
        await end(server, run)


@pytest.mark.parametrize(
    ("state", "words"),
    [("error", "raised an error"), ("interrupted", "was interrupted"), ("died", "ended with its session")],
)
async def test_the_first_that_fails_ends_the_rest(state: RunState, words: str, server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    first, second, _ = await ana.call("worksheet.run", worksheet=sheet, which="all")
    await server.sessions.given(1)
    await end(server, first)
    await server.sessions.given(2)
    await end(server, second, state)
    assert (await ends(ana, sheet, 3))["4"] == ("cancelled", f"not run: cell 3 before it {words}")
    assert await server.sessions.given(2) == ["1", "3"]


@pytest.mark.parametrize(
    ("which", "code"), [("above", ["1"]), ("below", ["3", "4"]), ("selected", ["1", "4"])]
)
async def test_which_cells(which: str, code: list[str], quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet, ids = await sheet_of(ana)
    more: dict[str, Any] = {"cells": [ids[3], ids[0]]} if which == "selected" else {"cell": ids[2]}
    created = await ana.call("worksheet.run", worksheet=sheet, which=which, **more)
    assert [run["code"] for run in created] == code


async def test_stale_cells_are_those_whose_text_has_not_run_here(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, ids = await sheet_of(ana)
    await ana.call("cell.create", worksheet=sheet, after=ids[-1])  # empty and never run
    for run in await ana.call("worksheet.run", worksheet=sheet, which="selected", cells=[ids[0], ids[2]]):
        await server.sessions.given(1)
        await end(server, run)
    await ana.call("cell.edit", worksheet=sheet, cell=ids[0], version=1, source="1 + 1")
    edited = await ana.call("worksheet.run", worksheet=sheet, which="stale")
    assert [run["code"] for run in edited] == ["1 + 1", "4"]


async def test_a_series_asked_for_twice_runs_once(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    asked = {"worksheet": sheet, "which": "all", "run": ID}
    first, *others = await asyncio.gather(*(ana.call("worksheet.run", **asked) for _ in range(4)))
    assert others == [first] * 3
    assert await ana.call("worksheet.run", **asked) == first
    assert await server.sessions.given(1) == ["1"]


async def test_a_second_series_waits_for_the_first(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, ids = await sheet_of(ana)
    runs_of_both = [
        *await ana.call("worksheet.run", worksheet=sheet, which="all"),
        *await ana.call("worksheet.run", worksheet=sheet, which="selected", cells=[ids[0]]),
    ]
    for count, run in enumerate(runs_of_both, 1):
        assert await server.sessions.given(count) == ["1", "3", "4", "1"][:count]
        await end(server, run)


async def test_a_run_that_waits_here_is_cancelled_here(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    first, second, _ = await ana.call("worksheet.run", worksheet=sheet, which="all")
    await server.sessions.given(1)
    await ana.call("session.cancel", session=second["session"], msg_id=second["msg_id"])
    await end(server, first)
    over = await ends(ana, sheet, 3)
    assert over["3"] == ("cancelled", "cancelled by ana")
    assert over["4"] == ("cancelled", "not run: cell 3 before it was cancelled")
    assert await server.sessions.given(1) == ["1"]


async def test_a_kernel_that_refuses_ends_the_series(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    await ana.call("worksheet.session", worksheet=sheet)
    server.sessions.refuse = KernelUnavailable("The kernel cannot be reached.")
    await ana.call("worksheet.run", worksheet=sheet, which="all")
    over = await ends(ana, sheet, 3)
    assert over["1"] == ("lost", "The kernel cannot be reached.")
    assert over["4"] == ("cancelled", "not run: cell 1 before it was lost")


@pytest.mark.parametrize(
    ("given", "field"),
    [({"which": "above"}, "cell"), ({"which": "all", "cell": "c"}, "cell"), ({"which": "selected"}, "cells")],
)
async def test_what_does_not_fit_is_refused(given: dict[str, Any], field: str, quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    error = await ana.refused("worksheet.run", worksheet=sheet, **given)
    assert (error["code"], error["data"]["field"]) == (-32602, field)
    missing = await ana.refused("worksheet.run", worksheet=sheet, which="below", cell="missing")
    assert missing["data"]["name"] == "NotFound"
