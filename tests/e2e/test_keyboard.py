"""A whole session by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

PHRASE = "correct horse battery staple"

IS_SEEN = """() => {
  const element = document.activeElement;
  if (element === document.body) return "nothing has the focus";
  // An editor has its cursor, and its cell the thick line; a cell has the line alone.
  if (element.closest(".cm-editor")) return "";
  const cell = element.matches("[data-cell-id]") ? getComputedStyle(element, "::before").width : "";
  if (cell === "3px") return "";
  const style = getComputedStyle(element);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return outlined || style.boxShadow !== "none" ? "" : element.outerHTML.slice(0, 200);
}"""


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the focus is on what has that name. Each stop on the way must be seen."""
    for _ in range(60):
        page.keyboard.press(key)
        unseen = page.evaluate(IS_SEEN)
        # Between the last and the first stop the browser's own frame has the focus.
        assert unseen in ("", "nothing has the focus"), unseen
        focused = page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.ariaLabel ?? e.labels?.[0]?.textContent ?? e.textContent }"
        )
        if focused.strip() == name:
            return
    pytest.fail(f"Tab does not lead to {name!r}")


def test_whole_session_by_keyboard_alone(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    kay = new_notebook()
    page, keys = kay.page, kay.page.keyboard
    kay.sign_in(shared_server.login_link("kay"))
    tab_to(page, "Your account")
    keys.press("Enter")
    tab_to(page, "Set password…")
    keys.press("Enter")
    expect(page.get_by_label("Current password")).to_be_focused()
    keys.press("Tab")
    keys.type(PHRASE)
    keys.press("Enter")
    expect(page.get_by_text("Your password is set.")).to_be_visible()
    tab_to(page, "Your account")
    keys.press("Enter")
    tab_to(page, "Sign out")
    keys.press("Enter")

    expect(page.get_by_label("Name")).to_be_focused()
    keys.type("kay")
    keys.press("Tab")
    keys.type(PHRASE)
    keys.press("Enter")
    expect(page.get_by_role("button", name="New worksheet")).to_be_visible()

    tab_to(page, "New worksheet")
    keys.press("Enter")
    expect(kay.cells).to_have_count(1)
    expect(kay.cell(1).locator(".cm-content")).to_be_focused()
    keys.press("Escape")
    expect(kay.cell(1)).to_be_focused()

    keys.press("Enter")
    expect(kay.cell(1).locator(".cm-content")).to_be_focused()
    keys.type("6 * 7")
    keys.press("Shift+Enter")
    expect(kay.outputs(1)).to_have_text("42")
    expect(kay.cell(2).locator(".cm-content")).to_be_focused()
    keys.type("'second'")
    keys.press("Control+Enter")
    expect(kay.outputs(2)).to_have_text("'second'")

    keys.press("Escape")
    expect(kay.cell(2)).to_be_focused()
    keys.press("Alt+ArrowUp")
    expect(kay.outputs(1)).to_have_text("'second'")
    expect(kay.cell(1)).to_be_focused()
    keys.press("d")
    keys.press("d")
    expect(kay.cells).to_have_count(1)
    expect(kay.cell(1)).to_be_focused()
    keys.press("x")
    expect(kay.cells).to_have_count(0)
    keys.press("z")
    expect(kay.cells).to_have_count(1)
    expect(kay.cell(1)).to_contain_text("6 * 7")
    expect(kay.cell(1)).to_be_focused()

    tab_to(page, "Share", "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_label("Account name")).to_be_focused()
    # The focus stays in the dialog, all the way around.
    for _ in range(8):
        keys.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Share")).to_be_focused()

    tab_to(page, "Your account")
    keys.press("Enter")
    tab_to(page, "Keys")
    keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("[data-menu=account] summary")).to_be_focused()


def test_tab_leaves_the_editor_after_escape(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    kay = new_notebook()
    kay.sign_in(shared_server.login_link())
    kay.new_worksheet("No trap")
    kay.type(1, "")
    kay.page.keyboard.press("Tab")
    expect(kay.cell(1).locator(".cm-content")).to_be_focused()
    kay.page.keyboard.press("Escape")
    tab_to(kay.page, "Share")
