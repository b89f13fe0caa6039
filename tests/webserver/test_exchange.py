"""Worksheets to files and back: the formats, as pure functions."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon_webserver.errors import InvalidParams
from antiphon_webserver.exchange import READ, WRITE, Document, DocumentCell, filename, stem
from tests.webserver.notebooks import ANALYSIS, OLD, PIXEL, minor


def joined(value: Any) -> Any:
    """A notebook with its texts in one piece, as every reader of notebooks takes them."""
    return json.loads(json.dumps(nbformat.reader.reads(json.dumps(value))))


def there_and_back(notebook: dict[str, Any]) -> Any:
    return joined(json.loads(WRITE["ipynb"].write(READ["ipynb"](json.dumps(notebook)))))


@pytest.mark.parametrize("version", range(6))
def test_a_notebook_comes_back_as_it_was(version: int) -> None:
    notebook = minor(version)
    assert there_and_back(notebook) == joined(notebook)


def test_an_old_notebook_is_upgraded() -> None:
    document = READ["ipynb"](json.dumps(OLD))
    assert [(cell.type, cell.source) for cell in document.cells] == [
        ("markdown", "## Then"),
        ("code", "1 + 1"),
    ]
    assert [output["output_type"] for output in document.cells[1].outputs] == ["execute_result", "stream"]


def test_cells_without_an_id_of_their_own_get_one() -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [], "execution_count": None}
    cells = [cell, {**cell, "id": "same"}, {**cell, "id": "same"}, {**cell, "id": "cell-0"}]
    found = there_and_back({**ANALYSIS, "cells": cells})["cells"]
    assert [cell["id"] for cell in found] == ["cell-1", "same", "cell-2", "cell-0"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)
texts = st.text(st.characters(codec="utf-8"))
metadata = st.dictionaries(st.text("xyz", min_size=1), json_values, max_size=3)
bundles = st.dictionaries(st.sampled_from(["text/plain", "text/html", "image/png"]), texts, max_size=3)
outputs = st.one_of(
    st.fixed_dictionaries(
        {
            "output_type": st.just("stream"),
            "name": st.sampled_from(["stdout", "stderr"]),
            "text": texts,
        }
    ),
    st.fixed_dictionaries({"output_type": st.just("display_data"), "data": bundles, "metadata": metadata}),
    st.fixed_dictionaries(
        {
            "output_type": st.just("execute_result"),
            "data": bundles,
            "metadata": metadata,
            "execution_count": st.none() | st.integers(0, 1000),
        }
    ),
    st.fixed_dictionaries(
        {
            "output_type": st.just("error"),
            "ename": texts,
            "evalue": texts,
            "traceback": st.lists(texts, max_size=2),
        }
    ),
)
cells = st.one_of(
    st.fixed_dictionaries(
        {
            "cell_type": st.just("code"),
            "metadata": metadata,
            "source": texts,
            "outputs": st.lists(outputs, max_size=3),
            "execution_count": st.none() | st.integers(0, 1000),
        }
    ),
    st.fixed_dictionaries(
        {"cell_type": st.sampled_from(["markdown", "raw"]), "metadata": metadata, "source": texts}
    ),
)


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.lists(cells, max_size=4))
    return {
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(found)],
        "metadata": draw(metadata),
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(notebooks())
def test_every_notebook_comes_back_as_it_was(notebook: dict[str, Any]) -> None:
    assert there_and_back(notebook) == joined(notebook)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "nbformat is None"),
        ('{"nbformat": 5, "nbformat_minor": 0}', "nbformat is 5"),
        ('{"nbformat": true}', "nbformat is True"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "cells"),
        (json.dumps({**ANALYSIS, "cells": [{"cell_type": "code"}]}), r"cells\[0\]|source"),
        (json.dumps({**ANALYSIS, "metadata": []}), "metadata"),
        (json.dumps({"nbformat": 3, "nbformat_minor": 0}), "worksheets"),
        ('{"nbformat": 4, "x": "\\ud800"}', "not JSON"),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidParams, match=why) as caught:
        READ["ipynb"](text)
    assert caught.value.data["field"] == "text"
    assert len(caught.value.sentence) < 400


def test_a_new_worksheet_becomes_a_valid_notebook() -> None:
    text = WRITE["ipynb"].write(
        Document(title="T", cells=(DocumentCell(type="code", source="1\n2", id="Y2VsbC0x"),))
    )
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.metadata.title, notebook.cells[0].id, notebook.cells[0].source) == (
        "T",
        "Y2VsbC0x",
        "1\n2",
    )


def test_a_cell_that_was_converted_is_what_it_is_now() -> None:
    document = READ["ipynb"](json.dumps(ANALYSIS))
    intro, code, raw, *_ = document.cells
    changed = Document(
        title="",
        original=document.original,
        cells=(
            DocumentCell(type="code", source="1", original=intro.original),
            DocumentCell(type="markdown", source="m", original=code.original),
            DocumentCell(type="code", source="2", original=raw.original),
        ),
    )
    notebook = nbformat.reads(WRITE["ipynb"].write(changed), as_version=4)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["code", "markdown", "code"]


# --- Percent scripts --------------------------------------------------------------------------

SCRIPT = """\
# %%
import os

x = 1

# %% [markdown]
# # Title
#
# text

# %% [raw]
# as it is

# %%
x + 1
"""


def test_a_script_is_cells_and_comes_back() -> None:
    document = READ["py"](SCRIPT)
    assert [(cell.type, cell.raw, cell.source) for cell in document.cells] == [
        ("code", False, "import os\n\nx = 1"),
        ("markdown", False, "# Title\n\ntext"),
        ("markdown", True, "as it is"),
        ("code", False, "x + 1"),
    ]
    assert WRITE["py"].write(document) == SCRIPT


def test_a_script_without_marks_is_one_cell() -> None:
    assert [cell.source for cell in READ["py"]("a = 1\n\nprint(a)\n").cells] == ["a = 1\n\nprint(a)"]
    assert READ["py"]("").cells == ()


lines = st.text(st.characters(codec="ascii", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e"), max_size=20)
sources = (
    st.lists(lines.map(str.rstrip).filter(lambda line: not re.match("# ?%%", line)), max_size=4)
    .map("\n".join)
    .map(lambda text: text.strip("\n"))
)


@given(st.lists(st.tuples(st.sampled_from(["code", "markdown"]), sources), max_size=4))
def test_every_script_comes_back(found: list[tuple[Any, str]]) -> None:
    document = Document(
        title="", cells=tuple(DocumentCell(type=kind, source=source) for kind, source in found)
    )
    again = READ["py"](WRITE["py"].write(document))
    assert [(cell.type, cell.source) for cell in again.cells] == found


# --- Markdown and HTML ------------------------------------------------------------------------


def test_markdown_has_code_and_outputs_in_fences() -> None:
    document = READ["ipynb"](json.dumps({**ANALYSIS, "metadata": {"title": "Weather, north"}}))
    text = WRITE["md"].write(document)
    assert text.startswith("# Weather, north\n\n# Weather\n\n![dot]")
    assert "```python\nimport sys\nfor i in range(2):\n    print(i)\n```\n\n```text\n0\n1\n```" in text
    assert "```text\n100%\n```" in text
    assert "```text\nZeroDivisionError\ndivision by zero\n```" in text
    assert "\x1b" not in text


def test_a_fence_is_longer_than_what_it_holds() -> None:
    document = Document(title="T", cells=(DocumentCell(type="code", source="'''\n````\n'''"),))
    assert "`````python\n'''\n````\n'''\n`````" in WRITE["md"].write(document)


class Page(HTMLParser):
    """The elements and their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


ATTACK = "</pre></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_html_escapes_everything_and_puts_html_into_a_sandbox() -> None:
    outputs: tuple[dict[str, Any], ...] = (
        {"output_type": "stream", "name": ATTACK, "text": ATTACK},
        {"output_type": "display_data", "data": {"text/html": ATTACK}, "metadata": {}},
        {"output_type": "display_data", "data": {"image/svg+xml": ATTACK}, "metadata": {}},
        {"output_type": "display_data", "data": {"image/png": ATTACK, "text/plain": ATTACK}, "metadata": {}},
        {"output_type": "display_data", "data": {"image/png": PIXEL, "text/plain": ATTACK}, "metadata": {}},
        {"output_type": "error", "ename": ATTACK, "evalue": ATTACK, "traceback": []},
    )
    document = Document(
        title=ATTACK,
        cells=(
            DocumentCell(type="code", source=ATTACK, outputs=outputs),
            DocumentCell(type="markdown", source=ATTACK),
        ),
    )
    page = Page(WRITE["html"].write(document))
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags
    frames = [attributes for tag, attributes in page.elements if tag == "iframe"]
    assert [(frame["sandbox"], frame["srcdoc"]) for frame in frames] == [("", ATTACK), ("", ATTACK)]
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert images == [{"alt": ATTACK, "src": f"data:image/png;base64,{PIXEL}"}]
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_html_of_a_notebook_has_its_text() -> None:
    page = Page(WRITE["html"].write(READ["ipynb"](json.dumps(ANALYSIS))))
    assert "# Weather" in page.text
    assert "ZeroDivisionError\ndivision by zero" in page.text


@pytest.mark.parametrize(
    ("title", "name"),
    [("Weather", "Weather.md"), ("a/b\\c:\n?", "a b c.md"), ("..", "Untitled.md"), ("ä 雪", "ä 雪.md")],
)
def test_a_file_has_a_name_that_every_system_takes(title: str, name: str) -> None:
    assert filename(title, "md") == name


def test_the_stem_has_no_folders() -> None:
    assert (stem("C:\\x\\Weather.ipynb"), stem("a/b.c.py"), stem("")) == ("Weather", "b.c", "")
