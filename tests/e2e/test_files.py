"""Files go in and out by the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.webserver.notebooks import ANALYSIS
from tests.webserver.test_exchange import joined

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_notebook_goes_in_and_comes_out(
    shared_server: AntiphonServer, new_notebook: Callable[[], Notebook], tmp_path: Path
) -> None:
    path = tmp_path / "Weather files.ipynb"
    path.write_text(json.dumps(ANALYSIS))
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    with ada.page.expect_file_chooser() as chooser:
        ada.page.get_by_role("button", name="Import").focus()
        ada.page.keyboard.press("Enter")
    chooser.value.set_files(path)
    expect(ada.cells).to_have_count(5)
    expect(ada.outputs(2)).to_contain_text("100%")
    expect(ada.outputs(4)).to_contain_text("ZeroDivisionError")
    ada.page.locator("[data-menu=worksheet] summary").press("Enter")
    ada.page.get_by_role("button", name="HTML (.html)").click(trial=True)  # no cell lies over the menu
    with ada.page.expect_download() as download:
        ada.page.get_by_role("button", name="Notebook (.ipynb)").press("Enter")
    assert download.value.suggested_filename == "Weather files.ipynb"
    assert joined(json.loads(Path(download.value.path()).read_text())) == joined(ANALYSIS)


def test_a_script_can_be_dropped_on_the_list(
    shared_server: AntiphonServer, new_notebook: Callable[[], Notebook]
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    dropped = ada.page.evaluate_handle(
        "() => { const files = new DataTransfer();"
        " files.items.add(new File(['# %%\\n6*7\\n'], 'dropped.py')); return files; }"
    )
    ada.page.dispatch_event(".home-page", "drop", {"dataTransfer": dropped})
    expect(ada.cells).to_have_count(1)
    expect(ada.page.get_by_role("textbox", name="Title of the worksheet")).to_have_value("dropped")


def test_a_file_that_is_no_notebook_is_refused_in_words(
    shared_server: AntiphonServer, new_notebook: Callable[[], Notebook]
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    bad = {"name": "bad.ipynb", "mimeType": "application/json", "buffer": b"{}"}
    ada.page.locator("[data-import]").set_input_files(files=[bad])
    expect(ada.page.get_by_text("this is no notebook")).to_be_visible()
