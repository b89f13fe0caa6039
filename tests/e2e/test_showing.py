"""Showing a worksheet: opening it runs nothing, slides, and paper."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations
from tests.e2e.test_history import share

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


def notebook_file(path: Path, cells: list[dict[str, Any]]) -> Path:
    """A notebook as other programs write it."""
    written = [
        {
            "id": f"cell-{number}",
            "metadata": {},
            **({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}),
            **cell,
        }
        for number, cell in enumerate(cells)
    ]
    content = {"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    return path


def imported(server: AntiphonServer, path: Path, title: str) -> str:
    made = server.antiphon("worksheets", "import", str(path), "--title", title)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def slide(source: str, slide_type: str, cell_type: str = "markdown") -> dict[str, Any]:
    return {"cell_type": cell_type, "source": source, "metadata": {"slideshow": {"slide_type": slide_type}}}


SCRIPT = {
    "output_type": "display_data",
    "data": {"text/html": "<p id=told>waits</p><script>told.textContent = 'ran'</script>", "text/plain": "x"},
    "metadata": {},
}
TOWNS = (
    "<table class='dataframe'><thead><tr><th>town</th></tr></thead>"
    "<tbody><tr><td>Ghent</td></tr></tbody></table>"
)
TABLE = {"output_type": "display_data", "data": {"text/html": TOWNS, "text/plain": "x"}, "metadata": {}}


def test_opening_a_worksheet_of_somebody_else_runs_nothing(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    cells = [{"cell_type": "code", "source": "1", "outputs": [SCRIPT, TABLE], "execution_count": 1}]
    sheet = imported(shared_server, notebook_file(tmp_path / "a.ipynb", cells), "Preview")
    eve = new_notebook()
    eve.sign_in(shared_server.login_link("eve"))
    shared_server.antiphon("worksheets", "share", sheet, "eve", "edit")
    eve.open(f"{shared_server.url}/w/{sheet}")
    expect(eve.page.locator("[data-inert]")).to_have_text(
        "Interactive, by root: it runs nothing before you let it. Show"
    )
    # What runs nothing is there; no frame is made, and the kernel has no session for it.
    expect(eve.cell(1)).to_contain_text("Ghent")
    assert eve.page.locator("iframe").count() == 0
    assert len(eve.page.frames) == 1
    expect(eve.page.locator("[data-trust]")).to_contain_text("Interactive outputs of root wait")
    sessions = json.loads(shared_server.antiphon("sessions", "--json").stdout)
    assert [each["state"] for each in sessions if each["worksheet"] == sheet] in ([], ["closed"], ["lost"])
    assert violations(eve.page) == []

    eve.page.locator("[data-trust] button").click()
    expect(eve.page.locator("[data-inert], [data-trust]")).to_have_count(0)
    expect(eve.page.frame_locator("iframe").locator("#told")).to_have_text("ran")
    # It is remembered for this worksheet and its author.
    eve.page.reload()
    expect(eve.page.frame_locator("iframe").locator("#told")).to_have_text("ran")
    other = imported(shared_server, tmp_path / "a.ipynb", "Preview, another")
    shared_server.antiphon("worksheets", "share", other, "eve", "observe")
    eve.open(f"{shared_server.url}/w/{other}")
    expect(eve.page.locator("[data-trust]")).to_be_visible()
    assert eve.page.locator("iframe").count() == 0


def test_a_worksheet_is_presented_by_keyboard_and_follows_what_runs(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    cells = [
        slide("# The weather", "slide"),
        slide("Nobody sees this", "notes"),
        slide("import time", "skip", "code"),
        slide("First rain", "fragment"),
        slide("## Numbers", "subslide"),
        slide("6 * 7", "-", "code"),
    ]
    sheet = imported(shared_server, notebook_file(tmp_path / "s.ipynb", cells), "Slides")
    tim = new_notebook()
    tim.sign_in(shared_server.login_link("tim"))
    shared_server.antiphon("worksheets", "share", sheet, "tim", "observe")
    tim.open(f"{shared_server.url}/w/{sheet}")
    expect(tim.cells).to_have_count(6)
    tim.cell(1).focus()
    tim.page.keyboard.press("Shift+P")
    shown = tim.page.locator("[data-presenting]")
    where = tim.page.locator("[data-slide]")
    expect(where).to_have_text("Slide 1 of 2")
    expect(tim.page.locator(".slide")).to_have_text("The weather")
    tim.page.keyboard.press("ArrowRight")
    expect(tim.page.locator(".slide")).to_contain_text("First rain")
    assert violations(tim.page) == []
    tim.page.keyboard.press("Space")
    expect(where).to_have_text("Slide 2 of 2")
    code = tim.page.locator(".slide code-text")
    expect(code).to_have_text("6 * 7")
    # Somebody else runs it: who looks at the slide sees it.
    done = shared_server.antiphon("worksheets", "run", sheet)
    assert done.returncode == 0, done.stdout + done.stderr
    expect(tim.page.locator(".slide [data-outputs]")).to_have_text("42")
    tim.page.keyboard.press("c")
    expect(code).to_have_count(0)
    expect(tim.page.locator(".slide [data-outputs]")).to_have_text("42")
    tim.page.keyboard.press("f")
    tim.page.wait_for_function("document.fullscreenElement !== null")
    tim.page.keyboard.press("f")
    tim.page.wait_for_function("document.fullscreenElement === null")
    tim.page.keyboard.press("Home")
    expect(shown).to_have_attribute("data-step", "0")
    tim.page.keyboard.press("s")
    expect(shown).to_have_attribute("data-presenting", "flow")
    expect(tim.page.locator(".slide")).to_contain_text("Numbers")
    expect(tim.page.locator(".slide")).not_to_contain_text("Nobody sees this")
    tim.page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    expect(tim.cells).to_have_count(6)


def test_all_cells_are_printed_and_nothing_to_press(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "source": f"number_{number} = {number}"} for number in range(90)
    ]
    cells.append({"cell_type": "markdown", "source": "See [the manual](https://manual.test/page)."})
    sheet = imported(shared_server, notebook_file(tmp_path / "p.ipynb", cells), "Paper")
    pat = new_notebook()
    pat.sign_in(shared_server.login_link())
    pat.open(f"{shared_server.url}/w/{sheet}")
    expect(pat.page.locator("[data-gap]").first).to_be_attached()
    path = tmp_path / "sheet.pdf"
    pat.page.pdf(path=path)
    text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
    # The spaces of set text are not characters.
    plain = "".join(text.split())
    assert [number for number in range(90) if f"number_{number}={number}" not in plain] == []
    assert "Paper" in text
    assert "https://manual.test/page" in plain
    for chrome in ("Run all", "Outline", "Share", "Antiphon", "never run"):
        assert chrome not in text
    # On the screen only what is seen is drawn again.
    expect(pat.page.locator("[data-gap]").first).to_be_attached()


def test_what_one_tries_is_shown_to_nobody_else_and_becomes_a_cell(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada, uma = new_notebook(), new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Trying")
    share(ada, uma, shared_server, "uma", role="run")
    ada.page.keyboard.press("Control+b")
    scratch = ada.page.locator("[data-scratch]")
    expect(scratch.locator(".cm-content")).to_be_focused()
    ada.page.keyboard.insert_text("name = input('Who? ')\nname * 2")
    ada.page.keyboard.press("Shift+Enter")
    # The others learn by whom the session is held, and no more; nor are they asked.
    expect(uma.page.locator("[data-session-state=busy]")).to_have_text("session busy with what root tries")
    expect(uma.page.get_by_label("Who?")).to_have_count(0)
    expect(uma.page.locator("[data-asks]")).to_have_count(0)
    answer = scratch.get_by_label("Who?")
    answer.fill("ab")
    answer.press("Enter")
    expect(scratch.locator("[data-outputs]")).to_contain_text("'abab'")
    expect(scratch).to_have_attribute("data-state", "ok")
    assert violations(ada.page) == []
    expect(uma.page.locator("[data-session-state=idle]")).to_be_visible()
    expect(uma.page.locator("[data-beside]")).to_have_count(0)
    scratch.locator(".cm-content").click()
    ada.page.keyboard.press("Alt+Enter")
    expect(scratch).to_have_count(0)
    expect(ada.cells).to_have_count(2)
    expect(uma.cell(2).locator("code-text")).to_contain_text("name * 2")
