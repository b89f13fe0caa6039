"""What waits, on the page: seen, moved and cancelled; and code that no interrupt stops."""

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


def test_what_waits_is_moved_and_cancelled(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Queue")
    queue = ada.page.get_by_role("region", name="Queue")
    ada.run(1, "input('go on? ')")
    answer = ada.cell(1).locator("[data-output=prompt] input")
    expect(answer).to_be_visible()
    expect(queue).to_have_count(0)
    for number in (2, 3, 4):
        ada.run(number, f"print('cell {number}')")
        ada.expect_state(number, "queued")
    rows = queue.get_by_role("listitem")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("running")
    expect(rows.nth(0)).to_contain_text("Cell 1")
    expect(rows.nth(3)).to_contain_text("waits")
    expect(rows.nth(3)).to_contain_text("Cell 4")
    assert violations(ada.page) == []

    queue.get_by_role("button", name="Cell 4: run it earlier").press("Enter")
    expect(rows.nth(2)).to_contain_text("Cell 4")
    expect(ada.cell(4).locator("[data-caption]")).to_contain_text("2 before it")
    queue.get_by_role("button", name="Cell 2: run it later").click()
    expect(rows.nth(1)).to_contain_text("Cell 4")
    ada.page.reload()
    expect(rows.nth(1)).to_contain_text("Cell 4")
    queue.get_by_role("button", name="Cell 2: cancel it").click()
    ada.expect_state(2, "cancelled")
    expect(rows).to_have_count(3)

    answer.fill("yes")
    answer.press("Enter")
    for number in (1, 3, 4):
        ada.expect_state(number, "done")
    expect(queue).to_have_count(0)


def test_code_that_does_not_stop_is_told_of_with_a_restart(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Deaf")
    ada.run(
        1, "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on')\ntime.sleep(600)"
    )
    expect(ada.outputs(1)).to_contain_text("on")
    ada.page.get_by_role("button", name="Interrupt").first.click()
    told = ada.page.locator("[data-unheeded]")
    expect(told).to_contain_text("has not stopped")
    told.get_by_role("button", name="Restart").click()
    ada.page.locator("[data-confirm]").click()
    expect(ada.page.locator("[data-session-state=idle]")).to_be_visible()
    expect(told).to_have_count(0)
    ada.expect_state(1, "died")


def test_run_all_stops_at_the_failed_cell_and_leads_there(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Series")
    for number, source in enumerate(("a = 1", "1 / 0", "print('never')"), 1):
        ada.run(number, source)
        ada.expect_state(number, "failed" if number == 2 else "done")
    ada.page.get_by_role("button", name="Run all").click()
    expect(ada.page.get_by_text("The run stopped at cell 2. 2 behind it did not run.")).to_be_visible()
    ada.expect_state(3, "cancelled")
    expect(ada.cell(3)).to_contain_text("cell 2 before it raised an error")
    assert violations(ada.page) == []
    ada.page.get_by_role("button", name="Show the cell").click()
    expect(ada.cell(2)).to_have_class(re.compile(r"\bcurrent\b"))
    ada.page.get_by_text("Run…", exact=True).click()
    ada.page.get_by_role("button", name="Stale cells").click()
    ada.expect_state(3, "done")


def test_a_cell_says_that_what_it_reads_has_changed(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Stale")
    for number, source in enumerate(("x = 1", "print('x is', x)"), 1):
        ada.run(number, source)
        ada.expect_state(number, "done")
    ada.run(1, "x = 22")
    expect(ada.cell(2)).to_contain_text("what it reads has changed since")
    ada.page.reload()
    expect(ada.cell(2)).to_contain_text("what it reads has changed since")
    assert violations(ada.page) == []
    ada.page.get_by_text("Run…", exact=True).click()
    ada.page.get_by_role("button", name="Stale cells").click()
    expect(ada.cell(2)).to_contain_text("x is 22")
    expect(ada.cell(2)).not_to_contain_text("what it reads has changed since")
