"""Output, text and names that were written to do harm."""

from __future__ import annotations

import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.deadline import DEADLINE
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NewNotebook = Callable[[], Notebook]


class Listener:
    """A server of the attacker: counts who calls."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.calls: list[bytes] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                # Chromium opens connections ahead of a journey that it then refuses, and sends nothing.
                connection.settimeout(0.2)
                try:
                    heard = connection.recv(100)
                except TimeoutError:
                    continue
            if heard == b"end":
                return
            if heard:
                self.calls.append(heard)

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"end")
        self._thread.join()
        self._socket.close()


@pytest.fixture
def attacker() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def shown(notebook: Notebook, number: int, document: str) -> None:
    """Run a cell whose output is that HTML, and wait until its last script has written `over`.

    The cell has the focus, as the one after a run does. To click it would not do: while a frame above
    it grows, Chromium may hand the click to the frame.
    """
    end = "<p id=end></p><script>document.getElementById('end').textContent = 'over'</script>"
    expect(notebook.cell(number).locator(".cm-content")).to_be_focused()
    notebook.page.keyboard.insert_text(f"from IPython.display import HTML\nHTML({document + end!r})")
    notebook.page.keyboard.press("Shift+Enter")
    expect(notebook.outputs(number).frame_locator("iframe").locator("#end")).to_have_text("over")


COMES_TO_REST = """element => new Promise(done => {
  let top = NaN, still = 0;
  const look = () => {
    const now = element.getBoundingClientRect().top;
    still = now === top ? still + 1 : 0;
    top = now;
    if (still === 20) done(true);
    else requestAnimationFrame(look);
  };
  setTimeout(() => done(false), 20_000);
  look();
})"""


def test_html_reaches_neither_page_nor_storage(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Hostile")
    ada.run(
        1,
        "from IPython.display import HTML\n"
        "HTML('''<p id=said>waiting</p><script>\n"
        "let said = []\n"
        "try { parent.document.title = 'owned'; said.push('page') } catch { said.push('no page') }\n"
        "try { localStorage.x = 1; said.push('storage') } catch { said.push('no storage') }\n"
        "try { document.cookie; said.push('cookies') } catch { said.push('no cookies') }\n"
        "try { new RTCPeerConnection; said.push('calls') } catch { said.push('no calls') }\n"
        "fetch('/rpc', {method: 'POST', body: '{}'})\n"
        "  .then(() => said.push('network'), () => said.push('no network'))\n"
        "  .then(() => document.getElementById('said').textContent = said.join(', '))\n"
        "</script>''')",
    )
    said = ada.outputs(1).frame_locator("iframe").locator("#said")
    expect(said).to_have_text("no page, no storage, no cookies, no calls, no network")
    assert "owned" not in ada.page.title()
    assert not [url for url in asked if url.endswith("/rpc") and not url.startswith("ws")]


def test_html_reaches_no_other_server(
    shared_server: AntiphonServer, new_notebook: NewNotebook, attacker: Listener
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Wants out")
    ada.type(1, "")
    there = f"http://127.0.0.1:{attacker.port}"
    shown(
        ada,
        1,
        f"<img src={there}/img><link rel=stylesheet href={there}/css>"
        f"<link rel=prefetch href={there}/prefetch><iframe src={there}/frame></iframe>"
        f"<object data={there}/object></object><style>@import url({there}/import);</style>"
        f"<form id=form action={there}/form></form><a id=a href={there}/a ping={there}/ping target=_top>a</a>"
        f"<script>navigator.sendBeacon('{there}/beacon'); new WebSocket('{there}/socket');"
        f"document.getElementById('form').submit(); window.open('{there}/open');"
        "document.getElementById('a').click();"
        f"try {{ top.location = '{there}/top' }} catch {{}}</script>",
    )
    # Its own frame it may take elsewhere, but only to where the page's policy lets frames be.
    shown(ada, 2, f"<script>onmessage = ({{data}}) => data === 'go' && (location = '{there}/own')</script>")
    frame = ada.outputs(2).locator("iframe")
    frame.evaluate(
        "frame => new Promise(r => { frame.onload = r; frame.contentWindow.postMessage('go', '*') })"
    )
    # What was to go out has gone by the time that a later cell has come and gone.
    shown(ada, 3, "<p>later</p>")
    assert attacker.calls == []
    assert ada.page.url.startswith(shared_server.url)


def test_plot_reaches_no_other_server(
    shared_server: AntiphonServer, new_notebook: NewNotebook, attacker: Listener
) -> None:
    ada = new_notebook()
    ada.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Plots want out")
    ada.run(
        1,
        f"there = 'http://127.0.0.1:{attacker.port}/'\n"
        "bar = {'mark': 'bar', 'data': {'url': there + 'data.csv'}, 'title': 'Far'}\n"
        "bar['usermeta'] = {'embedOptions': {'loader': {}}}\n"
        "display({'application/vnd.vegalite.v6+json': bar}, raw=True)\n"
        "title = {'text': '<a href=\"javascript:alert(1)\">x</a>'}\n"
        "picture = {'images': [{'source': there + 'a.png'}], 'title': title}\n"
        "figure = {'data': [{'y': [1], 'name': '</script><script>alert(1)</script>'}], 'layout': picture}\n"
        "display({'application/vnd.plotly.v1+json': figure}, raw=True)",
    )
    frames = ada.outputs(1).locator("output-frame")
    expect(frames.nth(1).frame_locator("iframe").locator(".gtitle")).to_have_text("x")
    expect(frames.nth(0).frame_locator("iframe").locator(".role-title-text")).to_have_text("Far")
    shown(ada, 2, "<p>later</p>")
    assert attacker.calls == []


def test_output_stays_in_its_place(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Wants room")
    ada.type(1, "")
    shown(ada, 1, "<div style='position: fixed; inset: 0; z-index: 9999; background: red'>covered</div>")
    shown(ada, 2, "<div style='height: 10000000px; width: 10000000px'></div>")
    expect(ada.outputs(2).locator("iframe")).to_have_css("height", "4000px")
    shown(
        ada,
        3,
        # It knows the nonce of its own frame, and nothing of the others'.
        "<script>const antiphon = location.hash.slice(1); let n = 0; (function flood() {"
        "const tell = height => parent.postMessage({antiphon, type: 'height', height}, '*');"
        "for (let i = 0; i < 10; i++) tell(n++ % 2 ? 1e9 : 1);"
        "for (let i = 0; i < parent.length; i++)"
        " parent[i].postMessage({antiphon: 'guess', type: 'show', html: 'forged'}, '*');"
        "for (const height of [NaN, -1, '9', {}, null]) tell(height);"
        "setTimeout(flood, 10) })()</script>",
    )
    ada.page.keyboard.insert_text("'still here'")
    ada.page.keyboard.press("Shift+Enter")
    expect(ada.outputs(4)).to_have_text("'still here'")
    # The flood goes on, and what stands below it can be read and clicked.
    assert ada.cell(4).evaluate(COMES_TO_REST)
    heights = ada.page.locator("output-frame iframe").evaluate_all("all => all.map(one => one.clientHeight)")
    assert max(heights) <= 4000
    assert heights[0] < 200
    assert ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(ada.outputs(1).frame_locator("iframe").locator("body")).not_to_contain_text("forged")


def test_output_that_floods_the_page_is_ended(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Flood")
    ada.run(
        1,
        "from IPython.display import HTML\n"
        "HTML('''<script>(function flood() {"
        "for (let i = 0; i < 200; i++) parent.postMessage({n: i}, '*');"
        "setTimeout(flood, 0) })()</script>''')",
    )
    expect(ada.outputs(1)).to_contain_text("was ended")
    expect(ada.outputs(1).locator("iframe")).to_have_count(0)
    ada.run(2, "'still here'")
    expect(ada.outputs(2)).to_have_text("'still here'")


def test_text_and_names_are_never_markup(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    ada = new_notebook()
    ada.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    ada.sign_in(shared_server.login_link())
    image = "<img src=x onerror=alert(1)>"
    ada.new_worksheet(image)
    ada.run(1, f"class constructor(Exception): pass\nraise constructor({image!r})")
    ada.expect_state(1, "failed")
    expect(ada.outputs(1)).to_contain_text(image)
    ada.run(
        2,
        f"print('\\x1b]8;;javascript:alert(1)\\x07{image}\\x1b]8;;\\x07', '\\x1b[{image}m')\n"
        "proto = {'__proto__': {'width': 1}}\n"
        f"display({{'text/{image}': 1, '__proto__': 2}}, raw=True, metadata=proto)\n"
        f"display({{'image/png': '\">{image}'}}, raw=True, display_id='__proto__')\n"
        f"display({{'application/json': {{'__proto__': {image!r}, 'constructor': [{image!r}]}}}}, raw=True)\n"
        'svg = \'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>\'\n'
        "display({'image/svg+xml': svg}, raw=True)\n"
        "print('end')",
    )
    expect(ada.outputs(2)).to_contain_text("end")
    ada.expect_state(2, "done")
    ada.run(
        3,
        "from IPython.display import Markdown\n"
        f"Markdown('''{image} [js](javascript:alert(1)) [data](data:text/html,x) [vb](vbscript:x)\n"
        "![far](https://example.org/far.png) <style>* {display: none}</style> [there](https://example.org)''')",
    )
    links = ada.outputs(3).locator("a")
    expect(links).to_have_count(2)
    expect(links.first).to_have_attribute("href", "https://example.org/far.png")
    expect(links.last).to_have_attribute("rel", "noopener noreferrer")
    expect(ada.outputs(3).locator("img, style")).to_have_count(0)
    # In the page itself there is no picture but what a display is, nor any handler.
    assert ada.page.locator("[onerror], [onload], .outputs script, a[href^='javascript' i]").count() == 0
    ada.page.get_by_role("link", name="Antiphon").click()
    expect(ada.page.get_by_text(image)).to_be_visible()


def test_code_that_hides_what_it_does_is_marked(
    shared_server: AntiphonServer, new_notebook: NewNotebook
) -> None:
    ada = new_notebook()
    ada.sign_in(shared_server.login_link())
    ada.new_worksheet("Turned")
    ada.run(1, "who = 'user\u202e\u2066'  # \u200b")
    ada.expect_state(1, "done")
    expect(ada.cell(1).locator("code-text")).to_have_text("who = 'user••'  # •")
    ada.cell(1).locator("code-text").click()
    expect(ada.cell(1).locator(".cm-specialChar")).to_have_count(3)


@pytest.mark.parametrize(
    "path", ["/", "/w/none-at-all-of-this-id", "/frame.html", "/assets/none.js", "/none"]
)
def test_every_answer_has_a_policy(shared_server: AntiphonServer, path: str) -> None:
    paths = [path]
    if path == "/":
        page = urllib.request.urlopen(shared_server.url, timeout=DEADLINE).read().decode()
        paths += re.findall(r'(?:src|href)="(/[^"]+)"', page)
        assert len(paths) >= 4, "script, style and icon"
    for one in paths:
        try:
            answer = urllib.request.urlopen(shared_server.url + one, timeout=DEADLINE)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, one
            assert ("sandbox allow-scripts" in policy) == (one == "/frame.html")
            assert "script-src 'self'" in policy or one == "/frame.html"
            assert answer.headers["X-Content-Type-Options"] == "nosniff", one
            assert answer.headers["Referrer-Policy"] == "no-referrer", one


def test_login_link_is_kept_nowhere(shared_server: AntiphonServer, new_notebook: NewNotebook) -> None:
    link = shared_server.login_link()
    secret = link.partition("#link=")[2]
    ada = new_notebook()
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    # Where the page stands already, a link changes the part of the address that is not sent.
    ada.open(shared_server.url)
    expect(ada.page.get_by_label("Name")).to_be_focused()
    ada.sign_in(link)
    expect(ada.page.locator("[data-connection=connected]")).to_be_visible()
    assert "link" not in ada.page.url
    devtools = ada.context.new_cdp_session(ada.page)
    history = devtools.send("Page.getNavigationHistory")["entries"]
    assert secret not in str(history)
    assert not [url for url in asked if secret in url.partition("#")[0]]
    assert secret not in ada.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert secret not in shared_server.said()
    used = new_notebook()
    used.open(link)
    expect(used.page.get_by_role("alert")).not_to_be_empty()
    assert secret not in shared_server.said()
