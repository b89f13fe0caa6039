"""A real Chromium, and a notebook page driven as a person would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.deadline import DEADLINE

WAIT_MS = DEADLINE * 1000

CHROMIUM_OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=WAIT_MS)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or Playwright's own where there is none: one for all tests of this folder."""
    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    # Not for the whole run: its event loop would stay in the way of asynchronous tests of other folders.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=[*CHROMIUM_OPTIONS, *sandbox])
        yield browser
        browser.close()


class Notebook:
    """One browser with a profile of its own. Fails the test if the page reports an error of its own."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.errors: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, url: str) -> None:
        self.page.goto(url)

    def sign_in(self, link: str) -> None:
        self.open(link)
        expect(self.page.get_by_role("button", name="New worksheet")).to_be_visible()
        # A button that is pressed before there is a connection says so and does nothing.
        expect(self.page.locator("[data-connection=connected]")).to_be_visible()

    def new_worksheet(self, title: str) -> None:
        self.page.get_by_role("button", name="New worksheet").click()
        name = self.page.get_by_role("textbox", name="Title of the worksheet")
        name.fill(title)
        name.press("Enter")
        expect(self.cells).to_have_count(1)

    @property
    def cells(self) -> Locator:
        return self.page.locator("[data-cell-id]")

    def cell(self, number: int) -> Locator:
        """The cell at a place, counted from 1 as the page does."""
        return self.cells.nth(number - 1)

    def outputs(self, number: int) -> Locator:
        return self.cell(number).locator("[data-outputs]")

    def view(self, name: str) -> None:
        """Choose from the menu *View*."""
        self.page.locator("[data-menu=view] summary").click()
        self.page.locator("[data-menu=view]").get_by_role("button", name=name, exact=True).click()

    def type(self, number: int, code: str) -> None:
        """Click into a cell and replace its text."""
        self.cell(number).locator("code-text, .cm-content").first.click()
        editor = self.cell(number).locator(".cm-content")
        expect(editor).to_be_focused()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)

    def run(self, number: int, code: str) -> None:
        """Type into a cell and press Shift+Enter, which runs it and goes on to the next."""
        self.type(number, code)
        self.page.keyboard.press("Shift+Enter")

    def expect_state(self, number: int, state: str) -> None:
        expect(self.cell(number)).to_have_attribute("data-state", state)

    def close(self) -> None:
        self.context.close()
        assert not self.errors, self.errors


@pytest.fixture
def new_notebook(
    chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], Notebook]]:
    """Makes browsers, each a person of its own; a failed test leaves a picture of each in ``tmp_path``."""
    opened: list[Notebook] = []

    def make() -> Notebook:
        notebook = Notebook(chromium.new_context(viewport={"width": 1280, "height": 900}))
        opened.append(notebook)
        return notebook

    yield make
    for number, notebook in enumerate(opened):
        if notebook.page.is_closed():
            continue
        if FAILED in request.node.stash:
            # A worksheet of thousands of cells is too tall for a picture.
            tall = notebook.page.evaluate("document.body.scrollHeight") > 20_000
            notebook.page.screenshot(path=tmp_path / f"browser-{number}.png", full_page=not tall)
        notebook.close()
