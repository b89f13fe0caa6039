"""What a new user does, in real browsers against the real server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


def test_first_minutes_in_one_browser(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("First minutes")

    ada.run(1, "1 + 1")
    expect(ada.outputs(1)).to_have_text("2")
    ada.expect_state(1, "done")

    ada.run(2, "for n in range(3):\n    print('line', n)")
    expect(ada.outputs(2)).to_have_text("line 0\nline 1\nline 2", use_inner_text=True)

    ada.run(3, "def divide():\n    return 1 / 0\ndivide()")
    ada.expect_state(3, "failed")
    expect(ada.outputs(3)).to_contain_text("ZeroDivisionError: division by zero")

    ada.run(4, "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nNone")
    plot = ada.outputs(4).locator("img")
    expect(plot).to_be_visible()
    expect(plot).to_have_attribute("src", re.compile(r"^/blob/[0-9a-f]{64}/image/png$"))
    assert plot.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100

    ada.run(5, "import pandas as pd\npd.DataFrame({'city': ['Oslo', 'Lima'], 'degrees': [4, 19]})")
    table = ada.outputs(5).get_by_role("table")
    expect(table).to_contain_text("Lima")

    before = [ada.outputs(n).inner_text() for n in range(1, 5)]
    ada.page.reload()
    expect(ada.outputs(5).get_by_role("table")).to_contain_text("Lima")
    assert [ada.outputs(n).inner_text() for n in range(1, 5)] == before


def test_new_worksheet_waits_for_the_first_line(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.page.get_by_role("button", name="New worksheet").click()
    expect(ada.cell(1).locator(".cm-content")).to_be_focused()
    ada.page.keyboard.type("1 + 1")
    ada.page.keyboard.press("Shift+Enter")
    expect(ada.outputs(1)).to_have_text("2")


def test_tab_completes_while_a_cell_runs(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Busy")
    ada.run(
        1, "import threading\nspam_and_eggs = threading.Event()\nprint('begun')\n_ = spam_and_eggs.wait(100)"
    )
    expect(ada.outputs(1)).to_have_text("begun")
    ada.type(2, "spam_")
    ada.page.keyboard.press("Tab")
    expect(ada.page.locator(".cm-tooltip-autocomplete")).to_contain_text("spam_and_eggs")
    ada.expect_state(1, "running")
    ada.page.get_by_role("button", name="Interrupt").first.click()
    ada.expect_state(1, "interrupted")


def test_two_people_and_a_terminal_share_a_session(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Shared with Ben")
    ben = new_notebook()
    ben.sign_in(shared_server.login_link("ben"))

    ada.page.get_by_role("button", name="Share").click()
    ada.page.get_by_label("Account name").fill("ben")
    ada.page.get_by_label("Role").select_option("run")
    ada.page.get_by_role("button", name="Add", exact=True).click()
    expect(ada.page.locator("[data-members] [data-account=ben]")).to_be_visible()
    ada.page.get_by_role("button", name="Close").click()

    ben.open(ada.page.url)
    expect(ben.page.locator("[data-people] [data-account]")).to_be_visible()
    expect(ada.page.locator("[data-people] [data-account=ben]")).to_be_visible()
    ada.run(1, "x = 'set by Ada'\nfor word in ('call', 'and', 'response'): print(word)")
    expect(ben.outputs(1)).to_have_text("call\nand\nresponse", use_inner_text=True)
    ben.expect_state(1, "done")

    said = shared_server.antiphon("run", "-w", "Shared with Ben", "-c", "x")
    assert (said.returncode, said.stdout) == (0, "'set by Ada'\n")


def test_who_was_not_let_in_learns_nothing(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Ada's secret")
    eve = new_notebook()
    eve.sign_in(shared_server.login_link("eve"))
    expect(eve.page.get_by_text("Nothing here yet.")).to_be_visible()
    eve.open(ada.page.url)
    expect(eve.page.get_by_role("alert")).to_be_visible()
    assert "secret" not in eve.page.content()


def test_prompt_is_answered_by_whoever_may(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Prompt")
    ada.run(1, "name = input('Who? ')\nprint('hello', name)")
    answer = ada.cell(1).locator("[data-output=prompt] input")
    expect(answer).to_be_visible()
    ada.page.reload()
    answer.fill("Ben")
    answer.press("Enter")
    expect(ada.outputs(1)).to_contain_text("hello Ben")
    ada.expect_state(1, "done")


def test_interrupt_then_death_each_say_why(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Ends")
    ada.run(1, "import time\nprint('begun')\ntime.sleep(1000)")
    expect(ada.outputs(1)).to_contain_text("begun")
    ada.page.get_by_role("button", name="Interrupt").first.click()
    ada.expect_state(1, "interrupted")

    ada.run(2, "import ctypes\nctypes.string_at(0)")
    ada.expect_state(2, "died")
    expect(ada.page.locator("[data-session-state=dead]")).to_contain_text("SIGSEGV")

    ada.page.get_by_role("button", name="Restart").first.click()
    ada.page.locator("[data-confirm]").click()
    expect(ada.page.locator("[data-session-state=idle]")).to_be_visible()
    ada.run(2, "'alive'")
    expect(ada.outputs(2)).to_have_text("'alive'")


def test_killed_server_loses_no_output(antiphon_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(antiphon_server.login_link())
    ada.new_worksheet("Ten seconds")
    ada.run(
        1,
        "import time\n"
        "for n in range(100):\n"
        "    print('number', n, flush=True)\n"
        "    time.sleep(0.1)\n"
        "print('the end')",
    )
    expect(ada.outputs(1)).to_contain_text("number 3")
    worksheet = ada.page.url
    ada.close()

    antiphon_server.kill()
    # With the server dead the cell goes on: what it prints now is in the kernel only.
    antiphon_server.restart()
    antiphon_server.kill()
    antiphon_server.restart()

    later = new_notebook()
    later.sign_in(antiphon_server.login_link())
    later.open(worksheet)
    later.expect_state(1, "done")
    later.outputs(1).get_by_role("button", name="show all").click()
    expect(later.outputs(1).get_by_role("button", name="Show less")).to_be_visible()
    expect(later.outputs(1)).to_contain_text("the end")
    numbers = re.findall(r"number (\d+)", later.outputs(1).inner_text())
    assert numbers == [str(n) for n in range(100)]


def test_page_comes_back_by_itself_after_the_server_was_killed(
    antiphon_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(antiphon_server.login_link())
    ada.new_worksheet("Comes back")
    ada.run(1, "import time\nfor n in range(40):\n    print('number', n, flush=True)\n    time.sleep(0.1)")
    expect(ada.outputs(1)).to_contain_text("number 3")
    antiphon_server.kill()
    expect(ada.page.locator("[data-connection=reconnecting]")).to_be_visible()
    antiphon_server.restart()
    expect(ada.page.locator("[data-connection=connected]")).to_be_visible()
    ada.expect_state(1, "done")
    numbers = re.findall(r"number (\d+)", ada.outputs(1).inner_text())
    assert numbers == [str(n) for n in range(40)]
    ada.run(2, "n + 2")
    expect(ada.outputs(2)).to_have_text("41")


def test_one_time_link_signs_in_once(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    link = shared_server.login_link()
    first = new_notebook()
    first.sign_in(link)
    assert "link" not in first.page.url
    second = new_notebook()
    second.open(link)
    expect(second.page.get_by_role("button", name="Sign in")).to_be_visible()
