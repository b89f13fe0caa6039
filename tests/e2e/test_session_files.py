"""The session's files go there and back by the page, while code runs too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_files_go_there_and_back_while_code_runs(
    shared_server: AntiphonServer, new_notebook: Callable[[], Notebook], tmp_path: Path
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Files")
    folder = f"files-{os.urandom(8).hex()}"
    ada.run(1, f"import os, pathlib\npathlib.Path({folder!r}).mkdir()\ninput('stay')")
    expect(ada.page.get_by_role("textbox", name="stay")).to_be_visible()
    ada.view("Files")
    pane = ada.page.get_by_role("complementary", name="Files")
    pane.get_by_role("button", name=f"Open the directory {folder}").click()
    expect(pane.get_by_text("Nothing is here.")).to_be_visible()
    data = os.urandom(700_000)  # two parts
    pane.locator("[data-upload]").set_input_files(
        files=[{"name": "bytes.bin", "mimeType": "application/octet-stream", "buffer": data}]
    )
    expect(pane.locator("[data-file='bytes.bin']")).to_contain_text("700 kB")
    pane.get_by_label("What to do with bytes.bin").press("Enter")
    pane.get_by_role("button", name="Rename…").click()
    pane.get_by_label("New name of bytes.bin").fill("renamed.bin")
    pane.get_by_label("New name of bytes.bin").press("Enter")
    with ada.page.expect_download() as download:
        pane.get_by_role("button", name="Download renamed.bin").press("Enter")
    assert download.value.suggested_filename == "renamed.bin"
    assert Path(download.value.path()).read_bytes() == data
    pane.get_by_label("What to do with renamed.bin").click()
    pane.get_by_role("button", name="Delete…").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(pane.get_by_text("Nothing is here.")).to_be_visible()
