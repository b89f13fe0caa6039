"""What the editor tells while somebody writes: at the cursor, and beside a list of completions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

DEFINE = (
    "def spam_and_eggs(x, times=2):\n"
    '    """Serve breakfast.\n\n    Parameters\n    ----------\n    x : int\n        Guests.\n    """\n'
    "    return x * times"
)


def test_shift_tab_tells_what_stands_at_the_cursor(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Inspector")
    ada.run(1, DEFINE)
    ada.expect_state(1, "done")
    ada.type(2, "spam_and_eggs(")
    keys.press("Shift+Tab")
    popover = page.locator("[data-inspector]")
    expect(popover).to_contain_text("spam_and_eggs(x, times=2)")
    expect(popover.get_by_role("heading", name="Parameters")).to_be_visible()
    expect(popover).not_to_contain_text("return x * times")
    assert violations(page) == []
    # No dialog: who reads can write on. Asked once more, it tells all; then it closes.
    expect(ada.cell(2).locator(".cm-content")).to_be_focused()
    keys.press("Shift+Tab")
    expect(popover).to_contain_text("return x * times")
    keys.press("Shift+Tab")
    expect(popover).to_have_count(0)

    keys.press("Shift+Tab")
    expect(popover).to_contain_text("Serve breakfast.")
    keys.press("Escape")
    expect(popover).to_have_count(0)
    expect(ada.cell(2).locator(".cm-content")).to_be_focused()
    keys.press("Shift+Tab")
    expect(popover).to_be_visible()
    keys.type("3")
    expect(popover).to_have_count(0)
    ada.type(2, "nobody_knows_me")
    keys.press("Shift+Tab")
    expect(popover).to_contain_text("Nothing is known about what is at the cursor.")


def test_completion_comes_while_one_types_with_documentation(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Completion")
    ada.run(1, DEFINE)
    ada.expect_state(1, "done")
    ada.type(2, "")
    keys.type("spam_an")
    listed = page.locator(".cm-tooltip-autocomplete")
    expect(listed).to_contain_text("spam_and_eggs")
    expect(listed.locator(".cm-completionDetail")).to_have_text("function")
    # It blocks nothing: a line break is one, unless something was chosen.
    keys.press("Enter")
    keys.type("spam_an")
    expect(listed).to_contain_text("spam_and_eggs")
    keys.press("ArrowDown")
    info = page.locator("[data-completion-info]")
    expect(info).to_contain_text("Serve breakfast.")
    keys.press("Enter")
    keys.type("(3)")
    expect(ada.cell(2).locator(".cm-line")).to_have_text(["spam_an", "spam_and_eggs(3)"])

    # Tab takes the first.
    keys.press("Control+a")
    keys.type("spam_an")
    expect(listed).to_contain_text("spam_and_eggs")
    keys.press("Tab")
    expect(ada.cell(2).locator(".cm-line")).to_have_text(["spam_and_eggs"])

    # Nothing comes in a string or a comment, and a list that came by itself keeps nobody from leaving.
    keys.press("Control+a")
    keys.type("# spam_an")
    keys.press("Enter")
    keys.type("spam_an")
    expect(listed).to_contain_text("spam_and_eggs")
    keys.press("Escape")
    expect(ada.cell(2)).to_be_focused()
    expect(listed).to_have_count(0)
