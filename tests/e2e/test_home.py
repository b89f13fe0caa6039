"""The list of worksheets, as somebody looks for one, copies, imports and deletes, with mouse and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.webserver.notebooks import ANALYSIS

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

CALL = """async ([method, params]) => {
  const token = decodeURIComponent(/_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? "");
  const headers = { "Content-Type": "application/json", "X-XSRFToken": token };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const { result, error } = await (await fetch("/rpc", { method: "POST", headers, body })).json();
  if (error) throw new Error(error.message);
  return result;
}"""


def call(page: Page, method: str, **params: Any) -> Any:
    """As the page does it, by whoever is signed in there."""
    return page.evaluate(CALL, [method, params])


def make(page: Page, title: str, source: str = "") -> str:
    sheet: str = call(page, "worksheet.import", filename="a.py", text=f"# %%\n{source}\n", title=title)["id"]
    return sheet


def lines(page: Page) -> Locator:
    return page.locator("[data-worksheet-id] .name")


def at_home(server: AntiphonServer, new_notebook: NewNotebook, name: str, *titles: str) -> Notebook:
    """Somebody of this name alone, with worksheets of these titles, before the list."""
    somebody = new_notebook()
    somebody.sign_in(server.login_link(name))
    for title in titles:
        make(somebody.page, title, f"{title.lower()} = 1")
    somebody.page.reload()
    expect(lines(somebody.page)).to_have_count(len(titles))
    return somebody


def test_the_list_is_searched_while_one_types_titles_and_cells(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    page = at_home(shared_server, new_notebook, "searcher", "Rain", "Sun", "Wind").page
    make(page, "Sums", "rainfall = load('rain.csv')\nrainfall.plot()")
    page.reload()
    expect(lines(page)).to_have_count(4)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("RAIN")
    expect(lines(page)).to_have_text(["Sums", "Rain"])
    expect(page.locator(".found").first).to_have_text("rainfall = load('rain.csv')")
    expect(page.get_by_role("status").filter(has_text="2 worksheets found")).to_be_attached()
    page.keyboard.type("xyz")
    expect(page.get_by_text("No worksheet has “RAINxyz”")).to_be_visible()
    page.keyboard.press("Escape")
    expect(lines(page)).to_have_count(4)
    page.get_by_label("Sorted by").select_option("title")
    expect(lines(page)).to_have_text(["Rain", "Sums", "Sun", "Wind"])


def test_what_is_shared_and_what_runs_is_found_and_the_list_follows(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ana = at_home(shared_server, new_notebook, "lister", "Mine").page
    ben = at_home(shared_server, new_notebook, "lender", "Lent").page
    sheet = call(ben, "worksheet.list")[0]["id"]
    ana.get_by_role("button", name="Shared with you").click()
    expect(ana.get_by_text("Nobody has shared a worksheet with you.")).to_be_visible()
    call(ben, "member.set", worksheet=sheet, account="lister", role="observe")
    # No reload: who looks at the list sees what others do.
    expect(lines(ana)).to_have_text(["Lent"])
    expect(ana.locator(".facts .role")).to_have_text("lender, may look")
    ana.get_by_role("button", name="Running now").click()
    expect(ana.get_by_text("Nothing runs now.")).to_be_visible()
    session = call(ben, "worksheet.session", worksheet=sheet)["uid"]
    call(ben, "session.execute", session=session, code="input('stay')")
    expect(lines(ana)).to_have_text(["Lent"])
    expect(ana.locator(".facts .runs")).to_contain_text("running")
    call(ben, "session.close", session=session)
    expect(ana.get_by_text("Nothing runs now.")).to_be_visible()


def test_a_worksheet_is_copied_renamed_exported_and_deleted_by_its_menu(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    page = at_home(shared_server, new_notebook, "copyist", "Rain").page

    def choose(title: str, what: str) -> None:
        page.get_by_label(f"What to do with {title}", exact=True).click()
        page.get_by_role("button", name=what, exact=True).click()

    choose("Rain", "Duplicate")
    expect(lines(page)).to_have_text(["Copy of Rain", "Rain"])
    choose("Copy of Rain", "Rename…")
    page.locator("dialog [name=title]").fill("Snow")
    page.keyboard.press("Enter")
    expect(lines(page)).to_have_text(["Snow", "Rain"])
    with page.expect_download() as download:
        choose("Snow", "Export: Python script (.py)")
    assert "rain = 1" in Path(download.value.path()).read_text()
    choose("Rain", "Delete…")
    expect(page.get_by_role("dialog")).to_contain_text("Its cell goes with all outputs")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(lines(page)).to_have_text(["Snow"])


def test_the_list_is_used_without_a_mouse(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    titles = [f"Sheet {number}" for number in range(3)]
    page = at_home(shared_server, new_notebook, "typist", *titles).page
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Sheet 2")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Sheet 1")).to_be_focused()
    page.keyboard.press("F2")
    page.locator("dialog [name=title]").fill("Sheet one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Sheet one")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("sheet 0")
    expect(lines(page)).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name="Delete…")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("What to do with Sheet 0")).to_be_focused()
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Title of the worksheet")).to_have_value("Sheet 0")


def test_several_files_come_in_at_once_and_each_fault_is_named(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    page = at_home(shared_server, new_notebook, "carrier", "Old").page
    dropped = page.evaluate_handle(
        """(notebook) => {
          const files = new DataTransfer();
          files.items.add(new File([notebook], "good.ipynb"));
          files.items.add(new File(["{}"], "bad.ipynb"));
          files.items.add(new File([new Uint8Array([255, 254])], "bytes.py"));
          files.items.add(new File(["x".repeat(3_500_001)], "giant.py"));
          files.items.add(new File(["1"], "picture.png"));
          return files;
        }""",
        json.dumps(ANALYSIS),
    )
    page.dispatch_event(".home-page", "dragover", {"dataTransfer": dropped})
    expect(page.get_by_text("Drop notebooks and scripts here")).to_be_visible()
    page.dispatch_event(".home-page", "drop", {"dataTransfer": dropped})
    imports = page.get_by_role("region", name="Imports")
    expect(imports.get_by_role("status")).to_have_text("5 of 5 files, 4 refused")
    expect(imports.locator("li")).to_contain_text(
        [
            "imported",
            "this is no notebook",
            "bytes.py is no text in UTF-8",
            "giant.py has 3,500,001 bytes; at most 3,500,000 are allowed",
            "a file that ends with .ipynb or .py can be imported",
        ]
    )
    expect(lines(page)).to_have_count(2)
    imports.get_by_role("button", name="Close the list of imports").click()
    expect(imports).to_have_count(0)


def test_a_long_list_is_drawn_in_parts(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    page = at_home(shared_server, new_notebook, "hoarder").page
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    page.evaluate(
        f"""async () => {{
          const call = {CALL};
          for (let n = 1; n <= 120; n++) await call(["worksheet.create", {{ title: `Sheet ${{n}}` }}]);
        }}"""
    )
    page.reload()
    expect(lines(page)).to_have_count(100)
    page.get_by_role("link", name="Sheet 21", exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Sheet 20", exact=True)).to_be_focused()
    expect(lines(page)).to_have_count(120)
    page.keyboard.press("/")
    page.keyboard.type("sheet 7")
    expect(lines(page)).to_have_count(21)  # also "Sheet 17"
