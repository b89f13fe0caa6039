"""Where no WebSocket opens, as behind a proxy that does not upgrade: the page polls, and misses nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_history import share

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

NO_SOCKET = """
window.RealWebSocket = window.WebSocket;
window.WebSocket = class {
  constructor() { setTimeout(() => this.onclose?.({})); }
  send() {}
  close() {}
};
"""


def test_two_people_without_websocket_write_and_run_and_see_everything(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, ben = new_notebook(), new_notebook()
    for person in (ada, ben):
        person.context.add_init_script(NO_SOCKET)
    ada.sign_in(shared_server.login_link())
    state = ada.page.locator(".connection")
    expect(state).to_contain_text("Connected without WebSocket: news come a little later")
    ada.new_worksheet("Polled")
    share(ada, ben, shared_server, "ben")

    ada.run(1, "for n in range(300):\n    print('line', n)")
    for person in (ada, ben):
        person.expect_state(1, "done")
        expect(person.outputs(1)).to_contain_text("line 299")
    expect(ben.cells).to_have_count(2)
    ben.run(2, "total = 6 * 7\ntotal")
    for person in (ada, ben):
        expect(person.outputs(2)).to_have_text("42")
    ben.type(1, "written by ben")
    ben.page.keyboard.press("Control+s")
    expect(ada.cell(1).locator(".source")).to_have_text("written by ben")

    # A socket opens again: the page goes over to it, with nothing missed and nothing twice.
    ada.page.evaluate("window.WebSocket = window.RealWebSocket; dispatchEvent(new Event('online'))")
    expect(state).to_have_text("Connected")
    ben.type(2, "print('after')")
    ben.page.keyboard.press("Shift+Enter")
    for person in (ada, ben):
        expect(person.outputs(2)).to_have_text("after")
