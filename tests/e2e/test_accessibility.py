"""What axe-core finds on every view of the page, in both themes; and what it cannot see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"

EVERY_OUTPUT = """
import sys
from IPython.display import HTML, JSON, SVG, Markdown
print('plain \\x1b[31mred\\x1b[0m')
print('warned', file=sys.stderr)
print('\\n'.join(map(str, range(200))))
display(Markdown('## Heading\\n\\n[link](https://example.org) `code`\\n\\n| a | b |\\n|---|---|\\n| 1 | 2 |'))
display(JSON({'name': ['value', 1, None]}))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'))
import pandas as pd
display(pd.DataFrame({'n': range(100)}))
display({'text/latex': '$x^2$'}, raw=True)
print('\\x1b[38;5;226myellow\\x1b[0m \\x1b[38;2;20;20;20mblack\\x1b[0m \\x1b[7minverse\\x1b[0m')
display(HTML('<table><tr><th>one</th></tr><tr><td>two</td></tr></table>'))
def far(): raise ValueError('a line that is so long that it must be scrolled sideways ' + 'x' * 200)
far()
"""


def violations(page: Page) -> list[Any]:
    """What axe finds that is serious or critical: the rule and the elements."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE.read_text())
    # Output frames are documents of the code's author.
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], iframes: false})")
    return [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    shared_server: AntiphonServer, new_notebook: NewNotebook, theme: Any
) -> None:
    ada = new_notebook()
    page = ada.page
    # A colour on its way from one theme or state to another has no contrast that lasts.
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    ada.open(shared_server.url)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert violations(page) == [], "sign-in"

    ada.sign_in(shared_server.login_link())
    ada.new_worksheet(f"In {theme} colours")
    ada.run(1, EVERY_OUTPUT)
    ada.expect_state(1, "failed")
    expect(ada.outputs(1).frame_locator("iframe").locator("td")).to_be_visible()
    assert violations(page) == [], "worksheet, editing"
    page.keyboard.press("Escape")
    assert violations(page) == [], "worksheet"
    ada.outputs(1).get_by_role("button", name="show all and search").press("Enter")
    expect(ada.outputs(1).get_by_role("searchbox")).to_be_visible()
    assert violations(page) == [], "long text"

    page.get_by_role("button", name="Share").click()
    expect(page.get_by_label("Account name")).to_be_focused()
    assert violations(page) == [], "share"
    page.keyboard.press("Escape")
    page.locator("[data-menu=account] summary").click()
    assert violations(page) == [], "account menu"
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == [], "keys"
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Antiphon").click()
    expect(page.locator("[data-worksheets]")).to_be_visible()
    assert violations(page) == [], "home"

    for part in ("", "/sessions", "/audit", "/limits"):
        page.goto(f"{shared_server.url}/admin{part}")
        expect(
            page.locator("[data-admin] table").or_(page.get_by_text("No session is open."))
        ).to_be_visible()
        assert violations(page) == [], f"admin{part}"


def test_page_fits_at_twice_the_size(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    """Zoomed to 200 %, a window of 1280 × 900 has 640 × 450 of the page's pixels; a phone has 390 across."""
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("A title that is much longer than a narrow window is wide, and goes on")
    ada.run(1, EVERY_OUTPUT)
    ada.expect_state(1, "failed")
    for width, height in ((640, 450), (390, 800), (320, 225)):
        ada.page.set_viewport_size({"width": width, "height": height})
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert ada.page.evaluate(overflow) == 0, width
        ada.page.get_by_role("button", name="Share").click()
        add = ada.page.get_by_role("button", name="Add", exact=True)
        add.scroll_into_view_if_needed()
        expect(add).to_be_in_viewport()
        ada.page.keyboard.press("Escape")


def test_nothing_moves_for_who_asked_for_calm(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.page.emulate_media(reduced_motion="reduce")
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Calm")
    ada.run(1, "import time\nprint('begun')\ntime.sleep(1000)")
    expect(ada.outputs(1)).to_contain_text("begun")
    moving = "document.getAnimations().filter(a => a.effect.getComputedTiming().activeDuration > 20).length"
    assert ada.page.evaluate(moving) == 0
    ada.page.emulate_media(reduced_motion="no-preference")
    assert ada.page.evaluate(moving) > 0
    ada.page.get_by_role("button", name="Interrupt").first.click()
    ada.expect_state(1, "interrupted")
