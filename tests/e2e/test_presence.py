"""Who is here: carets of others, what they do, and scrolling with them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations
from tests.e2e.test_history import share

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


def test_two_browsers_see_each_others_caret_move(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, cleo = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Carets")
    ada.type(1, "hello")
    ada.page.keyboard.press("Control+s")
    share(ada, cleo, shared_server, "cleo")
    expect(cleo.cell(1).locator(".source")).to_have_text("hello")
    ada.cell(1).locator(".cm-content").click()

    # Not edited here: a flag at the cell says who writes in it.
    flag = cleo.cell(1).locator("[data-here] li")
    expect(flag).to_have_text("root")
    expect(cleo.page.locator("[data-people] [data-account=root]")).to_have_attribute(
        "data-does", "editing cell 1"
    )
    assert violations(cleo.page) == []

    cleo.cell(1).locator("code-text").click()
    theirs = cleo.cell(1).locator(".caret[data-account=root]")
    expect(theirs).to_have_count(1)
    expect(theirs.locator(".flag")).to_have_text("root")
    ours = ada.cell(1).locator(".caret[data-account=cleo]")
    expect(ours).to_have_count(1)

    ada.page.keyboard.press("Home")
    expect(cleo.cell(1).locator(".cm-line").first).to_have_text(re.compile("^roothello"))
    ada.page.keyboard.press("End")
    expect(cleo.cell(1).locator(".cm-line").first).to_have_text("helloroot")
    # Cleo writes before it: Ada's caret stays behind the word.
    cleo.page.keyboard.press("Home")
    cleo.page.keyboard.type("Oh, ")
    expect(ada.cell(1).locator(".cm-content")).to_contain_text("Oh, ")
    expect(cleo.cell(1).locator(".cm-line").first).to_have_text("Oh, helloroot")
    ada.page.keyboard.type("!")
    expect(cleo.cell(1).locator(".cm-line").first).to_have_text("Oh, hello!root")
    ada.page.keyboard.press("Shift+Home")
    expect(cleo.cell(1).locator(".caret-range")).to_have_text("Oh, hello!")

    ada.page.keyboard.press("Escape")
    expect(theirs).to_have_count(0)
    ada.page.close()
    expect(cleo.page.locator("[data-people] [data-account]")).to_have_count(0)


def test_the_page_scrolls_with_whom_one_follows(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, dora = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Follow")
    ada.type(1, "first\n" * 60)
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("b")
    expect(ada.cells).to_have_count(2)
    share(ada, dora, shared_server, "dora", role="observe")
    expect(dora.cells).to_have_count(2)
    expect(dora.cell(2)).not_to_be_in_viewport()
    person = dora.page.locator("[data-people] [data-account=root]")
    person.click()
    expect(person).to_have_attribute("aria-pressed", "true")
    ada.type(2, "second")
    expect(dora.cell(2)).to_be_in_viewport()
    # It says so, and ends with what Dora does herself.
    strip = dora.page.locator("[data-following=root]")
    expect(strip).to_contain_text("You go with root")
    dora.page.mouse.move(600, 500)
    dora.page.mouse.wheel(0, -300)
    expect(strip).to_have_count(0)
    expect(person).to_have_attribute("aria-pressed", "false")
    # What somebody else runs says by whom.
    ada.run(2, "import time; time.sleep(0.5)")
    expect(dora.cell(2).locator("[data-caption]")).to_contain_text("by root")
