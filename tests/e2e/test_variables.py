"""The pane of variables: it answers while code runs, marks what changed, and is driven by the keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

DATA = (
    "import pandas as pd\n"
    "frame = pd.DataFrame({'place': ['Rome', 'Oslo'] * 30, 'degrees': [21.5, 7.0] * 30})\n"
    "xs, name = [3, 1, 2], 'Ada'\n"
    "class Hang:\n    def __repr__(self): raise SystemExit\n"
    "hang = Hang()"
)


def variable(ada: Notebook, name: str) -> Locator:
    return ada.page.locator(f"[data-variable='{name}']")


def names(ada: Notebook) -> Locator:
    return ada.page.locator("[data-variable] [aria-expanded]")


def test_variables_are_told_sorted_filtered_and_opened(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Variables")
    ada.run(1, DATA)
    ada.expect_state(1, "done")
    keys.press("Control+Shift+X")
    pane = page.get_by_role("complementary", name="Variables")
    expect(names(ada)).to_have_text(["frame", "hang", "name", "xs"])
    expect(variable(ada, "frame")).to_contain_text("60 × 2")
    expect(variable(ada, "frame")).to_contain_text("place (str), degrees (float64)")
    expect(variable(ada, "hang")).to_contain_text("<Hang>")
    assert violations(page) == []

    # What a run changes is marked when it ends.
    ada.run(2, "xs.append(4)\nnew = 1")
    expect(page.locator("[data-variable].changed")).to_have_count(2)
    expect(page.locator("[data-variables-told]")).to_have_text("5 variables, 2 changed")
    expect(variable(ada, "xs")).to_contain_text("[3, 1, 2, 4]")

    # By keyboard: sort, go down, open, page, close.
    pane.get_by_role("button", name="Size").focus()
    keys.press("Enter")
    expect(names(ada).first).to_have_text("frame")
    names(ada).first.focus()
    keys.press("Enter")
    details = variable(ada, "frame").locator("[data-details]")
    expect(details.locator("tbody tr").first).to_have_text("0 Rome 21.5", use_inner_text=True)
    expect(details).to_contain_text("0 to 19 of 60")
    details.get_by_role("button", name="Later rows of frame").press("Enter")
    expect(details).to_contain_text("20 to 39 of 60")
    assert violations(page) == []
    names(ada).first.focus()
    keys.press("ArrowDown")
    expect(names(ada).nth(1)).to_be_focused()
    keys.press("Home")
    keys.press("Enter")
    expect(details).to_have_count(0)

    page.get_by_role("searchbox", name="Filter variables").fill("nam")
    expect(names(ada)).to_have_text(["name"])
    expect(page.locator("[data-variables-told]")).to_contain_text("1 of 5 variables")
    page.get_by_role("button", name="Close: Variables").click()
    expect(pane).to_have_count(0)


def test_variables_are_told_while_a_cell_runs(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Busy")
    ada.run(1, "spam, run = 41, True\nwhile run: pass")
    ada.expect_state(1, "running")
    ada.view("Variables")
    expect(variable(ada, "spam")).to_contain_text("41")
    ada.expect_state(1, "running")
    ada.page.get_by_role("button", name="Interrupt", exact=True).first.click()
    ada.expect_state(1, "interrupted")


def test_who_may_only_look_sees_no_variables(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, otto = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Secret")
    ada.run(1, "secret = 1")
    ada.expect_state(1, "done")
    link = shared_server.login_link("otto")
    worksheet = ada.page.url.rsplit("/", 1)[1]
    assert shared_server.antiphon("worksheets", "share", worksheet, "otto", "observe").returncode == 0
    otto.sign_in(link)
    otto.open(ada.page.url)
    expect(otto.cells).to_have_count(2)
    expect(otto.page.locator("[data-command=variables]")).to_have_count(0)
    expect(otto.page.locator("[data-menu=view] [data-command=outline]")).to_have_count(1)
    otto.page.keyboard.press("Control+Shift+X")
    expect(otto.page.locator("[data-pane]")).to_have_count(0)
