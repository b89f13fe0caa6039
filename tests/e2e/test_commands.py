"""The palette, the keys of Jupyter, and the outline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations
from tests.e2e.test_long import code_cell, imported

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


def texts(notebook: Notebook) -> list[str]:
    return [text.strip() for text in notebook.page.locator("[data-cell-id] .source").all_inner_texts()]


def text_cell(number: int, source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "id": f"text-{number}", "metadata": {}, "source": source}


def test_the_palette_finds_and_gives_commands(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Palette")
    ada.type(1, "6 * 7")
    # From within an editor; the command finds the cell that is edited, and the editor has the focus again.
    keys.press("Control+Shift+P")
    query = page.get_by_role("combobox", name="Find a command")
    expect(query).to_be_focused()
    assert violations(page) == []
    keys.type("run stay")
    expect(page.locator("[data-palette] [aria-selected=true]")).to_contain_text("Run the cell, and stay")
    expect(page.locator("[data-palette] [aria-selected=true] kbd")).to_have_text("Ctrl+Enter")
    keys.press("Enter")
    expect(query).to_have_count(0)
    expect(ada.outputs(1)).to_have_text("42")

    keys.press("Control+Shift+C")
    keys.type("kernel")
    expect(page.locator("[data-palette] [aria-selected=true]")).to_contain_text("Restart the session")
    keys.press("Escape")
    expect(query).to_have_count(0)
    expect(ada.cell(1)).to_be_focused()

    # With the arrows, to a command that opens another dialog.
    keys.press("p")
    keys.type("keys")
    expect(page.locator("[data-palette] [role=option]").first).to_contain_text("Show all keys")
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    expect(page.locator("dialog")).to_contain_text("Merge the selected cells")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    # What cannot be done now is not offered.
    keys.press("p")
    keys.type("paste")
    expect(page.get_by_text("No command answers to this.")).to_be_visible()
    keys.press("Escape")


def test_the_keys_of_jupyter(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Keys")
    ada.type(1, "one = 1\ntwo = 2\nprint(one + two)")
    # Split at the cursor: the beginning of the last line.
    keys.press("Home")
    keys.press("Control+Shift+-")
    expect(ada.cells).to_have_count(2)
    expect(ada.cell(2).locator(".cm-content")).to_be_focused()
    keys.press("Escape")
    expect(ada.cell(1).locator(".source")).to_have_text("one = 1\ntwo = 2", use_inner_text=True)
    assert texts(ada) == ["one = 1\ntwo = 2", "print(one + two)"]
    keys.press("k")
    expect(ada.cell(1)).to_be_focused()
    keys.press("Shift+M")
    expect(ada.cells).to_have_count(1)
    expect(ada.cell(1)).to_contain_text("print(one + two)")
    assert texts(ada) == ["one = 1\ntwo = 2\n\nprint(one + two)"]
    expect(ada.cell(1)).to_be_focused()

    keys.press("Control+Enter")
    expect(ada.outputs(1)).to_have_text("3")
    keys.press("o")
    expect(ada.outputs(1)).to_contain_text("One output is hidden")
    keys.press("o")
    expect(ada.outputs(1)).to_have_text("3")

    keys.press("c")
    keys.press("v")
    expect(ada.cells).to_have_count(2)
    expect(ada.cell(2)).to_be_focused()
    expect(ada.cell(2)).to_contain_text("print(one + two)")
    keys.press("x")
    expect(ada.cells).to_have_count(1)
    keys.press("Shift+V")
    expect(ada.cells).to_have_count(2)
    keys.press("z")
    expect(ada.cells).to_have_count(1)
    keys.press("z")
    expect(ada.cells).to_have_count(2)
    keys.press("Shift+Z")
    expect(ada.cells).to_have_count(1)
    keys.press("z")
    expect(ada.cells).to_have_count(2)

    ada.type(1, "Data")
    keys.press("Escape")
    keys.press("2")
    expect(ada.cell(1).get_by_role("heading", level=2)).to_have_text("Data")

    keys.press("Shift+L")
    number = """() => {
        const line = document.querySelector('code-text .line');
        return line !== null && getComputedStyle(line, '::before').content === 'counter(line)';
    }"""
    page.wait_for_function(number)
    page.reload()
    expect(ada.cells).to_have_count(2)
    expect(ada.cell(2)).to_contain_text("one = 1")
    page.wait_for_function(number)


def test_the_outline_leads_to_what_failed(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    cells = [text_cell(1, "# Data\n\nWords"), *(code_cell(number) for number in range(30))]
    cells += [text_cell(2, "## Errors"), {**code_cell(100), "source": "1 / 0"}]
    cells += [code_cell(number) for number in range(101, 161)]
    url = imported(shared_server, tmp_path, cells)
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    expect(ada.cell(2)).to_contain_text("value_0 = 0")
    ada.view("Outline")
    pane = page.get_by_role("complementary", name="Outline")
    expect(pane.locator("[data-level='1'] .heading")).to_have_text("Data")
    expect(pane.locator("[data-outline-cell='33']").last).to_contain_text("1 / 0")
    page.get_by_role("button", name="Run all").click()
    expect(pane.locator("[data-state=failed]")).to_contain_text("1 / 0")
    stopped = "The run stopped at cell 33. 60 cells behind it did not run."
    expect(pane).to_contain_text(stopped)
    expect(page.locator("[data-stopped]")).to_contain_text(stopped)
    assert violations(page) == []

    # A long way by one click: the cell is on the screen and has the focus.
    pane.get_by_role("button", name="Go to the first cell that failed").click()
    failed = page.locator("[aria-posinset='33']")
    expect(failed).to_be_focused()
    expect(failed).to_be_in_viewport()
    pane.locator("[data-outline-cell='90'] button").click()
    expect(page.locator("[aria-posinset='90']")).to_be_in_viewport()
    expect(page.locator("[aria-posinset='90']")).to_be_focused()
    expect(pane.locator("[aria-current=true]")).to_contain_text("90")
    pane.get_by_role("button", name="Errors").click()
    expect(page.locator("[aria-posinset='32']")).to_be_in_viewport()

    # It is there again after a reload, until it is closed.
    page.reload()
    expect(pane.locator("[data-level='2'] .heading")).to_have_text("Errors")
    keys.press("Control+Shift+O")
    expect(pane).to_have_count(0)
