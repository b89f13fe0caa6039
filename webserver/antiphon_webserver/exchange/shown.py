"""Outputs as text, for formats that cannot show more."""

from __future__ import annotations

from typing import Any

from .. import terminal
from ..outputs import plain


def text(output: dict[str, Any]) -> str:
    """What a terminal would show of an output."""
    match output["output_type"]:
        case "stream":
            return plain(terminal.shown(output["text"]))
        case "error":
            traceback = plain("\n".join(output["traceback"]))
            return traceback or f"{output['ename']}: {output['evalue']}"
        case _:
            data = output.get("data", {})
            for kind in ("text/plain", "text/markdown", "text/latex"):
                if isinstance(data.get(kind), str):
                    return plain(data[kind])
            return f"({', '.join(sorted(data))})" if data else ""
