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
WIDGETS_SECONDS = 30
"""Where nbclient talks to widgets, its own sending may hide a reply that has come until its deadline."""
NOTEBOOK_SECONDS = 160
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
        timeout=WIDGETS_SECONDS if file.stem == "widgets" else CELL_SECONDS,
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
        ("plots", {}),
        # Not the widgets: papermill sets no deadline (WIDGETS_SECONDS).
        ("asynchronous", {}),
        ("errors", {}),
    ],
)
async def test_papermill_makes_the_notebook_that_it_makes_with_ipykernel(
    name: str, parameters: dict[str, Any], tmp_path: Path
) -> None:
    peer, *ours = await asyncio.gather(
        *(papermill(name, kernel, parameters, tmp_path) for kernel in (PEER, *OURS))
    )
    for kernel, notebook in zip(OURS, ours, strict=True):
        compare(notebook, tmp_path / kernel, peer, tmp_path / PEER)
    assert ("injected-parameters" in str(peer.cells)) == bool(parameters)


async def papermill(name: str, kernel: str, parameters: dict[str, Any], directory: Path) -> NotebookNode:
    """The notebook that papermill made."""
    (directory / kernel).mkdir()
    source, result = ROOT / "tests" / "notebooks" / f"{name}.ipynb", directory / f"{kernel}.ipynb"
    words = [word for key, value in parameters.items() for word in ("-y", f"{key}: {value}")]
    answer = await asyncio.to_thread(
        subprocess.run,
        [*(sys.executable, "-m", "papermill", "--kernel", kernel, "--language", "python"), *words]
        + ["--cwd", str(directory / kernel), str(source), str(result)],
        # The entry point of our provisioner is on this process's path alone.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=NOTEBOOK_SECONDS,
        check=False,
    )
    fails = any(
        "raises-exception" in cell.metadata.get("tags", ()) for cell in nbformat.read(source, 4).cells
    )
    # It runs such a notebook to its end, and then says that there was an error.
    assert answer.returncode == int(fails), answer.stderr
    return nbformat.read(result, as_version=4)


def test_what_differs_by_design_is_in_the_document() -> None:
    document = " ".join((ROOT / "docs" / "jupyter.md").read_text().split())
    for file in NOTEBOOKS:
        for cell in code_cells(nbformat.read(file, as_version=4)):
            assert cell.metadata.get("differs", "") in document
