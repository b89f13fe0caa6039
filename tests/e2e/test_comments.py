"""Comments on cells: two people say something about a cell, and see it at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations
from tests.e2e.test_history import share

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

HIGHLIGHTED = "[...(CSS.highlights.get('commented') ?? [])].map(String)"


def highlighted(page: Page, texts: list[str]) -> None:
    """What comments are about, as the browser draws it in still texts."""
    page.wait_for_function(f"texts => JSON.stringify({HIGHLIGHTED}) === JSON.stringify(texts)", arg=texts)


def test_two_people_talk_about_a_part_of_a_cell_by_keyboard(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, ben = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Talk")
    ada.type(1, "a = 1\nb = 2")
    ada.page.keyboard.press("Control+s")
    share(ada, ben, shared_server, "tom", role="answer")
    expect(ben.cell(1).locator(".source")).to_have_text("a = 1\nb = 2", use_inner_text=True)

    # Ada selects the second line in the editor, and writes about it without the mouse.
    ada.cell(1).locator(".cm-content").click()
    ada.page.keyboard.press("Control+End")
    ada.page.keyboard.press("Shift+Home")
    ada.page.keyboard.press("Control+Alt+m")
    field = ada.page.get_by_label("Your comment")
    expect(field).to_be_focused()
    expect(ada.page.locator("[data-beginning] .quote")).to_have_text("b = 2")
    ada.page.keyboard.type("Why **2**? <img src=x onerror=alert(1)>")
    ada.page.keyboard.press("Control+Enter")
    thread = ada.page.locator("[data-thread]")
    expect(thread.locator("strong", has_text="2").last).to_have_text("2")
    highlighted(ada.page, ["b = 2"])

    # Ben is told, sees the mark, and reads: the mark is calm then, and stays so.
    mark = ben.cell(1).locator(".comment-mark")
    expect(mark).to_have_attribute("aria-label", "1 comment, 1 not read")
    expect(ben.page.locator("#announcer")).to_have_text("root commented on cell 1")
    highlighted(ben.page, ["b = 2"])
    ben.cell(1).focus()
    ben.page.keyboard.press("Shift+c")
    expect(mark).to_have_attribute("aria-label", "1 comment")
    expect(ben.page.locator("[data-thread] img")).to_have_count(0)
    assert violations(ben.page) == []
    ben.page.reload()
    expect(mark).to_have_attribute("aria-label", "1 comment")

    # What is written before the range moves it, in the editor and elsewhere.
    ada.cell(1).locator("code-text").click()
    ada.page.keyboard.press("Control+Home")
    ada.page.keyboard.type("# new\n")
    expect(ada.cell(1).locator(".cm-editor .commented")).to_have_text("b = 2")
    expect(ben.cell(1).locator(".source")).to_contain_text("# new")
    highlighted(ben.page, ["b = 2"])

    # Ben answers by keyboard, changes it, deletes it and puts it back.
    theirs = ben.page.locator("[data-thread]")
    theirs.focus()
    ben.page.keyboard.press("Enter")
    expect(ben.page.get_by_label("Your answer")).to_be_focused()
    ben.page.keyboard.type("Because.")
    ben.page.keyboard.press("Control+Enter")
    expect(ada.page.locator("[data-comment]")).to_have_count(2)
    ben.page.get_by_role("button", name="Change your comment").click()
    ben.page.get_by_label("Another text").fill("Because of *me*.")
    ben.page.keyboard.press("Control+Enter")
    expect(ada.page.locator("[data-comment]").last).to_contain_text("edited")
    expect(ada.page.locator("[data-comment]").last).to_contain_text("Because of me.")
    expect(theirs.get_by_role("button", name="Delete")).to_have_count(1)
    ben.page.get_by_role("button", name="Delete the comment of yours").click()
    expect(ada.page.locator("[data-comment]").last).to_contain_text("Deleted")
    ben.page.get_by_role("button", name="Put it back").click()
    expect(ada.page.locator("[data-comment]").last).to_contain_text("Because of me.")

    # Settled threads are out of the way, and can be opened again.
    ada.page.locator("[data-resolve]").click()
    expect(mark).to_have_count(0)
    expect(theirs).to_have_count(0)
    highlighted(ben.page, [])
    ben.page.get_by_label("Settled ones too").check()
    theirs.get_by_role("button", name="Open again").click()
    expect(mark).to_be_visible()

    # Whoever may only look reads, and finds no way to write.
    shared_server.antiphon("worksheets", "share", "Talk", "tom", "observe")
    expect(ben.page.locator("[data-connection=read-only]")).to_be_visible()
    expect(theirs).to_have_count(1)
    expect(ben.page.get_by_role("button", name="Answer")).to_have_count(0)
