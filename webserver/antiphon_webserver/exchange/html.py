"""HTML: one file that needs nothing else and runs nothing.

Whatever comes from a cell is escaped. HTML and SVG among the outputs stand in frames without scripts,
without an origin and, by the page's content security policy, without a network.
"""

from __future__ import annotations

import base64
import binascii
import re
from html import escape
from typing import Any

from . import shown
from .document import Document, DocumentCell

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'"

STYLE = """
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 Georgia, serif; color: #222; }
pre { overflow-x: auto; white-space: pre-wrap; font: .875rem/1.45 ui-monospace, monospace; margin: .5rem 0; }
pre.code { background: #f4f2ee; padding: .75rem; border-radius: 4px; }
pre.stderr, pre.error { color: #a3161d; }
pre.text { font: inherit; }
p.remark { font-size: .875rem; font-style: italic; color: #555; }
iframe { width: 100%; height: 24rem; border: 1px solid #ddd; }
img { max-width: 100%; }
"""

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def write(document: Document) -> str:
    title = escape(document.title)
    body = "\n".join(map(_cell, document.cells))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


def _cell(cell: DocumentCell) -> str:
    if cell.type == "markdown":
        return _pre("text", cell.source)
    remark = [f'<p class="remark">{escape(cell.remark)}</p>'] if cell.remark else []
    return "\n".join([_pre("code", cell.source), *remark, *map(_output, cell.outputs)])


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    for kind in ("text/html", "image/svg+xml"):
        if isinstance(data.get(kind), str):
            return f'<iframe sandbox="" title="Output" srcdoc="{escape(data[kind])}"></iframe>'
    for kind in IMAGES:
        image = _base64(data.get(kind))
        if image:
            alt = escape(shown.text({"output_type": "display_data", "data": data}))
            return f'<img alt="{alt}" src="data:{kind};base64,{image}">'
    text = shown.text(output)
    kind = "error" if output["output_type"] == "error" else output.get("name", "output")
    return (
        _pre("stderr" if kind == "stderr" else "error" if kind == "error" else "output", text) if text else ""
    )


def _base64(value: object) -> str:
    """Written anew, so that nothing but base64 comes into the page."""
    if not isinstance(value, str):
        return ""
    try:
        return base64.b64encode(base64.b64decode(re.sub(r"\s", "", value), validate=True)).decode()
    except (binascii.Error, ValueError):
        return ""


def _pre(kind: str, text: str) -> str:
    return f'<pre class="{kind}">{escape(text)}</pre>'
