"""``antiphon worksheets import`` and ``export`` against a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.webserver.notebooks import ANALYSIS
from tests.webserver.test_exchange import joined

if TYPE_CHECKING:
    from tests.conftest import AntiphonServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("command")]


def test_a_notebook_goes_in_and_comes_out(shared_server: AntiphonServer, tmp_path: Path) -> None:
    path = tmp_path / "Weather.ipynb"
    path.write_text(json.dumps(ANALYSIS))
    done = shared_server.antiphon("worksheets", "import", str(path), "--title", "Files")
    assert (done.stderr, done.returncode) == ("", 0)
    sheet = done.stdout.strip()
    printed = shared_server.antiphon("worksheets", "export", sheet)
    assert joined(json.loads(printed.stdout)) == joined(ANALYSIS)
    for ending, words in {"py": "# %%", "md": "# Files", "html": "<!doctype html>"}.items():
        out = tmp_path / f"out.{ending}"
        assert shared_server.antiphon("worksheets", "export", "Files", "-o", str(out)).returncode == 0
        assert words in out.read_text()
    assert shared_server.antiphon("worksheets", "export", sheet, "--format", "py").stdout.startswith("# %%")


def test_what_cannot_be_imported_is_said_in_one_line(shared_server: AntiphonServer, tmp_path: Path) -> None:
    bad = tmp_path / "bad.ipynb"
    bad.write_text("{}")
    done = shared_server.antiphon("worksheets", "import", str(bad))
    assert done.returncode != 0
    assert "this is no notebook" in done.stderr
    assert "Traceback" not in done.stderr
    missing = shared_server.antiphon("worksheets", "import", str(tmp_path / "missing.py"))
    assert "cannot be read" in missing.stderr
