"""Many cells at once: find, replace, select, drag, split, merge, copy to another worksheet, fold away."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_accessibility import violations
from tests.e2e.test_commands import text_cell, texts
from tests.e2e.test_long import code_cell, imported

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]

MARKED = "() => [...(CSS.highlights.get('{}') ?? [])].map(range => range.toString())"


def marked(page: Page, name: str = "found-here") -> list[str]:
    found: list[str] = page.evaluate(MARKED.format(name))
    return found


def wait_marked(page: Page, *words: str) -> None:
    page.wait_for_function(
        f"words => JSON.stringify(({MARKED.format('found-here')})()) === words",
        arg=json.dumps(list(words), separators=(",", ":")),
    )


def written(number: int, source: str) -> dict[str, object]:
    return {**code_cell(number), "source": source}


def opened(ada: Notebook, server: AntiphonServer, url: str) -> None:
    ada.sign_in(server.login_link())
    ada.open(url)
    expect(ada.cell(1)).to_be_visible()
    expect(ada.page.locator("[data-connection=connected]")).to_be_visible()


def selected(ada: Notebook) -> Locator:
    return ada.page.locator(".cell.selected")


def test_find_and_replace_in_all_cells(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    cells: list[dict[str, object]] = [written(0, "apple = 1\nApple = 2"), text_cell(1, "An *apple* a day")]
    cells += [code_cell(number) for number in range(2, 150)]
    cells += [written(150, "print(apple + pineapple)")]
    url = imported(shared_server, tmp_path, cells)
    ada, ben = new_notebook(), new_notebook()
    page, keys = ada.page, ada.page.keyboard
    opened(ada, shared_server, url)
    opened(ben, shared_server, url)
    # From within an editor, whose own panel does not open.
    ada.cell(1).locator("code-text").click()
    expect(ada.cell(1).locator(".cm-content")).to_be_focused()
    keys.press("Control+Home")
    keys.press("Control+f")
    bar = page.get_by_role("search", name="Find in all cells")
    query, count = bar.get_by_label("Find", exact=True), bar.locator("[data-find-count]")
    expect(query).to_be_focused()
    expect(page.locator(".cm-search")).to_have_count(0)
    keys.type("apple")
    expect(count).to_have_text("1 of 5")
    expect(ada.cell(1).locator(".cm-editor .found.here")).to_have_text("apple")
    assert violations(page) == []

    # On: into the next cell, which is no editor, and to one that is not drawn.
    keys.press("Enter")
    expect(count).to_have_text("2 of 5")
    keys.press("Enter")
    expect(count).to_have_text("3 of 5")
    wait_marked(page, "apple")
    keys.press("Enter")
    expect(count).to_have_text("4 of 5")
    expect(page.locator("[aria-posinset='151']")).to_be_in_viewport()
    wait_marked(page, "apple")
    expect(query).to_be_focused()
    keys.press("Enter")
    keys.press("Enter")
    expect(count).to_have_text("1 of 5")
    keys.press("Shift+Enter")
    expect(count).to_have_text("5 of 5")

    bar.get_by_role("button", name="Capital and small letters").click()
    expect(count).to_have_text("4 of 4")
    bar.get_by_role("button", name="Whole words").click()
    expect(count).to_contain_text("of 3")
    bar.get_by_role("button", name="Regular expression").click()
    query.fill("app(le")
    expect(bar.get_by_role("alert")).to_contain_text("This is no regular expression")
    query.fill("(app)le")
    expect(count).to_contain_text("of 3")

    # Esc goes back to where one was, cursor and all.
    keys.press("Escape")
    expect(bar).to_have_count(0)
    expect(ada.cell(1).locator(".cm-content")).to_be_focused()
    expect(ada.cell(1)).to_be_in_viewport()
    keys.press("Control+h")
    expect(query).to_have_value("(app)le")
    bar.get_by_label("Replace with").fill("$1ricot")
    bar.get_by_label("Replace with").press("Enter")
    expect(ada.cell(1).locator("code-text")).to_contain_text("appricot = 1")
    expect(count).to_contain_text("of 2")
    bar.get_by_role("button", name="Replace all").click()
    expect(count).to_have_text("Replaced 2 in 2 cells.")
    # Who works with her has it, and one key takes all of it back.
    expect(ben.cell(2)).to_contain_text("An appricot a day")
    query.press("Escape")
    keys.press("Escape")
    keys.press("z")
    expect(ben.cell(2)).to_contain_text("An apple a day")
    expect(ben.cell(1)).to_contain_text("appricot = 1")
    keys.press("z")
    expect(ben.cell(1)).to_contain_text("apple = 1")

    # In outputs, of a cell that was run.
    ada.run(3, "print('to' + 'gether')")
    expect(ada.outputs(3)).to_have_text("together")
    keys.press("Escape")
    keys.press("f")
    query.fill("together")
    for name in ("Capital and small letters", "Whole words", "Regular expression"):
        bar.get_by_role("button", name=name).click()
    expect(count).to_have_text("Nothing found")
    bar.get_by_role("button", name="Search in outputs").click()
    expect(count).to_have_text("1 of 1")
    wait_marked(page, "together")
    bar.get_by_role("button", name="Close").click()
    page.wait_for_function("() => !CSS.highlights.has('found')")


def test_several_cells_are_selected_and_handled_as_one(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    url = imported(shared_server, tmp_path, [written(n, f"print({n})") for n in range(1, 6)])
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    opened(ada, shared_server, url)
    ada.cell(2).focus()
    keys.press("Shift+J")
    keys.press("Shift+ArrowDown")
    expect(selected(ada)).to_have_count(3)
    expect(page.locator("#announcer")).to_have_text("3 cells selected")
    expect(ada.cell(3)).to_have_accessible_name("Cell 3, never run, selected")
    keys.press("Shift+K")
    expect(selected(ada)).to_have_count(2)
    assert violations(page) == []

    # With the pointer: one more, far off; then a range instead.
    ada.cell(5).locator(".source").click(modifiers=["ControlOrMeta"])
    expect(selected(ada)).to_have_count(3)
    expect(page.locator(".cm-editor")).to_have_count(0)
    keys.press("Control+Enter")
    for number in (2, 3, 5):
        expect(ada.outputs(number)).to_have_text(str(number))
    ada.expect_state(1, "never")
    ada.expect_state(4, "never")
    keys.press("Escape")
    expect(selected(ada)).to_have_count(0)
    ada.cell(1).focus()
    ada.cell(2).locator(".source").click(modifiers=["Shift"])
    expect(selected(ada)).to_have_count(2)

    # As a block; deleted and back; of another kind; as one.
    keys.press("Alt+ArrowDown")
    expect(ada.cell(1)).to_contain_text("print(3)")
    assert texts(ada) == [f"print({n})" for n in (3, 1, 2, 4, 5)]
    keys.press("z")
    expect(ada.cell(1)).to_contain_text("print(1)")
    keys.press("Control+a")
    expect(selected(ada)).to_have_count(5)
    keys.press("d")
    keys.press("d")
    expect(ada.cells).to_have_count(0)
    page.get_by_role("button", name="Put them back").click()
    expect(ada.cells).to_have_count(5)
    assert texts(ada) == [f"print({n})" for n in range(1, 6)]
    ada.cell(1).focus()
    keys.press("Shift+J")
    keys.press("m")
    expect(page.locator("[data-type=markdown]")).to_have_count(2)
    keys.press("z")
    expect(page.locator("[data-type=markdown]")).to_have_count(0)
    ada.cell(1).focus()
    keys.press("Shift+End")
    expect(selected(ada)).to_have_count(5)
    keys.press("Shift+M")
    expect(ada.cells).to_have_count(1)
    assert texts(ada) == ["\n\n".join(f"print({n})" for n in range(1, 6))]
    keys.press("z")
    expect(ada.cells).to_have_count(5)
    expect(ada.cell(1).locator(".source")).to_have_text("print(1)")
    keys.press("Shift+Z")
    expect(ada.cells).to_have_count(1)


def test_a_split_is_one_step_back(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    keys = ada.page.keyboard
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Split")
    ada.type(1, "one\ntwo\nthree")
    # What is selected becomes a cell of its own between the others.
    keys.press("Control+Home")
    keys.press("ArrowDown")
    keys.press("Shift+End")
    keys.press("Control+Shift+-")
    expect(ada.cells).to_have_count(3)
    keys.press("Escape")
    expect(ada.cell(3)).to_be_focused()
    expect(ada.cell(1).locator(".source")).to_have_text("one")
    assert texts(ada) == ["one", "two", "three"]
    keys.press("z")
    expect(ada.cells).to_have_count(1)
    expect(ada.cell(1).locator(".source")).to_contain_text("three")
    assert texts(ada) == ["one\ntwo\nthree"]


def test_cells_are_dragged_by_their_handles(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    url = imported(shared_server, tmp_path, [written(n, f"print({n})") for n in range(1, 31)])
    ada = new_notebook()
    page, keys, mouse = ada.page, ada.page.keyboard, ada.page.mouse
    opened(ada, shared_server, url)

    def take(number: int) -> None:
        box = ada.cell(number).locator("[data-handle]").bounding_box()
        assert box is not None
        mouse.move(box["x"] + 5, box["y"] + 14)
        mouse.down()
        mouse.move(box["x"] + 15, box["y"] + 30, steps=3)

    def over(number: int) -> None:
        box = ada.cell(number).bounding_box()
        assert box is not None
        mouse.move(box["x"] + 40, box["y"] + box["height"] * 0.8, steps=4)

    take(1)
    over(3)
    expect(page.locator(".drop-line")).to_be_visible()
    keys.press("Escape")
    expect(page.locator(".drop-line")).to_have_count(0)
    mouse.up()
    assert texts(ada)[:3] == ["print(1)", "print(2)", "print(3)"]

    # What is selected goes together.
    ada.cell(1).focus()
    keys.press("Shift+J")
    take(2)
    expect(page.locator(".drag-words")).to_have_text("Move 2 cells")
    over(4)
    mouse.up()
    expect(ada.cell(1)).to_contain_text("print(3)")
    assert texts(ada)[:5] == [f"print({n})" for n in (3, 4, 1, 2, 5)]
    # At the edge of the screen the page goes on, to cells that were not in sight.
    keys.press("Escape")
    take(1)
    mouse.move(300, 890, steps=5)
    expect(ada.cell(30)).to_be_in_viewport()
    over(30)
    mouse.up()
    expect(ada.cell(30)).to_contain_text("print(3)")
    keys.press("z")
    expect(ada.cell(1)).to_contain_text("print(3)")


def test_cells_are_copied_to_another_worksheet(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    tagged = {**written(1, "print('tagged')"), "metadata": {"tags": ["kept"]}}
    url = imported(shared_server, tmp_path, [tagged, text_cell(2, "# Title"), written(3, "3")])
    ada = new_notebook()
    opened(ada, shared_server, url)
    other = ada.context.new_page()
    other.goto(imported(shared_server, tmp_path, [written(1, "here")]))
    cells = other.locator("[data-cell-id]")
    expect(cells).to_have_count(1)
    expect(other.locator("[data-connection=connected]")).to_be_visible()

    ada.page.bring_to_front()
    ada.cell(1).focus()
    ada.page.keyboard.press("Shift+J")
    ada.page.keyboard.press("c")
    other.bring_to_front()
    cells.first.focus()
    other.keyboard.press("v")
    expect(cells).to_have_count(3)
    expect(cells.nth(1)).to_contain_text("print('tagged')")
    expect(cells.nth(2).get_by_role("heading", name="Title")).to_be_visible()
    # Through the clipboard of the system: as cells, and for others as text.
    other.keyboard.press("Control+v")
    expect(cells).to_have_count(5)
    expect(other.locator("[data-type=markdown]")).to_have_count(2)
    other.keyboard.press("Enter")
    expect(other.locator(".cm-content")).to_be_focused()
    other.keyboard.press("Control+a")
    other.keyboard.press("Control+v")
    expect(other.locator(".cm-content")).to_contain_text("# Title")
    other.keyboard.press("Escape")
    # Text from elsewhere makes a cell.
    other.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", "from = 'elsewhere'\\n");
            const paste = new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
            document.activeElement.dispatchEvent(paste);
        }"""
    )
    expect(cells).to_have_count(6)
    expect(other.locator(".cell.current .source")).to_have_text("from = 'elsewhere'")
    sheet = other.url.rsplit("/", 1)[1]
    exported = json.loads(shared_server.antiphon("worksheets", "export", sheet).stdout or "{}")
    assert [cell["metadata"] for cell in exported["cells"]][1] == {"tags": ["kept"]}
    other.close()


def test_what_is_folded_away_is_folded_for_all_and_in_the_file(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    hidden = {**written(2, "a = 1\nb = 2"), "metadata": {"jupyter": {"source_hidden": True}}}
    cells = [
        text_cell(1, "# One"),
        hidden,
        written(3, "print('out')"),
        text_cell(4, "# Two"),
        written(5, "5"),
    ]
    url = imported(shared_server, tmp_path, cells)
    ada, ben = new_notebook(), new_notebook()
    page, keys = ada.page, ada.page.keyboard
    opened(ada, shared_server, url)
    opened(ben, shared_server, url)
    expect(ada.cell(2).get_by_role("button", name="2 lines of code are hidden")).to_be_visible()
    expect(ada.cell(2).locator("code-text")).to_have_count(0)
    ada.cell(2).get_by_role("button", name="2 lines of code are hidden").click()
    expect(ada.cell(2).locator("code-text")).to_contain_text("b = 2")
    expect(ben.cell(2).locator("code-text")).to_contain_text("b = 2")

    ada.cell(3).focus()
    keys.press("Control+Enter")
    expect(ada.outputs(3)).to_have_text("out")
    keys.press("o")
    expect(ben.outputs(3)).to_have_text("One output is hidden: show it")
    assert violations(ben.page) == []
    keys.press("Shift+H")
    expect(ben.cell(3).locator("[data-folded=code]")).to_have_text("One line of code is hidden: show it")
    keys.press("z")
    expect(ben.cell(3).locator("code-text")).to_be_visible()

    # A section: gone from the page, stepped over, gone with its heading, and unfolded for who is led there.
    ada.cell(1).focus()
    keys.press("ArrowLeft")
    expect(ada.cells).to_have_count(3)
    expect(ben.cells).to_have_count(3)
    expect(ada.cell(1)).to_contain_text("2 cells are hidden: show them")
    expect(ada.cell(2)).to_have_attribute("aria-posinset", "4")
    keys.press("j")
    expect(ada.cell(2)).to_be_focused()
    keys.press("k")
    keys.press("Alt+ArrowDown")
    expect(ada.cell(1)).to_contain_text("Two")
    keys.press("Control+f")
    page.get_by_label("Find", exact=True).fill("b = 2")
    expect(page.locator(".cell", has_text="b = 2")).to_be_visible()
    # Where it stands now the heading has the last cell under it, too.
    expect(ben.cells).to_have_count(2)
    keys.press("Escape")

    ada.view("Hide all code")
    expect(page.locator("[data-folded=code]")).to_have_count(3)
    sheet = url.rsplit("/", 1)[1]
    text = shared_server.antiphon("worksheets", "export", sheet).stdout
    exported = {"".join(cell["source"]): cell["metadata"] for cell in json.loads(text)["cells"]}
    assert exported["# One"] == {"heading_collapsed": True}
    assert exported["print('out')"]["jupyter"] == {"outputs_hidden": True, "source_hidden": True}
    assert exported["print('out')"]["collapsed"] is True


def test_what_is_typed_before_a_new_cell_is_there_goes_into_it(
    shared_server: AntiphonServer, new_notebook: NewNotebook, tmp_path: Path
) -> None:
    """The server makes the cell, which takes a moment; nobody who types waits for it."""
    ada = new_notebook()
    page, keys = ada.page, ada.page.keyboard
    held: list[Callable[[], None]] = []
    holds = False

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(
            lambda text: held.append(partial(socket.send, text)) if holds else socket.send(text)
        )

    page.route_web_socket(re.compile("/rpc$"), between)
    opened(ada, shared_server, imported(shared_server, tmp_path, [written(0, "1 + 1")]))
    ada.cell(1).locator("code-text").click()
    expect(ada.cell(1).locator(".cm-content")).to_be_focused()
    holds = True
    keys.press("Shift+Enter")
    keys.type("x = 5\nx")
    field = page.get_by_role("textbox", name="New cell")
    expect(field).to_be_focused()
    expect(field).to_have_value("x = 5\nx")
    keys.press("Shift+Enter")  # there is nothing to run yet
    keys.press("Escape")
    expect(field).to_be_focused()
    assert violations(page) == []
    holds = False
    for send in held:
        send()
    expect(ada.cell(2).locator(".cm-content")).to_be_focused()
    expect(field).to_have_count(0)
    keys.type(" + 1")
    expect(ada.cell(2).locator(".cm-line")).to_have_text(["x = 5", "x + 1"])
    expect(ada.cell(1).locator("code-text")).to_have_text("1 + 1")
    keys.press("Control+Enter")
    expect(ada.cell(2).locator("[data-outputs]")).to_have_text("6")
