"""Notebooks as people write them, executed by nbclient and papermill on our kernels and on ipykernel.

Both run here and now, in one environment: nothing is compared with what was stored.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from nbformat import NotebookNode

from tests.kernel.jupyter_home import ROOT, jupyter_home
from tests.kernel.normalised import Normaliser

CELL_SECONDS = 100
OURS = ("antiphon", "antiphon-shared")
PEER = "python3"
"""ipykernel's kernelspec."""

NOTEBOOKS = sorted((ROOT / "tests" / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with jupyter_home(tmp_path_factory.mktemp("jupyter")) as file:
        yield file


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def compare(ours: NotebookNode, here: Path, theirs: NotebookNode, there: Path) -> None:
    """Cell by cell, and the widgets that are left."""
    mine, other = Normaliser(here), Normaliser(there)
    for cell, peer in zip(code_cells(ours), code_cells(theirs), strict=True):
        if "differs" in cell.metadata:
            assert mine.cell(cell) != other.cell(peer), f"they agree by now: {cell.metadata['differs']}"
        else:
            assert mine.cell(cell) == other.cell(peer)
    assert mine.widgets(ours) == other.widgets(theirs)


def client_of(file: Path, kernel: str, directory: Path) -> nbclient.NotebookClient:
    directory.mkdir()
    client = nbclient.NotebookClient(
        nbformat.read(file, as_version=4),
        kernel_name=kernel,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(directory)}},
    )
    # Of both, because ipykernel does not tell an exception group from success.
    client.allow_errors = True
    return client


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
async def test_a_notebook_has_the_outputs_that_ipykernel_gives_it(file: Path, tmp_path: Path) -> None:
    peer, *ours = await asyncio.gather(
        *(client_of(file, kernel, tmp_path / kernel).async_execute() for kernel in (PEER, *OURS))
    )
    for kernel, notebook in zip(OURS, ours, strict=True):
        compare(notebook, tmp_path / kernel, peer, tmp_path / PEER)
        for cell in code_cells(notebook):
            failed = any(output.output_type == "error" for output in cell.outputs)
            assert failed == ("raises-exception" in cell.metadata.get("tags", ())), cell.source


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("report", {"seed": 7, "size": 25, "title": "from outside", "columns": "[x, y, z]"}),
        ("weather", {"seed": 99, "stations": "[north, south, west]"}),
    ],
)
def test_papermill_executes_with_parameters(name: str, parameters: dict[str, Any], tmp_path: Path) -> None:
    done = {}
    # The entry point of our provisioner is on this process's path alone.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for kernel in (PEER, *OURS):
        (tmp_path / kernel).mkdir()
        result = tmp_path / f"{kernel}.ipynb"
        words = [word for key, value in parameters.items() for word in ("-y", f"{key}: {value}")]
        command = [sys.executable, "-m", "papermill", "--kernel", kernel, "--language", "python"]
        places = [
            "--cwd",
            str(tmp_path / kernel),
            str(ROOT / "tests" / "notebooks" / f"{name}.ipynb"),
            str(result),
        ]
        answer = subprocess.run(
            [*command, *words, *places],
            env=environment,
            capture_output=True,
            text=True,
            timeout=CELL_SECONDS,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        done[kernel] = nbformat.read(result, as_version=4)
        assert "injected-parameters" in str(done[kernel].cells)
    for kernel in OURS:
        compare(done[kernel], tmp_path / kernel, done[PEER], tmp_path / PEER)


def test_what_differs_by_design_is_in_the_document() -> None:
    document = " ".join((ROOT / "docs" / "jupyter.md").read_text().split())
    for file in NOTEBOOKS:
        for cell in code_cells(nbformat.read(file, as_version=4)):
            assert cell.metadata.get("differs", "") in document
