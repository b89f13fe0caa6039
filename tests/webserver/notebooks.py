"""Notebooks as people have them: of each minor version of nbformat 4, and one of nbformat 3."""

from __future__ import annotations

from typing import Any

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

ANALYSIS: dict[str, Any] = {
    "cells": [
        {
            "id": "intro",
            "cell_type": "markdown",
            "metadata": {"slideshow": {"slide_type": "slide"}, "tags": ["intro"]},
            "attachments": {"dot.png": {"image/png": PIXEL}},
            "source": ["# Weather\n", "\n", "![dot](attachment:dot.png)"],
        },
        {
            "id": "a1-b2_C3",
            "cell_type": "code",
            "metadata": {"collapsed": False, "scrolled": "auto", "jupyter": {"source_hidden": True}},
            "execution_count": 4,
            "source": ["import sys\n", "for i in range(2):\n", "    print(i)"],
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["0\n", "1\n"]},
                {"output_type": "stream", "name": "stderr", "text": ["10%\r100%\n"]},
                {"output_type": "stream", "name": "stderr", "text": ["more"]},
                {
                    "output_type": "display_data",
                    "metadata": {"image/png": {"width": 10}, "isolated": True},
                    "data": {"image/png": PIXEL, "text/plain": ["<Figure>"]},
                },
                {
                    "output_type": "execute_result",
                    "execution_count": 4,
                    "metadata": {},
                    "data": {
                        "text/html": ["<table>\n", "<tr><td>ä</td></tr>\n", "</table>"],
                        "application/json": {"a": [1, None, {"b": "c"}]},
                        "application/vnd.vegalite.v5+json": {"mark": "bar"},
                        "text/plain": ["   x\n", "0  1"],
                    },
                },
            ],
        },
        {
            "id": "raw",
            "cell_type": "raw",
            "metadata": {"format": "text/restructuredtext"},
            "source": [".. note::\n", "   raw"],
        },
        {
            "id": "bad",
            "cell_type": "code",
            "metadata": {},
            "execution_count": 5,
            "source": ["1/0"],
            "outputs": [
                {
                    "output_type": "error",
                    "ename": "ZeroDivisionError",
                    "evalue": "division by zero",
                    "traceback": ["\x1b[31mZeroDivisionError\x1b[0m", "division by zero"],
                }
            ],
        },
        {
            "id": "empty",
            "cell_type": "code",
            "metadata": {},
            "execution_count": None,
            "source": [],
            "outputs": [],
        },
    ],
    "metadata": {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "codemirror_mode": {"name": "ipython", "version": 3}},
        "authors": [{"name": "Ada"}],
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}},
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}


def minor(version: int) -> dict[str, Any]:
    """The same, as an older minor version has it."""
    if version >= 5:
        return {**ANALYSIS, "nbformat_minor": version}
    cells = [{name: value for name, value in cell.items() if name != "id"} for cell in ANALYSIS["cells"]]
    if version < 1:
        cells = [{name: value for name, value in cell.items() if name != "attachments"} for cell in cells]
    return {**ANALYSIS, "cells": cells, "nbformat_minor": version}


OLD: dict[str, Any] = {
    "metadata": {"name": "Old"},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Then"]},
                {
                    "cell_type": "code",
                    "collapsed": False,
                    "input": ["1 + 1"],
                    "language": "python",
                    "metadata": {},
                    "prompt_number": 1,
                    "outputs": [
                        {"output_type": "pyout", "metadata": {}, "prompt_number": 1, "text": ["2"]},
                        {"output_type": "stream", "stream": "stdout", "text": ["hi\n"]},
                    ],
                },
            ],
        }
    ],
}
