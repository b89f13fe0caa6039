"""Where a person is in a worksheet stays, whatever happens to the page, the network and the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_long import code_cell, imported

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

CELLS = 150
TOPS = """() => Object.fromEntries([...document.querySelectorAll('[data-cell-id]')]
    .map((cell) => [cell.dataset.cellId, cell.getBoundingClientRect().top]))"""


IN_SIGHT = f"() => Object.entries(({TOPS})()).find(([, top]) => top > 100 && top < innerHeight - 200)"


def placed(ada: Notebook) -> tuple[str, float]:
    """In the middle of a long worksheet, with a selection in a cell; the cell, and where it is."""
    page = ada.page
    expect(ada.cell(1)).to_contain_text("value_0 = 0")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight * 0.6)")
    page.wait_for_function(IN_SIGHT)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    cell = str(page.evaluate(IN_SIGHT)[0])
    here = page.locator(f"[data-cell-id='{cell}']")
    here.locator("code-text").click()
    expect(here.locator(".cm-content")).to_be_focused()
    page.keyboard.press("Control+Home")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    assert selected(page) == "value"
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return cell, page.evaluate(TOPS)[cell]


def selected(page: Page) -> str:
    return str(page.evaluate("getSelection().toString()"))


def expect_placed(page: Page, cell: str, top: float) -> None:
    page.wait_for_function(f"([cell, top]) => Math.abs(({TOPS})()[cell] - top) <= 2", arg=[cell, top])
    expect(page.locator(f"[data-cell-id='{cell}'] .cm-content")).to_be_focused()
    assert selected(page) == "value"


class Network:
    """Between a page and its server. ``cut`` breaks what is open, and nothing opens until ``mend``."""

    def __init__(self, page: Page) -> None:
        self._up = True
        self._open: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/rpc$"), self._socket)
        page.route(re.compile("/rpc$"), self._request)

    def _socket(self, socket: WebSocketRoute) -> None:
        if not self._up:
            socket.close(code=1011)
            return
        socket.connect_to_server()
        self._open.append(socket)

    def _request(self, route: Route) -> None:
        if self._up:
            route.continue_()
        else:
            route.abort()

    def cut(self) -> None:
        self._up = False
        for socket in self._open:
            socket.close(code=1011)
        self._open.clear()

    def mend(self) -> None:
        self._up = True


@pytest.fixture
def url(shared_server: AntiphonServer, tmp_path: Path) -> str:
    return imported(shared_server, tmp_path, [code_cell(number) for number in range(CELLS)])


def test_place_stays_through_reload_and_a_look_elsewhere(
    shared_server: AntiphonServer, new_notebook: NewNotebook, url: str
) -> None:
    ada = new_notebook()
    page = ada.page
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    cell, top = placed(ada)
    page.reload()
    expect_placed(page, cell, top)
    # Keys go on where they were.
    page.keyboard.type("thing")
    expect(page.locator(f"[data-cell-id='{cell}']")).to_contain_text("thing_")

    page.keyboard.press("Escape")
    page.evaluate("window.scrollTo(0, 0)")
    expect(ada.cell(1)).to_be_in_viewport()
    page.evaluate("window.scrollTo(0, 2_000)")
    page.wait_for_function(IN_SIGHT)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    first = page.evaluate(IN_SIGHT)
    # Not a click of Playwright's, which scrolls first, although the line at the top is always there.
    page.get_by_role("link", name="Antiphon").evaluate("link => link.click()")
    expect(page.get_by_role("heading", name="Worksheets")).to_be_visible()
    page.go_back()
    page.wait_for_function(f"([cell, top]) => Math.abs(({TOPS})()[cell] - top) <= 2", arg=first)


def test_place_stays_while_a_second_tab_shows_and_changes_the_same(
    shared_server: AntiphonServer, new_notebook: NewNotebook, url: str
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    cell, top = placed(ada)
    here = ada.page.locator(f"[data-cell-id='{cell}']")
    place = int(here.get_attribute("aria-posinset") or 0)
    second = ada.context.new_page()
    second.goto(url)
    first_cell = second.locator("[data-cell-id][aria-posinset='1']")
    expect(first_cell).to_be_in_viewport()
    first_cell.locator("code-text").click()
    second.keyboard.press("Escape")
    second.keyboard.press("a")
    expect(first_cell).not_to_contain_text("value_0")
    first_cell.locator("code-text, .cm-content").first.click()
    second.keyboard.insert_text("from_the_second_tab = 1")
    expect(here).to_have_attribute("aria-posinset", str(place + 1))
    expect_placed(ada.page, cell, top)
    # What the second tab shows is what the server has.
    second.reload()
    expect(second.locator("[data-cell-id][aria-posinset='1']")).to_contain_text("from_the_second_tab = 1")
    second.close()


def test_place_stays_through_loss_of_the_network_and_sleep(
    shared_server: AntiphonServer, new_notebook: NewNotebook, url: str
) -> None:
    ada = new_notebook()
    page = ada.page
    network = Network(page)
    ada.sign_in(shared_server.login_link())
    ada.open(url)
    cell, top = placed(ada)
    line = page.locator("[data-connection]")
    network.cut()
    expect(line).to_contain_text(re.compile(r"(Reconnecting|Offline, trying again) in \d+ s"))
    worksheet = url.rsplit("/", 1)[1]
    said = shared_server.antiphon("run", "-w", worksheet, "-c", "'while nobody looked'")
    assert said.returncode == 0, said.stderr
    network.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(line).to_have_attribute("data-connection", "connected")
    expect_placed(page, cell, top)

    # Asleep: nothing runs in the page, and the network is gone when it wakes.
    devtools = ada.context.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    network.cut()
    network.mend()
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    expect(line).to_have_attribute("data-connection", "connected")
    expect_placed(page, cell, top)
    page.keyboard.type("thing")
    expect(page.locator(f"[data-cell-id='{cell}']")).to_contain_text("thing_")


def test_place_and_edits_stay_through_a_restart_of_the_server(
    antiphon_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    url = imported(antiphon_server, tmp_path, [code_cell(number) for number in range(CELLS)])
    ada = new_notebook()
    page = ada.page
    ada.sign_in(antiphon_server.login_link())
    ada.open(url)
    cell, top = placed(ada)
    line = page.locator("[data-connection]")
    antiphon_server.kill()
    expect(line).to_contain_text(re.compile(r"(Reconnecting|Offline, trying again) in \d+ s"))
    page.keyboard.type("thing")
    expect(line).to_contain_text("; your edits are kept")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    assert selected(page) == "thing"
    antiphon_server.restart()
    expect(line).to_have_attribute("data-connection", "connected")
    page.wait_for_function(f"([cell, top]) => Math.abs(({TOPS})()[cell] - top) <= 2", arg=[cell, top])
    assert selected(page) == "thing"
    expect(line).not_to_contain_text("kept")
    page.reload()
    expect(page.locator(f"[data-cell-id='{cell}']")).to_contain_text("thing_")
