"""What cells show, made by the real libraries, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.conftest import AntiphonServer
from tests.e2e.conftest import Notebook

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def ada(shared_server: AntiphonServer, new_notebook: Callable[[], Notebook]) -> Notebook:
    """Somebody with an empty worksheet; a dialog that a script opens fails the test."""
    notebook = new_notebook()
    notebook.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    notebook.sign_in(shared_server.login_link())
    notebook.new_worksheet("Outputs")
    return notebook


def test_data_frame_is_a_table_that_can_be_sorted(ada: Notebook) -> None:
    ada.run(
        1,
        "import pandas as pd\n"
        "pd.DataFrame({'city': ['Oslo', 'Lima', 'Quito'], 'degrees': [9.5, 19, None]}, index=[7, 8, 9])",
    )
    table = ada.outputs(1).get_by_role("table")
    expect(table.get_by_role("columnheader", name="city")).to_be_visible()
    expect(ada.outputs(1).locator("iframe")).to_have_count(0)
    cities = table.locator("tbody td:first-of-type")
    expect(cities).to_have_text(["Oslo", "Lima", "Quito"])
    head = table.get_by_role("button", name="degrees")
    head.focus()
    ada.page.keyboard.press("Enter")
    ada.page.keyboard.press("Enter")
    # As numbers, and what is missing comes last.
    expect(cities).to_have_text(["Lima", "Oslo", "Quito"])
    expect(table.get_by_role("columnheader", name="degrees")).to_have_attribute("aria-sort", "descending")
    ada.page.keyboard.press("Enter")
    expect(cities).to_have_text(["Oslo", "Lima", "Quito"])


def test_index_of_many_levels_says_its_names_in_any_order(ada: Notebook) -> None:
    ada.run(
        1,
        "import pandas as pd\nindex = pd.MultiIndex.from_product([['a', 'b'], [1, 2]])\n"
        "pd.DataFrame({'n': [3, 1, 2, 4]}, index=index)",
    )
    rows = ada.outputs(1).locator("tbody tr")
    expect(rows).to_have_text([re.compile(rf"{row}\s*$") for row in ["a13", "a21", "b12", "b24"]])
    ada.outputs(1).get_by_role("button", name="n", exact=True).click()
    expect(rows).to_have_text([re.compile(rf"{row}\s*$") for row in ["a21", "b12", "a13", "b24"]])


def test_large_table_draws_what_is_in_view(ada: Notebook) -> None:
    ada.run(
        1,
        "import pandas as pd\npd.options.display.max_rows = None\npd.DataFrame({'n': range(5000)})",
    )
    window = ada.outputs(1).get_by_role("group", name="Table, 5,000 rows")
    expect(window.get_by_role("row")).not_to_have_count(0)
    assert window.locator("tbody tr").count() < 200
    window.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(window.locator("tbody td", has_text=re.compile("^4999$"))).to_be_visible()
    last = window.locator("tbody tr", has_text="4999").last
    expect(last).to_have_attribute("aria-rowindex", "5001")
    expect(window.get_by_role("columnheader", name="n", exact=True)).to_be_in_viewport()


def test_table_with_more_than_data_in_it_stays_in_the_frame(ada: Notebook) -> None:
    ada.run(
        1,
        "from IPython.display import HTML\n"
        "cells = ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<iframe></iframe>']\n"
        "for cell in cells:\n"
        "    display(HTML(f'<table class=\"dataframe\"><tr><td>{cell}</td></tr></table>'))\n"
        'link = \'<a href="javascript:alert(1)" onclick="alert(1)" id=page>click</a>\'\n'
        "HTML(f'<table class=\"dataframe\"><tr><td>{link}</td></tr></table>')",
    )
    ada.expect_state(1, "done")
    expect(ada.outputs(1).locator("output-frame")).to_have_count(3)
    cell = ada.outputs(1).locator("data-table td a")
    expect(cell).to_have_text("click")
    assert cell.evaluate("element => element.getAttributeNames().join()") in ("", "target,rel")


def test_large_text_is_found_in_and_shown_whole(ada: Notebook) -> None:
    ada.run(
        1,
        "needle = '\\x1b[38;5;196mNEEDLE\\x1b[0m'\n"
        "for n in range(60_000):\n    print('line', n, needle if n == 12_345 else '')",
    )
    ada.expect_state(1, "done")
    ada.outputs(1).get_by_role("button", name="show all and search").click()
    whole = ada.outputs(1).get_by_role("group", name="Whole output")
    expect(whole).to_contain_text("line 3")
    assert whole.locator(".long-row").count() < 500
    search = ada.outputs(1).get_by_role("searchbox")
    search.fill("needle")
    expect(ada.outputs(1).get_by_role("status")).to_have_text("1 of 1")
    expect(whole.locator("mark")).to_be_in_viewport()
    expect(whole).to_contain_text("line 12345")
    search.fill("line 1999")
    # It goes on from where one looks, and round at the ends.
    expect(ada.outputs(1).get_by_role("status")).to_have_text("2 of 11")
    search.press("Shift+Enter")
    expect(whole.locator("mark.now")).to_be_in_viewport()
    search.press("Shift+Enter")
    expect(ada.outputs(1).get_by_role("status")).to_have_text("11 of 11")
    expect(whole).to_contain_text("line 19999")


def test_colours_by_number_can_be_read_in_both_themes(ada: Notebook) -> None:
    ada.run(1, "for n in range(16, 256, 3):\n    print(f'\\x1b[38;5;{n}m{n}\\x1b[0m', end=' ')")
    ada.expect_state(1, "done")
    contrasts = """spans => {
      const context = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
      const light = colour => {
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(part => {
          const value = part / 255;
          return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const paper = light(getComputedStyle(document.documentElement).getPropertyValue('--paper').trim());
      return spans.map(span => {
        const ink = light(getComputedStyle(span).color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      });
    }"""
    spans = ada.outputs(1).locator("pre span")
    expect(spans).to_have_count(80)
    for theme in ("light", "dark"):
        ada.page.emulate_media(color_scheme=theme)
        expect(ada.page.locator(f"html[data-theme={theme}]")).to_be_attached()
        assert min(spans.evaluate_all(contrasts)) >= 4.5, theme
    assert len(set(spans.evaluate_all("all => all.map(one => getComputedStyle(one).color)"))) > 30


def test_formulas_are_set_in_outputs_and_in_text(ada: Notebook) -> None:
    ada.run(
        1,
        "from IPython.display import Latex, Markdown, Math\n"
        "display(Math(r'\\frac{1}{2}'))\n"
        "display(Latex(r'where $x_1$ is'))\n"
        "display(Markdown(r'It costs $5 to $6, **but** $e^{i\\pi}$.'))\n"
        "Math(r'\\href{javascript:alert(1)}{x} \\includegraphics{https://example.org/a.png}')",
    )
    ada.expect_state(1, "done")
    displays = ada.outputs(1).locator("[data-output=display]")
    expect(displays.nth(0).locator(".katex .mfrac")).to_be_visible()
    expect(displays.nth(1)).to_contain_text("where")
    expect(displays.nth(1).locator(".katex")).to_have_count(1)
    expect(displays.nth(2)).to_contain_text("It costs $5 to $6, but")
    expect(displays.nth(2).locator(".katex")).to_have_count(1)
    # For who listens there is MathML.
    expect(displays.nth(0).locator("math mfrac")).to_be_attached()
    expect(displays.nth(3).locator("a, img")).to_have_count(0)
    assert ada.page.evaluate("document.fonts.ready.then(() => document.fonts.check('12px KaTeX_Math'))")


def test_code_in_text_has_the_colours_of_its_language(ada: Notebook) -> None:
    ada.run(
        1,
        "from IPython.display import Markdown\n"
        "Markdown('```python\\ndef f(): pass\\n```\\n\\n```sql\\nSELECT 1\\n```\\n\\n"
        "```mermaid\\ngraph TD; A-->B\\n```')",
    )
    blocks = ada.outputs(1).locator("pre code-text")
    expect(blocks.nth(0).locator(".tok-keyword").first).to_have_text("def")
    expect(blocks.nth(1).locator(".tok-keyword")).to_have_text("SELECT")
    expect(blocks.nth(2)).to_have_text("graph TD; A-->B")
    expect(blocks.nth(2).locator("[class^=tok-]")).to_have_count(0)


def test_plots_are_drawn_without_network(ada: Notebook) -> None:
    def run_here(code: str) -> None:
        """In the cell where the keys are: one that is clicked moves while a frame above it grows."""
        ada.page.keyboard.insert_text(code)
        ada.page.keyboard.press("Shift+Enter")

    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.run(
        1,
        "import plotly.graph_objects as go\n"
        "go.Figure(go.Bar(x=['one', 'two'], y=[1, 2]), layout={'title': {'text': 'Bars'}}).show()",
    )
    plotly = ada.outputs(1).frame_locator("output-frame:not([data-empty]) iframe").last
    expect(plotly.locator(".gtitle")).to_have_text("Bars")
    expect(plotly.locator(".bars path")).to_have_count(2)
    ink = "text => getComputedStyle(text).fill"
    ada.page.emulate_media(color_scheme="light")
    expect(plotly.locator("html:not(.dark)")).to_be_attached()
    light = plotly.locator(".gtitle").evaluate(ink)
    ada.page.emulate_media(color_scheme="dark")
    expect(plotly.locator("html.dark")).to_be_attached()
    expect(plotly.locator(".gtitle")).not_to_have_css("fill", light)

    run_here(
        "import altair as alt\nimport pandas as pd\n"
        "data = pd.DataFrame({'name': ['one', 'two'], 'n': [1, 2]})\n"
        "chart = alt.Chart(data, title='Marks').mark_bar().encode(x='name', y='n')\n"
        "display(chart)\n"
        "display({'application/vnd.vegalite.v6+json': chart.to_dict()}, raw=True)",
    )
    for number in (0, 1):
        marks = ada.outputs(2).locator("output-frame").nth(number).frame_locator("iframe")
        expect(marks.locator(".role-title-text").first).to_have_text("Marks")
        expect(marks.locator(".mark-rect.role-mark path")).to_have_count(2)

    run_here(
        "from bokeh.io import output_notebook, show\nfrom bokeh.plotting import figure\n"
        "output_notebook()\nplot = figure(width=300, height=200, title='Lines')\n"
        "plot.line([1, 2], [3, 4])\nshow(plot)",
    )
    bokeh = ada.outputs(3).frame_locator("iframe")
    expect(bokeh.locator("canvas").first).to_be_visible()
    expect(ada.outputs(3).locator("output-frame")).to_have_count(1)
    elsewhere = [
        url for url in asked if not re.match(r"(https?|wss?)://(127\.0\.0\.1|localhost)|data:|blob:", url)
    ]
    assert elsewhere == []


def test_output_is_copied_downloaded_and_given_the_window(ada: Notebook) -> None:
    ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ada.run(1, "import pandas as pd\npd.DataFrame({'n': [1, 2]})")
    output = ada.outputs(1).locator("[data-output=display]")
    expect(output.get_by_role("table")).to_be_visible()
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("ArrowUp")
    output.get_by_role("button", name="Copy the output").press("Enter")
    expect(ada.page.get_by_role("log")).to_contain_text("Copied")
    assert ada.page.evaluate("navigator.clipboard.readText()") == "\tn\n0\t1\n1\t2"
    output.get_by_role("combobox", name="Show as").select_option(label="Text")
    expect(output.locator("pre")).to_contain_text("0  1")
    with ada.page.expect_download() as started:
        output.get_by_role("button", name="Download the output").press("Enter")
    assert started.value.suggested_filename == "output.txt"
    assert "1  2" in started.value.path().read_text()
    output.get_by_role("button", name="Full screen").press("Enter")
    dialog = ada.page.get_by_role("dialog", name="Output of cell 1")
    expect(dialog.locator("pre")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(output.get_by_role("button", name="Full screen")).to_be_focused()


def test_json_is_a_tree_for_the_keyboard(ada: Notebook) -> None:
    ada.run(
        1,
        "tree = {'list': list(range(250)), 'script': '<script>alert(1)</script>'}\n"
        "display({'application/geo+json': tree}, raw=True)",
    )
    outer = ada.outputs(1).locator("summary").first
    expect(outer).to_contain_text("2 keys")
    inner = ada.outputs(1).locator("summary", has_text="250 items")
    inner.press("Enter")
    leaves = ada.outputs(1).locator("json-branch json-branch li")
    expect(leaves).to_have_count(101)
    ada.outputs(1).get_by_role("button", name="150 more").press("Enter")
    expect(leaves).to_have_count(201)
    expect(ada.outputs(1)).to_contain_text('"<script>alert(1)</script>"')


def test_sound_film_and_documents_are_handed_over(ada: Notebook) -> None:
    ada.run(
        1,
        "import base64, io, wave\nfile = io.BytesIO()\nwith wave.open(file, 'wb') as sound:\n"
        "    sound.setparams((1, 2, 8000, 0, 'NONE', ''))\n    sound.writeframes(bytes(32000))\n"
        "data = base64.b64encode(file.getvalue()).decode()\n"
        "display({'audio/wav': data, 'text/plain': 'a sound'}, raw=True)\n"
        "display({'application/pdf': base64.b64encode(b'%PDF-1.4').decode()}, raw=True)\n"
        "display({'text/csv': 'a,b\\n1,\"x, y\"\\n'}, raw=True)",
    )
    sound = ada.outputs(1).locator("audio")
    expect(sound).to_be_visible()
    length = "sound => new Promise((ok, no) => { sound.onloadedmetadata = () => ok(sound.duration);"
    assert sound.evaluate(length + " sound.onerror = () => no(sound.error.message); sound.load(); })") == 2
    with ada.page.expect_download() as started:
        ada.outputs(1).get_by_role("link", name="Download").click()
    assert started.value.path().read_bytes() == b"%PDF-1.4"
    expect(ada.outputs(1).get_by_role("cell", name="x, y")).to_be_visible()
