"""What the page says of a session: what it asks, what it uses, that it has ended, that a long run has."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

HIDDEN = """
Object.defineProperty(document, "hidden", { get: () => window.looksElsewhere === true });
window.told = [];
window.Notification = class {
  static permission = "default";
  static requestPermission = async () => (Notification.permission = "granted");
  constructor(title, { body }) { window.told.push([title, body]); }
  close() {}
};
"""
"""A page that nobody sees, and what the system would show: a headless browser has neither."""


def share(server: AntiphonServer, ada: Notebook, account: str, role: str) -> str:
    """Let an account in; returns its login link."""
    link = server.login_link(account)
    worksheet = ada.page.url.rsplit("/", 1)[1]
    assert server.antiphon("worksheets", "share", worksheet, account, role).returncode == 0
    return link


def test_a_prompt_calls_all_who_may_answer(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada, bea, eve = new_notebook(), new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Prompts")
    for person, name, role in ((bea, "bea", "answer"), (eve, "eve", "observe")):
        person.sign_in(share(shared_server, ada, name, role))
        person.open(ada.page.url)
        expect(person.cells).to_have_count(1)
    ada.run(1, "from getpass import getpass\nname = input('Your name? ')\nlen(getpass('Word? '))")
    for person in (ada, bea):
        expect(person.page.locator("[data-asks]")).to_contain_text("Cell 1 asks: “Your name?”")
        expect(person.page).to_have_title(re.compile(r"^\? "))
    assert violations(bea.page) == []
    expect(eve.outputs(1)).to_contain_text("waits for an answer")
    expect(eve.page.locator("[data-asks]")).to_have_count(0)

    bea.page.locator("[data-asks]").click()
    field = bea.outputs(1).get_by_label("Your name?")
    expect(field).to_be_focused()
    bea.page.keyboard.type("Bea")
    bea.page.keyboard.press("Enter")
    for person in (ada, bea, eve):
        expect(person.outputs(1)).to_contain_text("answered by bea")
    expect(ada.page.locator(".notices")).to_contain_text("bea answered what cell 1 asked.")

    # A password: by the palette, and not written anywhere.
    expect(ada.page.locator("[data-asks]")).to_contain_text("Word?")
    ada.page.keyboard.press("Control+Shift+P")
    ada.page.keyboard.type("asks answer")
    ada.page.keyboard.press("Enter")
    secret = ada.outputs(1).get_by_label("Word?")
    expect(secret).to_be_focused()
    expect(secret).to_have_attribute("type", "password")
    ada.page.keyboard.type("12345")
    ada.page.keyboard.press("Enter")
    for person in (ada, bea, eve):
        expect(person.outputs(1).locator("[data-output=display]")).to_have_text("5")
        expect(person.page.locator("[data-asks]")).to_have_count(0)
        expect(person.page.get_by_text("12345")).to_have_count(0)


def test_a_session_says_what_it_uses_and_its_last_word(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Last word")
    ada.run(1, "x = 1")
    ada.expect_state(1, "done")
    expect(ada.page.locator("[data-meter]")).to_contain_text(re.compile(r"\d+ MB"))
    expect(ada.page.locator("[data-meter]")).to_have_attribute(
        "title", re.compile("CPU time: .*\nProcesses: 1")
    )
    ada.run(2, "import os\nos.kill(os.getpid(), 11)")
    word = ada.page.locator("[data-last-word]")
    expect(word).to_contain_text("The session has ended: ")
    expect(word).to_contain_text("A library written in C failed")
    expect(ada.page.locator("[data-meter]")).to_have_count(0)
    assert violations(ada.page) == []
    word.get_by_role("button", name="Start it anew").click()
    expect(word).to_have_count(0)
    ada.run(1, "'again'")
    expect(ada.outputs(1)).to_have_text("'again'")


def test_who_waits_long_is_asked_and_told(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    page = ada.page
    page.add_init_script(HIDDEN)
    page.clock.install()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Long runs")
    ada.run(1, "word = input()")
    ada.expect_state(1, "running")
    expect(page.locator("[data-asks]")).to_be_visible()
    expect(page.locator("[data-bell]")).to_have_count(0)
    page.clock.fast_forward(65_000)
    offer = page.locator("[data-bell]")
    expect(offer).to_contain_text("Shall the browser tell you")
    offer.get_by_role("button", name="Tell me").click()
    expect(offer).to_have_count(0)

    page.evaluate("window.looksElsewhere = true")
    page.get_by_role("textbox", name="The code asks for a line").fill("go")
    page.get_by_role("button", name="Answer").click()
    expect(page).to_have_title("✓ Long runs · Antiphon")
    ((title, body),) = page.evaluate("window.told")
    assert re.fullmatch(r"Cell 1 done after 1 min \d+ s", title)
    assert body == "Long runs"

    # Who comes back has seen it.
    page.evaluate("window.looksElsewhere = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("Long runs · Antiphon")
