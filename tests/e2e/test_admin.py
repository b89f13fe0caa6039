"""The view of those who look after the server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_an_admin_lets_people_in_and_out_and_sees_what_was_done(
    antiphon_server: AntiphonServer, new_notebook: Callable[[], Notebook]
) -> None:
    ada, ben = new_notebook(), new_notebook()
    page = ada.page
    ada.sign_in(antiphon_server.login_link())
    ada.new_worksheet("Sums")
    ada.run(1, "1 + 1")
    ada.expect_state(1, "done")

    page.get_by_label("Your account").click()
    page.get_by_role("button", name="The server…").click()
    expect(page.get_by_role("heading", name="The server")).to_be_visible()
    page.get_by_role("button", name="New account…").click()
    page.get_by_label("Account name").fill("ben")
    page.get_by_role("button", name="Make the account").click()
    link = page.locator("[data-link]").inner_text()
    page.keyboard.press("Escape")
    row = page.locator("[data-account=ben]")
    expect(row).to_be_visible()
    ben.sign_in(link)

    page.reload()
    expect(row.locator("td").nth(1)).to_have_text("1")
    row.get_by_role("button", name="Switch off").click()
    page.locator("[data-confirm]").click()
    expect(row).to_contain_text("switched off")
    # Within two seconds the other browser is at the door.
    expect(ben.page.get_by_role("button", name="Sign in")).to_be_visible()
    row.get_by_role("button", name="Switch on").click()
    expect(row).not_to_contain_text("switched off")

    page.get_by_role("link", name="Sessions").click()
    session = page.locator("[data-session]")
    expect(session).to_have_count(1)
    session.get_by_role("button", name="End").click()
    page.locator("[data-confirm]").click()
    expect(page.get_by_text("No session is open.")).to_be_visible()

    page.get_by_role("link", name="What was done").click()
    page.get_by_label("Act begins with").fill("account.")
    page.get_by_role("button", name="Show").click()
    acts = page.locator("[data-admin=audit] tbody td:nth-child(4)")
    expect(acts).to_contain_text(["account.enable", "account.disable", "account.create"])

    page.get_by_role("link", name="Limits").click()
    expect(page.get_by_role("row", name="Who may sign up")).to_contain_text("nobody")
    page.go_back()
    expect(page.get_by_role("link", name="What was done")).to_have_attribute("aria-current", "page")


def test_who_is_no_admin_sees_nothing_of_it(
    shared_server: AntiphonServer, new_notebook: Callable[[], Notebook]
) -> None:
    ben = new_notebook()
    ben.sign_in(shared_server.login_link("ben"))
    ben.page.get_by_label("Your account").click()
    expect(ben.page.get_by_role("button", name="The server…")).to_have_count(0)
    ben.page.goto(f"{shared_server.url}/admin")
    expect(ben.page.get_by_text("This is for administrators")).to_be_visible()
