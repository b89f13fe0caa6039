"""What was: the bin, a cell's earlier runs, and the history of the whole worksheet."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


def share(ada: Notebook, other: Notebook, server: AntiphonServer, name: str, role: str = "edit") -> None:
    """Somebody new has Ada's worksheet open too."""
    other.sign_in(server.login_link(name))
    ada.page.get_by_role("button", name="Share").click()
    ada.page.get_by_label("Account name").fill(name)
    ada.page.locator("form:has(input[name=account]) select").select_option(role)
    ada.page.get_by_role("button", name="Add", exact=True).click()
    expect(ada.page.locator(f"[data-members] [data-account={name}]")).to_be_visible()
    ada.page.keyboard.press("Escape")
    other.open(ada.page.url)
    expect(other.cell(1)).to_be_visible()


def make_older(server: AntiphonServer, worksheet: str) -> None:
    """All that happened so far happened in another century."""
    with closing(sqlite3.connect(server.data / "antiphon.sqlite", timeout=30)) as database:
        database.execute(
            "UPDATE entries SET entry = json_set(entry, '$.date', '1999' || substr(entry ->> 'date', 5)) "
            "WHERE worksheet = ?",
            [worksheet],
        )
        database.commit()


def test_a_deleted_cell_comes_back_with_its_output_from_another_window_after_a_reload(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, ben = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Bin")
    ada.run(1, "print('kept')")
    expect(ada.outputs(1)).to_have_text("kept")
    expect(ada.cells).to_have_count(2)
    ada.type(2, "second = 2")
    share(ada, ben, shared_server, "ben")

    ada.page.keyboard.press("Escape")
    ada.cell(1).focus()
    ada.page.keyboard.press("d")
    ada.page.keyboard.press("d")
    expect(ada.cells).to_have_count(1)
    ben.page.reload()
    expect(ben.cells).to_have_count(1)
    ben.page.locator("[data-menu=worksheet] summary").click()
    ben.page.get_by_role("button", name="Deleted cells").click()
    expect(ben.page.locator("[data-bin] code-text")).to_have_text("print('kept')")
    assert violations(ben.page) == []
    ben.page.get_by_role("button", name="Bring back").click()

    for window in (ben, ada):
        expect(window.cells).to_have_count(2)
        expect(window.cell(1).locator(".source")).to_have_text("print('kept')")
        expect(window.outputs(1)).to_have_text("kept")
        window.expect_state(1, "done")
    ben.page.locator("[data-menu=worksheet] summary").click()
    ben.page.get_by_role("button", name="Deleted cells").click()
    expect(ben.page.get_by_text("The bin is empty.")).to_be_visible()


def test_a_key_brings_back_what_a_key_deleted(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Undo")
    ada.run(1, "print('kept')")
    expect(ada.outputs(1)).to_have_text("kept")
    expect(ada.cells).to_have_count(2)
    ada.type(1, "print('typed last')")
    for key in ("Escape", "x"):
        ada.page.keyboard.press(key)
    expect(ada.cells).to_have_count(1)
    ada.page.keyboard.press("z")
    expect(ada.cell(1).locator(".source")).to_have_text("print('typed last')")
    expect(ada.outputs(1)).to_have_text("kept")


def test_two_runs_of_a_cell_are_compared(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Runs")
    for n in (1, 2, 3):
        ada.run(1, f"x = {n}\nprint('result', x)")
        expect(ada.outputs(1)).to_have_text(f"result {n}")
    ada.cell(1).hover()
    ada.cell(1).get_by_role("button", name="Earlier runs of cell 1").click()
    page = ada.page
    boxes = page.locator("[data-runs] input")
    expect(boxes).to_have_count(3)
    expect(page.locator("[data-run]")).to_have_count(2)
    expect(page.locator("[data-compared] .gone")).to_have_text(re.compile(r"removed: x = 2"))
    expect(page.locator("[data-compared] .new")).to_have_text(re.compile(r"added: x = 3"))
    expect(page.locator("[data-run] .outputs")).to_have_text([re.compile("result 2"), re.compile("result 3")])
    assert violations(page) == []

    boxes.nth(2).focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-run] .outputs")).to_have_text([re.compile("result 1"), re.compile("result 3")])
    boxes.nth(0).uncheck()
    expect(page.locator("[data-run] .outputs")).to_have_text([re.compile("result 1")])


def test_history_shows_an_earlier_state_and_restores_it(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, ben = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("History")
    ada.type(1, "first = 1")
    ada.page.keyboard.press("Control+s")
    share(ada, ben, shared_server, "bob", role="observe")
    expect(ben.cell(1).locator(".source")).to_have_text("first = 1")
    sheet = ada.page.url.rsplit("/", 1)[1]
    make_older(shared_server, sheet)
    ada.type(1, "first = 100")
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("b")
    expect(ada.cells).to_have_count(2)

    page = ada.page
    page.locator("[data-menu=worksheet] summary").click()
    page.get_by_role("button", name="Earlier states").click()
    slider = page.get_by_role("slider", name="Moment")
    expect(slider).to_be_focused()
    expect(page.locator("[data-then-cell]")).to_have_count(2)
    expect(page.locator("[data-then-cell][data-change=new]")).to_have_count(1)
    expect(page.locator("[data-change=changed] .gone")).to_have_text(re.compile("first = 1$"))
    assert violations(page) == []
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-then-cell]")).to_have_count(1)
    expect(page.locator("[data-then-cell]")).to_contain_text("first = 1")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("wrote"))
    page.get_by_role("button", name="Restore this").click()

    for window in (ada, ben):
        expect(window.cells).to_have_count(1)
        expect(window.cell(1).locator(".source")).to_have_text("first = 1")
    page.locator("[data-menu=worksheet] summary").click()
    page.get_by_role("button", name="Earlier states").click()
    expect(page.locator("[data-moment]")).to_contain_text("went back")
    page.keyboard.press("Escape")
    expect(ada.cell(1)).to_be_visible()

    ben.page.locator("[data-menu=worksheet] summary").click()
    ben.page.get_by_role("button", name="Earlier states").click()
    expect(ben.page.locator("[data-then-cell]").first).to_be_visible()
    expect(ben.page.get_by_role("button", name="Restore this")).to_have_count(0)
