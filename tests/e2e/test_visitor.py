"""Somebody without an account opens a link: the worksheet is there at once, and gone with the link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

NewNotebook = Callable[[], Notebook]


@pytest.mark.slow
@pytest.mark.browser
def test_a_visitor_runs_by_a_link_until_it_is_revoked(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ana, guest = new_notebook(), new_notebook()
    ana.sign_in(shared_server.login_link())
    ana.new_worksheet("For everyone")
    ana.run(1, "6 * 7")
    expect(ana.outputs(1)).to_contain_text("42")

    ana.page.get_by_role("button", name="Share").click()
    ana.page.get_by_label("Whoever has it").select_option("run")
    expect(ana.page.locator("[data-means]")).to_contain_text("runs code")
    ana.page.get_by_label("For how many").fill("1")
    ana.page.get_by_role("button", name="Make a link").click()
    url = ana.page.locator("[data-link-url]").inner_text()

    guest.open(url)
    expect(guest.outputs(1)).to_contain_text("42")
    assert "#" not in guest.page.url
    expect(guest.page.locator("[data-connection=connected]")).to_contain_text("you may run, not edit")
    guest.cell(1).get_by_role("button", name="Run").first.click()
    expect(ana.cell(1)).to_contain_text("visitor 1")
    expect(ana.page.locator("[data-people]")).to_have_attribute("aria-label", "Here too: visitor 1")

    guest.page.reload()
    expect(guest.outputs(1)).to_contain_text("42")
    # Who may not write finds, and replaces nothing; what is folded is so in this window alone.
    guest.page.keyboard.press("Control+f")
    bar = guest.page.get_by_role("search")
    bar.get_by_label("Find", exact=True).fill("6 *")
    expect(bar.locator("[data-find-count]")).to_have_text("1 of 1")
    expect(bar.get_by_role("button", name="Replace")).to_have_count(0)
    guest.page.keyboard.press("Escape")
    guest.cell(1).focus()
    guest.page.keyboard.press("o")
    expect(guest.outputs(1)).to_contain_text("One output is hidden")
    expect(ana.outputs(1)).to_contain_text("42")
    late = new_notebook()
    late.open(url)
    expect(late.page.get_by_role("alert")).to_contain_text("used as often as it may be")

    ana.page.locator("[data-links]").get_by_role("button", name="Revoke").click()
    expect(guest.page.get_by_label("Password")).to_be_visible()
    expect(guest.cells).to_have_count(0)


@pytest.mark.slow
@pytest.mark.browser
def test_who_is_invited_makes_an_account_on_the_page(new_notebook: NewNotebook) -> None:
    server = AntiphonServer("--signup", "invite")
    try:
        server.start()
        eve = new_notebook()
        eve.open(server.antiphon("accounts", "invite").stdout.strip())
        expect(eve.page.get_by_text("You are invited.")).to_be_visible()
        assert "#" not in eve.page.url
        eve.page.get_by_label("Name").fill("eve")
        eve.page.get_by_label("Password").fill("correct horse")
        eve.page.get_by_role("button", name="Make the account").click()
        expect(eve.page.get_by_role("button", name="New worksheet")).to_be_visible()
        server.antiphon("accounts", "signout", "eve")
        expect(eve.page.get_by_role("button", name="Sign in")).to_be_visible()
        server.antiphon("accounts", "disable", "eve")
        eve.page.get_by_label("Name").fill("eve")
        eve.page.get_by_label("Password").fill("correct horse")
        eve.page.get_by_role("button", name="Sign in").click()
        expect(eve.page.get_by_role("alert")).to_contain_text("switched off")
    finally:
        server.remove()
