"""Worksheets of thousands of cells: what is drawn, what stays, and what a key costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

MANY = 2_000


def code_cell(number: int) -> dict[str, object]:
    """A cell of one to seven lines, so that no two neighbours are of one height."""
    lines = [f"value_{number} = {number}", *(f"# line {line}" for line in range(number % 7))]
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": "\n".join(lines),
    }


def imported(server: AntiphonServer, folder: Path, cells: list[dict[str, object]]) -> str:
    """The address of a new worksheet with these cells."""
    path = folder / "Long.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    answer = server.antiphon("worksheets", "import", str(path))
    assert answer.returncode == 0, answer.stderr
    return f"{server.url}/w/{answer.stdout.split()[0]}"


def test_of_two_thousand_cells_those_on_the_screen_are_drawn(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    url = imported(shared_server, tmp_path, [code_cell(number) for number in range(MANY)])
    ada = new_notebook()
    page = ada.page
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    expect(ada.cell(1)).to_contain_text("value_0 = 0")
    assert ada.cells.count() < 100
    expect(ada.cell(1)).to_have_attribute("aria-posinset", "1")
    expect(ada.cell(1)).to_have_attribute("aria-setsize", str(MANY))
    assert violations(page) == []

    # To the end at once, as with the scroll bar; the room of what was never seen is about right.
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    last = page.locator(f"[data-cell-id][aria-posinset='{MANY}']")
    expect(last).to_be_in_viewport()
    expect(last).to_contain_text(f"value_{MANY - 1} = ")
    assert ada.cells.count() < 100
    # The cell that the keys speak to is there, wherever it is.
    expect(page.locator("[aria-posinset='1']")).to_have_count(1)
    expect(page.locator("[aria-posinset='1']")).not_to_be_in_viewport()


def test_what_is_seen_stays_in_its_place_when_cells_come_above(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    url = imported(shared_server, tmp_path, [code_cell(number) for number in range(300)])
    ada = new_notebook()
    page = ada.page
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    expect(ada.cell(1)).to_contain_text("value_0 = 0")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
    # The first cell whose upper edge is on the screen.
    find = """() => {
        const cells = [...document.querySelectorAll('[data-cell-id]')];
        const seen = cells.find((cell) => cell.getBoundingClientRect().top > 80);
        return seen && innerHeight > seen.getBoundingClientRect().top ? seen.dataset.cellId : null;
    }"""
    cell = page.wait_for_function(find).json_value()
    seen = page.locator(f"[data-cell-id='{cell}']")
    expect(seen).to_be_in_viewport()
    place = int(seen.get_attribute("aria-posinset") or 0)
    top = seen.evaluate("cell => cell.getBoundingClientRect().top")
    ben = new_notebook()
    ben.sign_in(shared_server.login_link())
    ben.open(url)
    ben.cell(1).locator("code-text").click()
    ben.page.keyboard.press("Escape")
    ben.page.keyboard.press("a")
    expect(seen).to_have_attribute("aria-posinset", str(place + 1))
    moved = seen.evaluate(
        """(cell, top) => new Promise((done) => {
            const moved = () => done(cell.getBoundingClientRect().top - top);
            requestAnimationFrame(() => requestAnimationFrame(moved));
        })""",
        top,
    )
    assert abs(moved) <= 1

    # On paper is all of it.
    count = "window.printed = document.querySelectorAll('[data-cell-id]').length"
    page.evaluate(f"addEventListener('beforeprint', () => {{ {count} }})")
    page.pdf()
    assert page.evaluate("window.printed") == 301
    expect(page.locator("[data-gap]")).not_to_have_count(0)


def test_a_frame_that_was_used_stays_when_it_is_scrolled_away(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    cells = [code_cell(number) for number in range(200)]
    cells[0]["source"] = (
        "from IPython.display import HTML\n"
        "HTML('<button onclick=\"this.textContent = Number(this.textContent) + 1\">0</button>')"
    )
    url = imported(shared_server, tmp_path, cells)
    ada = new_notebook()
    page = ada.page
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    ada.cell(1).get_by_role("button", name="Run cell 1").click()
    counter = page.locator("[aria-posinset='1']").frame_locator("iframe").locator("button")
    counter.click()
    expect(counter).to_have_text("1")
    page.locator("[aria-posinset='3']").click()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("[aria-posinset='200']")).to_be_in_viewport()
    expect(page.locator("[aria-posinset='2']")).to_have_count(0)
    page.evaluate("window.scrollTo(0, 0)")
    expect(page.locator("[aria-posinset='2']")).to_be_in_viewport()
    expect(counter).to_have_text("1")
